"""The ledger's journal: how services and components stand, written where it changes (DESIGN 7)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta

from bsm_remediate.domain.attempts import BY_A_PERSON
from bsm_remediate.domain.bundle import Bundle
from bsm_remediate.domain.change_work import change_of
from bsm_remediate.domain.evaluation import Evaluation
from bsm_remediate.domain.event import Event, Json
from bsm_remediate.domain.ids import NodeId
from bsm_remediate.domain.impact import ServiceImpact
from bsm_remediate.domain.ledger import (
    KEPT,
    NOTHING,
    SUBJECT,
    ComponentEntry,
    Entry,
    ServiceEntry,
    entry_event,
    entry_of,
    kept_event,
)
from bsm_remediate.domain.loss import Prices, share
from bsm_remediate.domain.loss_curve import LossCurve
from bsm_remediate.domain.signal import Signal
from bsm_remediate.domain.state import State
from bsm_remediate.domain.statistics import BURN_WINDOWS, History, outages
from bsm_remediate.domain.statistics_document import statistics_document
from bsm_remediate.engine.statistics_keeper import FOREVER, Recollection, account
from bsm_remediate.records import Store

TOLD_AGAIN_AFTER = timedelta(days=1)
"""What lasts is told daily, so that it outlives a journal of which the begin is dropped."""
_HORIZON_S = 8 * 86400.0
"""How far a curve reaches: an engine that is away for a week misses no opening hour. A live one tells each change."""

_Known = dict[NodeId, Entry]


class LedgerJournal:
    """Follows the states from tick to tick."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._known: _Known | None = None
        """The latest entry of all that isn't ok; None until the journal was read."""
        self._following: _Known = {}
        self._kept_at: datetime | None = None
        self._keeps_at: datetime | None = None

    def events(self, evaluation: Evaluation, bundle: Bundle) -> list[Event]:
        """What must be appended now; once that is done, `written` says so."""
        now = evaluation.situation.at
        if self._known is None:
            self._known, self._kept_at = _left_standing(self._store)
        is_kept = self._kept_at is not None and now - self._kept_at < TOLD_AGAIN_AFTER
        begin = [] if is_kept else [kept_event(now)]
        self._keeps_at = self._kept_at if is_kept else now
        changed: list[Entry] = [*self._services(evaluation, bundle), *self._components(evaluation, bundle)]
        left = self._known.keys() - self._standing(evaluation, bundle)
        changed += [_well(self._known[node], now) for node in sorted(left)]
        self._following = {node: one for node, one in self._known.items() if node not in left} if left else self._known
        if changed:
            told = {_node(one): one for one in changed if one.state is not State.OK}
            self._following = {**self._following, **told}
        return [*begin, *(entry_event(one) for one in changed)]

    def written(self) -> None:
        """The latest `events` are in the journal."""
        self._known, self._kept_at = self._following, self._keeps_at

    def _standing(self, evaluation: Evaluation, bundle: Bundle) -> set[NodeId]:
        return {node for node in evaluation.impact.states if node in bundle.service_map}

    def _services(self, evaluation: Evaluation, bundle: Bundle) -> Iterator[ServiceEntry]:
        """New entries of the services that aren't ok."""
        known = self._known or {}
        scene = _Scene(evaluation, bundle)
        for node, one in evaluation.impact.services.items():
            if one.state is State.OK:
                continue
            before = known.get(node)
            if not isinstance(before, ServiceEntry) or not scene.is_as_told(before, one):
                yield scene.entry(one, before if isinstance(before, ServiceEntry) else None)

    def _components(self, evaluation: Evaluation, bundle: Bundle) -> Iterator[ComponentEntry]:
        """New entries of the components that aren't ok."""
        known, impact, now = self._known or {}, evaluation.impact, evaluation.situation.at
        for node, state in impact.states.items():
            if node not in bundle.service_map.components:
                continue
            before, own = known.get(node), impact.own.get(node, State.OK)
            is_as_told = isinstance(before, ComponentEntry) and (before.state, before.own) == (state, own)
            if before is not None and is_as_told and now - before.at < TOLD_AGAIN_AFTER:
                continue
            began, received = _first(evaluation.signals_on.get(node, ()))
            yield ComponentEntry(at=now, component=node, state=state, own=own, began_at=began, received_at=received)


class _Scene:
    """What the services of one tick share; prices are looked up only where there is something to tell."""

    def __init__(self, evaluation: Evaluation, bundle: Bundle) -> None:
        self._evaluation = evaluation
        self._bundle = bundle
        self._now: datetime = evaluation.situation.at
        self._prices = Prices(bundle.calendars, self._now)

    def is_as_told(self, before: ServiceEntry, now: ServiceImpact) -> bool:
        """Whether an entry would say nothing new."""
        return (
            before.state is now.state
            and before.loss_per_minute == now.loss_per_minute
            and before.since == now.since
            and before.bundle == self._bundle.digest
            and before.causes == _causes(now)
            and self._now - before.at < TOLD_AGAIN_AFTER
        )

    def entry(self, one: ServiceImpact, before: ServiceEntry | None) -> ServiceEntry:
        """The new entry of a service whose latest is `before`."""
        causes = _causes(one)
        signals = self._evaluation.signals_on
        began, received = _first(signal for cause in causes for signal in signals.get(cause, ()))
        return ServiceEntry(
            at=self._now,
            service=one.service,
            state=one.state,
            loss_per_minute=one.loss_per_minute,
            curve=self._curve(one, before),
            causes=causes,
            began_at=began,
            received_at=received,
            since=one.since,
            bundle=self._bundle.digest,
        )

    def _curve(self, one: ServiceImpact, before: ServiceEntry | None) -> LossCurve:
        service = self._bundle.service_map.services[one.service]
        part = share(service, one.state)
        if not part:
            return NOTHING
        ahead = self._prices.from_now(service, since=one.since, horizon_s=_HORIZON_S)
        is_within_grace = len(ahead.lost) > 2 and ahead.seconds[1] == ahead.seconds[2]
        was_costing = before is not None and share(service, before.state) > 0
        if service.per_outage and not is_within_grace and not was_costing:
            # What an outage costs once is due with its begin, or was due before anybody saw it.
            ahead = LossCurve(ahead.rate, ahead.seconds, tuple(one + service.per_outage for one in ahead.lost))
        return ahead.times(part)


def _causes(one: ServiceImpact) -> tuple[NodeId, ...]:
    return tuple(sorted(one.causes))


def _first(signals: Iterable[Signal]) -> tuple[datetime | None, datetime | None]:
    """When the earliest began, and when it came."""
    first = min(signals, key=lambda one: one.since, default=None)
    return (first.since, first.alert.received_at) if first is not None else (None, None)


def _node(entry: Entry) -> NodeId:
    return entry.service if isinstance(entry, ServiceEntry) else entry.component


def _well(before: Entry, now: datetime) -> Entry:
    """The end of what `before` began."""
    if isinstance(before, ServiceEntry):
        return ServiceEntry(at=now, service=before.service, state=State.OK, bundle=before.bundle)
    return ComponentEntry(at=now, component=before.component, state=State.OK)


def _left_standing(store: Store) -> tuple[_Known, datetime | None]:
    """What earlier engines saw begin but not end; and when one last said that it keeps the ledger."""
    found: _Known = {}
    known = account(store, SUBJECT, since=FOREVER)
    kept_at = known.progress.kept_at
    for event in known.events:
        kept_at = event.at if event.kind == KEPT else kept_at
        entry = entry_of(event)
        if entry is None:
            continue
        if entry.state is State.OK:
            found.pop(_node(entry), None)
        else:
            found[_node(entry)] = entry
    return found, kept_at


def ledger_history(store: Recollection, *, since: datetime, until: datetime = FOREVER) -> History:
    """The states of a time, from what is kept of it and what the journal has beside."""
    known = account(store, SUBJECT, since=since, until=until)
    return History(recorded_since=known.progress.recorded_since).fold(known.events)


def read_statistics(store: Store, bundle: Bundle, *, since: datetime, until: datetime) -> dict[str, Json]:
    """The statistics of a time, from what is kept of it and what the journal has beside; and from the runs."""
    windows = [one.window for one in bundle.service_map.services.values() if one.availability is not None]
    reach = max([*BURN_WINDOWS.values(), *windows]) if windows else timedelta(0)
    horizon = min(since, until - reach)
    started = [run.started_at for run in store.runs(since=since) if run.started_at is not None]
    # What begins later can still matter: by when a person would have come, had the service not failed again.
    latest = until + (bundle.settings.person or BY_A_PERSON)
    history = ledger_history(store, since=min([horizon, *started]), until=latest)
    failures = [outage for spans in history.services.values() for outage in outages(spans)]
    begins = [one.begin for one in failures if one.end is None or one.end >= since]
    # Planned changes restore nothing: what they came to is said by their reviews.
    runs = [run for run in store.runs(since=min([since, *begins])) if change_of(run) is None]
    return statistics_document(history, runs, bundle, since=since, until=until)
