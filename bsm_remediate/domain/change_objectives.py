"""Objectives: whether a planned change would use up more downtime than was promised.

Reports leave maintenance out of what they measure. For planning, a change's downtime counts against the budget: that
which services really were down for (by the journal), that of other changes, and that of the one looked at, within any
window of the objective's length. Maintenance that people ordered isn't counted: it is agreed on.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise

from bsm_remediate.domain.calendar import Span
from bsm_remediate.domain.duration import format_duration
from bsm_remediate.domain.ids import NodeId
from bsm_remediate.domain.service_map import Service

_ROUNDING_S = 1e-6


@dataclass(frozen=True, kw_only=True, slots=True)
class Budget:
    """Of one service, in the window of its objective that is worst with the change in it."""

    service: NodeId
    objective: float
    """Percent."""
    window: timedelta
    allowed_s: float
    used_s: float
    """By what was, and by other changes."""
    needs_s: float
    """By this one, within that window."""

    @property
    def left_s(self) -> float:
        """After it; negative: the objective would be broken."""
        return self.allowed_s - self.used_s - self.needs_s

    @property
    def is_kept(self) -> bool:
        return self.left_s >= -_ROUNDING_S

    def words(self) -> str:
        """One line with the numbers."""
        promised = f"{self.service} promises {self.objective:g}% in {format_duration(self.window)}"
        allows, used, needs = (_minutes(one) for one in (self.allowed_s, self.used_s, self.needs_s))
        if self.is_kept:
            return f"{promised}: of {allows}, {used} is used, {needs} more leaves {_minutes(self.left_s)}"
        return (
            f"{promised}, which allows {allows} down: {used} is used, it needs {needs}, {_minutes(-self.left_s)} more"
        )


class Objectives:
    """Of the services that a change takes down for `duration`."""

    def __init__(
        self, down: Iterable[Service], duration: timedelta, downtimes: Mapping[NodeId, Sequence[Span]]
    ) -> None:
        """`downtimes`: when else they were, or are to be, down."""
        self._duration = duration
        self._promises = [
            (service, service.availability, tuple(downtimes.get(service.id, ())))
            for service in down
            if service.availability is not None
        ]

    def at(self, begin: datetime) -> tuple[Budget, ...]:
        """Of each of these services, when the change begins then."""
        return tuple(
            min(
                (
                    _budget(service, objective, spans, begin, self._duration, last)
                    for last in (None, *_ends_within_reach(service, spans, begin, self._duration))
                ),
                key=lambda one: one.left_s,
            )
            for service, objective, spans in self._promises
        )

    def turns(self, since: datetime, until: datetime) -> Iterator[datetime]:
        """Begins at which a budget may come to be kept, or to be broken."""
        length = self._duration
        for service, objective, spans in self._promises:
            window = service.window
            for last in (None, *(span.end for span in spans)):
                shifts = [moment for span in spans for moment in (span.begin, span.end)]
                if last is None:
                    kinks = {moment + shift for moment in shifts for shift in (-length, window - length)}
                else:
                    kinks = {last, last - length, last - window, last - window - length}
                    yield from (kink for kink in kinks if since <= kink <= until)
                moments = sorted({since, until, *(kink for kink in kinks if since < kink < until)})
                left = [_budget(service, objective, spans, one, length, last).left_s for one in moments]
                for (begin, before), (end, after) in pairwise(zip(moments, left, strict=True)):
                    if (before < 0) != (after < 0):
                        yield begin + (end - begin) * (before / (before - after))


def _ends_within_reach(
    service: Service, spans: Sequence[Span], begin: datetime, length: timedelta
) -> Iterator[datetime]:
    """The ends of later downtimes that have the change begun at `begin` in their window."""
    for span in spans:
        if span.end > begin + length and span.end - service.window < begin + length:
            yield span.end


def _budget(
    service: Service, objective: float, spans: Sequence[Span], begin: datetime, length: timedelta, last: datetime | None
) -> Budget:
    """In the window that ends at `last`, or with the change."""
    until = last if last is not None else begin + length
    since = until - service.window
    return Budget(
        service=service.id,
        objective=objective,
        window=service.window,
        allowed_s=(1.0 - objective / 100.0) * service.window.total_seconds(),
        used_s=sum(_overlap(span, since, until) for span in spans),
        needs_s=_overlap(Span(begin=begin, end=begin + length), since, until),
    )


def _overlap(span: Span, since: datetime, until: datetime) -> float:
    return max((min(span.end, until) - max(span.begin, since)).total_seconds(), 0.0)


def _minutes(seconds: float) -> str:
    return format_duration(timedelta(seconds=round(seconds))) if round(seconds) else "0s"
