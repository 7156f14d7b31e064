"""A stand-in for whoever is asked for figures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from bsm_remediate.domain.sample import Sample, Series
from bsm_remediate.errors import SourceUnreachable
from bsm_remediate.ports import Clock


class SimulatedFigures:
    """Implements `MetricSource`. Each figure is what it was last `set` to, one for each instance, and was before that
    what it `has_been`; it may be away.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._figures: dict[str, dict[str, float]] = {}
        self._past: dict[str, dict[str, Mapping[datetime, float]]] = {}
        self.is_away = False
        self.asked_at: list[datetime] = []

    def set(self, query: str, figures: Mapping[str, float]) -> None:
        """From now on `query` has these series, by `instance`."""
        self._figures[query] = dict(figures)

    def has_been(self, query: str, instance: str, points: Mapping[datetime, float]) -> None:
        """What one series was when."""
        self._past.setdefault(query, {})[instance] = points

    def samples(self, query: str) -> Sequence[Sample]:
        self.asked_at.append(self._clock.now())
        if self.is_away:
            raise SourceUnreachable("it is away")
        figures = self._figures.get(query, {})
        return [Sample(labels={"instance": name}, value=value) for name, value in figures.items()]

    def history(self, query: str, *, start: datetime, end: datetime, step: timedelta) -> Sequence[Series]:
        """The figure at each `step`, as it had been last by then."""
        if self.is_away:
            raise SourceUnreachable("it is away")
        moments = [start + number * step for number in range(int((end - start) / step) + 1)]
        found = []
        for instance, points in self._past.get(query, {}).items():
            known = [(at, [one for one in points if one <= at]) for at in moments]
            read = tuple((at, points[max(before)]) for at, before in known if before)
            if read:
                found.append(Series(labels={"instance": instance}, points=read))
        return found
