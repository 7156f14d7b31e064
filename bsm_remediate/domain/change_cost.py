"""What a planned change costs, by when it begins: of the services that don't stand while its components are worked on.

The world is taken to be well otherwise; what has failed by then keeps the change from beginning at all. The change
begins an outage, so grace, money per outage and deadlines count as they do for any other (DESIGN 5.2).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from bsm_remediate.domain.bundle import Bundle
from bsm_remediate.domain.loss import Prices, share
from bsm_remediate.domain.planned_change import PlannedChange
from bsm_remediate.domain.rollup import RollUp
from bsm_remediate.domain.service_map import Service
from bsm_remediate.domain.state import LEVELS, State

_AHEAD = timedelta(days=2)
"""A deadline that far after the time looked at still sets what an outage within it costs."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Cost:
    """Of one change begun at one moment."""

    planned: float
    """Money (or points) while it goes as planned."""
    risk: float
    """Expected beside that: the chance that it fails, times what undoing it costs more."""
    weighted: float
    """Both, by the goal: what decides."""

    @property
    def expected(self) -> float:
        return self.planned + self.risk


class ChangeCost:
    """Of one change under one goal."""

    def __init__(self, bundle: Bundle, rollup: RollUp, change: PlannedChange, *, goal: str) -> None:
        self._bundle = bundle
        self._goal = bundle.goals[goal]
        levels = rollup.levels(dict.fromkeys(change.components, 2))
        services = bundle.service_map.services
        self.hit: tuple[tuple[Service, State], ...] = tuple(
            (service, LEVELS[levels[node]]) for node, service in sorted(services.items()) if levels.get(node)
        )
        """The services that are degraded or down meanwhile."""
        self.duration = change.do.duration
        self.longest = change.do.duration + change.recovery(bundle.settings.person)
        self._failure = 1.0 - change.do.success

    @property
    def down(self) -> tuple[Service, ...]:
        """Those that aren't available meanwhile; degraded ones are."""
        return tuple(service for service, state in self.hit if state is State.DOWN)

    def at(self, begin: datetime) -> Cost:
        """Begun at `begin` (aware)."""
        prices = Prices(self._bundle.calendars, begin)
        planned = risk = weighted = 0.0
        for service, state in self.hit:
            went_well = self._lost(prices, service, state, begin, self.duration)
            failed = self._lost(prices, service, state, begin, self.longest)
            more = self._failure * (failed - went_well)
            planned += went_well
            risk += more
            weighted += (went_well + more) * self._goal.weight(service.function)
        return Cost(planned=planned, risk=risk, weighted=weighted)

    def lasting(self, begin: datetime, length: timedelta) -> float:
        """The money that it costs when it lasts just so long."""
        prices = Prices(self._bundle.calendars, begin)
        return sum(self._lost(prices, service, state, begin, length) for service, state in self.hit)

    def _lost(self, prices: Prices, service: Service, state: State, begin: datetime, length: timedelta) -> float:
        seconds = length.total_seconds()
        curve = prices.from_now(service, since=begin, horizon_s=seconds)
        has_jump = len(curve.lost) > 2 and curve.seconds[1] == curve.seconds[2]
        at_once = service.per_outage if not has_jump else 0.0  # nothing is free: it is due with the outage's begin
        return (curve.until(seconds) + at_once) * share(service, state)

    def turns(self, since: datetime, until: datetime) -> Iterator[datetime]:
        """Begins between which the cost is a straight line: an end of the change, or what it has free, meets a moment
        at which prices change.
        """
        for service, _ in self.hit:
            ends = (timedelta(0), service.grace, self.duration, self.longest)
            moments = {
                edge for name, _ in service.loss_per_minute.by_calendar for edge in self._edges(name, since, until)
            }
            if service.deadline is not None:
                due = service.deadline.next_after(since - _AHEAD)
                while due < until + _AHEAD:
                    moments |= {due, due - service.deadline.needs}
                    due = service.deadline.next_after(due)
            for moment in moments:
                yield from (moment - end for end in ends if since <= moment - end <= until)

    def _edges(self, calendar: str, since: datetime, until: datetime) -> Iterator[datetime]:
        reach = max(self.longest, timedelta(0))
        grace = max((service.grace for service, _ in self.hit), default=timedelta(0))
        yield from self._bundle.calendars[calendar].edges(since - timedelta(days=1), until + max(reach, grace))
