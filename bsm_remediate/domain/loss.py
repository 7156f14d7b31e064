"""Loss: what a service costs in a state, per minute and over time (DESIGN 5.2)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from itertools import pairwise

from bsm_remediate.domain.calendar import Calendar
from bsm_remediate.domain.loss_curve import LossCurve
from bsm_remediate.domain.service_map import Service
from bsm_remediate.domain.state import State


def share(service: Service, state: State) -> float:
    """The part of the full rate that `state` costs; unknown by itself costs nothing."""
    if state is State.DOWN:
        return 1.0
    return service.degraded if state is State.DEGRADED else 0.0


class Prices:
    """What services cost at `at` (aware), and from then on. Each calendar is looked at once, however many services
    name it.
    """

    def __init__(self, calendars: Mapping[str, Calendar], at: datetime) -> None:
        self._calendars = calendars
        self._at = at
        self._in_force: dict[str, bool] = {}
        self._edges: dict[str, tuple[float, list[tuple[float, bool]]]] = {}

    def full(self, service: Service) -> float:
        """Money (or points) per minute while it is down: the highest of the calendars in force, else the default.
        Raises `KeyError` for a calendar that isn't there.
        """
        rates = service.loss_per_minute
        if not rates.by_calendar:
            return rates.default
        return max((rate for name, rate in rates.by_calendar if self._is_in_force(name)), default=rates.default)

    def now(self, service: Service, *, since: datetime | None = None) -> float:
        """What an outage that began at `since` costs per minute now: nothing while it is within its grace, or while the
        work that is due still fits. None: nobody knows when it began, so its grace is over.
        """
        return self.full(service) if self._costs_from(service, since) <= self._at else 0.0

    def from_now(self, service: Service, *, since: datetime | None = None, horizon_s: float) -> LossCurve:
        """What that outage costs until it ends, exact for ends within `horizon_s` seconds. What it has cost already
        isn't in it.
        """
        free_s = (self._costs_from(service, since) - self._at).total_seconds()
        rates = service.loss_per_minute
        steps = self._steps(rates.by_calendar, rates.default, horizon_s)
        if free_s <= 0 and len(steps) == 1:
            return LossCurve(steps[0][1])
        seconds, lost = [0.0], [0.0]

        def go_on(second: float, rate: float) -> None:
            lost.append(lost[-1] + rate * (second - seconds[-1]))
            seconds.append(second)

        if free_s > 0:
            go_on(free_s, 0.0)
            if service.per_outage:
                seconds.append(free_s)
                lost.append(service.per_outage)
        for (_, rate), (end, _) in pairwise(steps):
            if end > seconds[-1]:
                go_on(end, rate)
        return LossCurve(steps[-1][1], tuple(seconds), tuple(lost))

    def _costs_from(self, service: Service, since: datetime | None) -> datetime:
        """From when on that outage costs."""
        begin = self._at if since is None else since + service.grace
        if service.deadline is None:
            return begin
        return max(begin, service.deadline.next_after(since or self._at) - service.deadline.needs)

    def _is_in_force(self, name: str) -> bool:
        found = self._in_force.get(name)
        if found is None:
            found = self._in_force[name] = self._calendars[name].is_in_force(self._at)
        return found

    def _steps(
        self, by_calendar: tuple[tuple[str, float], ...], default: float, horizon_s: float
    ) -> list[tuple[float, float]]:
        """From which second on it costs how much per second."""
        known = {name: dict(self._changes(name, horizon_s)) for name, _ in by_calendar}
        in_force = {name: self._is_in_force(name) for name, _ in by_calendar}
        steps: list[tuple[float, float]] = []
        for second in sorted({0.0}.union(*known.values())):
            for name, changes in known.items():
                in_force[name] = changes.get(second, in_force[name])
            rate = max((rate for name, rate in by_calendar if in_force[name]), default=default) / 60
            if not steps or steps[-1][1] != rate:
                steps.append((second, rate))
        return steps

    def _changes(self, name: str, horizon_s: float) -> list[tuple[float, bool]]:
        """The seconds from now at which the calendar begins or ends."""
        reach, found = self._edges.get(name, (-1.0, []))
        if reach != horizon_s:
            calendar = self._calendars[name]
            edges = calendar.edges(self._at, self._at + timedelta(seconds=horizon_s))
            found = [((edge - self._at).total_seconds(), calendar.is_in_force(edge)) for edge in edges]
            self._edges[name] = (horizon_s, found)
        return found
