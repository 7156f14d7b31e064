"""The window of a planned change: the begin that loses least, among those at which all of it fits and no objective
breaks (DESIGN 5.2). Begins are whole minutes; of equal ones the earliest counts.

Between the moments at which prices change or budgets turn, the cost is a straight line over the begin, so that its
least value lies at one of them or right beside it; these are all that is tried (a property test tries every minute).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from bsm_remediate.domain.bundle import Bundle
from bsm_remediate.domain.calendar import Calendar, Span
from bsm_remediate.domain.change_cost import ChangeCost, Cost
from bsm_remediate.domain.change_objectives import Budget, Objectives
from bsm_remediate.domain.duration import format_duration
from bsm_remediate.domain.planned_change import PlannedChange

MINUTE = timedelta(minutes=1)
_ALIKE = 1e-9
"""Costs that differ by less, relatively, are the same."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Offer:
    """The best begin within one span of the calendars, or why there is none."""

    span: Span
    begin: datetime | None = None
    """None: it doesn't fit in there."""
    cost: Cost | None = None
    budgets: tuple[Budget, ...] = ()
    refusal: str = ""
    """Why it can't be begun in there; empty: it can."""


def open_spans(change: PlannedChange, bundle: Bundle, since: datetime, until: datetime) -> list[Span]:
    """When its calendars allow it and no change freeze is in force, from `since` to `until` (both aware)."""
    freezes = [bundle.calendars[name] for name in bundle.settings.freeze if name in bundle.calendars]
    if any(name not in bundle.calendars for name in bundle.settings.freeze) or since >= until:
        return []
    wanted = tuple(bundle.calendars[name] for name in change.times.calendars) or (_Always(),)
    return Calendar(name="", times=wanted, exceptions=tuple(freezes)).spans(since, until)


class _Always:
    """Implements `Times`."""

    def is_in_force(self, now: datetime) -> bool:  # noqa: ARG002 - it always is
        return True

    def edges(self, since: datetime, until: datetime) -> Iterable[datetime]:  # noqa: ARG002 - there are none
        return ()


def offers(cost: ChangeCost, objectives: Objectives, spans: Sequence[Span], needs: timedelta) -> list[Offer]:
    """One of each of `spans`, in their order."""
    return [_offer(cost, objectives, span, needs) for span in spans]


def chosen(found: Iterable[Offer]) -> Offer | None:
    """The one that loses least; None where all are refused."""
    possible = [(one.cost.weighted, one) for one in found if not one.refusal and one.cost is not None]
    if not possible:
        return None
    least = min(weighted for weighted, _ in possible)
    return next(one for weighted, one in possible if _is_as_good(weighted, least))


def _offer(cost: ChangeCost, objectives: Objectives, span: Span, needs: timedelta) -> Offer:
    first, last = _whole(span.begin, up=True), _whole(span.end - needs)
    if first > last:
        has = format_duration(span.end - span.begin)
        return Offer(span=span, refusal=f"it needs {format_duration(needs)} with undoing it, that window has {has}")
    tried = [(cost.at(begin), begin, objectives.at(begin)) for begin in _begins(cost, objectives, first, last)]
    kept = [one for one in tried if all(budget.is_kept for budget in one[2])]
    least = min(one[0].weighted for one in kept or tried)
    found, begin, budgets = next(one for one in kept or tried if _is_as_good(one[0].weighted, least))
    broken = [budget.words() for budget in budgets if not budget.is_kept]
    return Offer(span=span, begin=begin, cost=found, budgets=budgets, refusal="; ".join(broken))


def _begins(cost: ChangeCost, objectives: Objectives, first: datetime, last: datetime) -> list[datetime]:
    """The whole minutes worth trying, in their order: ends, turns, and their neighbours, where it jumps there."""
    found = {first, last}
    for turn in _turns(cost, objectives, first, last):
        whole = _whole(turn)
        found.update(whole + step * MINUTE for step in (-1, 0, 1, 2))
    return sorted(one for one in found if first <= one <= last)


def _turns(cost: ChangeCost, objectives: Objectives, first: datetime, last: datetime) -> Iterator[datetime]:
    yield from cost.turns(first, last)
    yield from objectives.turns(first, last)


def _is_as_good(weighted: float, least: float) -> bool:
    return weighted <= least + _ALIKE * (1.0 + least)


def _whole(moment: datetime, *, up: bool = False) -> datetime:
    """The whole minute at or before `moment`, or at or after it."""
    whole = moment.replace(second=0, microsecond=0)
    return whole + MINUTE if up and whole < moment else whole
