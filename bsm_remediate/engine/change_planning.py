"""Windows of planned changes, worked out from the bundle, the journal and the other changes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Protocol

from bsm_remediate.domain.bundle import Bundle
from bsm_remediate.domain.calendar import Span
from bsm_remediate.domain.change import Change, Slot, slot_of
from bsm_remediate.domain.change_cost import ChangeCost
from bsm_remediate.domain.change_downtime import downtimes
from bsm_remediate.domain.change_objectives import Budget, Objectives
from bsm_remediate.domain.change_window import Offer, chosen, offers, open_spans
from bsm_remediate.domain.ids import ChangeId, NodeId
from bsm_remediate.domain.planned_change import PlannedChange
from bsm_remediate.domain.rollup import RollUp
from bsm_remediate.domain.service_map import Service
from bsm_remediate.engine.ledger import ledger_history
from bsm_remediate.engine.statistics_keeper import Recollection
from bsm_remediate.records import ChangeLog

_AHEAD = timedelta(days=366)
"""A change is proposed no longer before it is done."""


class ChangeRecords(ChangeLog, Recollection, Protocol):
    """Where changes and the past are read."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Windows:
    """What was found for one change."""

    offers: tuple[Offer, ...]
    chosen: Offer | None
    slot: Slot | None
    """Of what was chosen."""

    def refusal(self) -> str:
        """Why there is none, in one line."""
        if not self.offers:
            return "its calendars leave no window before its latest end, or a change freeze covers them"
        shown = [f"{one.span.begin:%Y-%m-%d %H:%M} UTC: {one.refusal}" for one in self.offers[:3]]
        more = f" (and {len(self.offers) - 3} more)" if len(self.offers) > 3 else ""
        return f"no window will do{more}: {'; '.join(shown)}"


class ChangePlanning:
    """Asked when somebody proposes or approves, and when a window opens or was missed; it reads the states of the
    objectives' windows.
    """

    def __init__(
        self,
        records: ChangeRecords | None,
        *,
        bundle: Callable[[], Bundle],
        rollup: Callable[[], RollUp],
        goal: Callable[[], str],
    ) -> None:
        """Without `records` nothing is known of past downtime and of other changes."""
        self._records = records
        self._bundle = bundle
        self._rollup = rollup
        self._goal = goal

    def cost(self, planned: PlannedChange) -> ChangeCost:
        return ChangeCost(self._bundle(), self._rollup(), planned, goal=self._goal())

    def windows(
        self,
        planned: PlannedChange,
        earliest: datetime,
        latest: datetime,
        *,
        now: datetime,
        besides: ChangeId | None = None,
    ) -> Windows:
        """All between `earliest` and `latest`, and the best; `besides` is the change itself, once it is one."""
        return self._windows(planned, open_spans(planned, self._bundle(), earliest, latest), now, besides)

    def at(self, change: Change, planned: PlannedChange, begin: datetime, *, now: datetime) -> Windows:
        """That begin alone, as things are now: whether it still lies in a window, what it costs, what it breaks."""
        spans = open_spans(planned, self._bundle(), begin, change.latest)
        exact = [Span(begin=begin, end=begin + planned.needs)] if _fits(spans, begin, planned.needs) else []
        found = self._windows(planned, exact, now, change.id)
        if found.slot is None or found.chosen is None:
            return found
        slot = slot_of(found.chosen, planned, found.slot.services, found.slot.down)
        return Windows(offers=found.offers, chosen=found.chosen, slot=_closing(slot, spans[0].end))

    def broken(self, change: Change, planned: PlannedChange, begin: datetime, *, now: datetime) -> str:
        """Which objectives it would break, were it to begin then; empty: none."""
        cost = self.cost(planned)
        budgets = self._objectives(cost, now, change.id).at(begin)
        return "; ".join(one.words() for one in budgets if not one.is_kept)

    def _windows(
        self, planned: PlannedChange, spans: Sequence[Span], now: datetime, besides: ChangeId | None
    ) -> Windows:
        cost = self.cost(planned)
        found = tuple(offers(cost, self._objectives(cost, now, besides), spans, planned.needs))
        best = chosen(found)
        names = tuple(service.id for service, _ in cost.hit)
        down = tuple(service.id for service in cost.down)
        return Windows(
            offers=found, chosen=best, slot=slot_of(best, planned, names, down) if best is not None else None
        )

    def _objectives(self, cost: ChangeCost, now: datetime, besides: ChangeId | None) -> Objectives:
        promising = [one for one in cost.down if one.availability is not None]
        return Objectives(promising, cost.duration, self._downtimes(promising, now, besides))

    def _downtimes(
        self, services: Sequence[Service], now: datetime, besides: ChangeId | None
    ) -> dict[NodeId, list[Span]]:
        if self._records is None or not services:
            return {}
        since = now - max(service.window for service in services) - _AHEAD
        history = ledger_history(self._records, since=since, until=now)
        return downtimes(history.services, self._records.planned(since=since), now=now, besides=besides)


def _fits(spans: Sequence[Span], begin: datetime, needs: timedelta) -> bool:
    return bool(spans) and spans[0].begin == begin and spans[0].end - begin >= needs


def _closing(slot: Slot | None, end: datetime) -> Slot | None:
    return replace(slot, closes_at=end) if slot is not None else None


def budgets_in_words(budgets: Sequence[Budget]) -> str:
    """All of them in one line; empty: no service that goes down has promised anything."""
    return "; ".join(one.words() for one in budgets)
