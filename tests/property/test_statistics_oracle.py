"""The statistics against the journal itself: whatever was kept when, by whom, and however often somebody died, a report
is what folding the whole journal gives.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from bsm_remediate.domain.bundle import Bundle
from bsm_remediate.domain.chapter import Chapter
from bsm_remediate.domain.evaluation import Evaluator
from bsm_remediate.domain.event import Event, Json
from bsm_remediate.domain.ids import NodeId, RunId
from bsm_remediate.domain.ledger import SUBJECT, ComponentEntry, ServiceEntry, entry_event, kept_event
from bsm_remediate.domain.loss_curve import LossCurve
from bsm_remediate.domain.run import Run, RunEnd, RunState
from bsm_remediate.domain.seal import SealKey
from bsm_remediate.domain.state import State
from bsm_remediate.domain.statistics import History, outages
from bsm_remediate.domain.statistics_document import statistics_document
from bsm_remediate.engine.ledger import LedgerJournal, read_statistics
from bsm_remediate.engine.statistics_keeper import ALWAYS, FOREVER, StatisticsKeeper, compare, pages, rebuild
from bsm_remediate.errors import StoreUnavailable
from bsm_remediate.records import Store
from bsm_remediate.testing import builders
from bsm_remediate.testing.clock import VirtualClock
from bsm_remediate.testing.store import MemoryStore

BEGIN = datetime.fromisoformat("2026-01-05T00:00:00+00:00")
HOUR = timedelta(hours=1)
LAST = 30
"""Hours."""
KEY = SealKey("of the statistics' oracle, with 32 characters")
A, B, SHOP, PLANT = NodeId("a"), NodeId("b"), NodeId("shop"), NodeId("plant")


def _bundle(*windows: timedelta) -> Bundle:
    shop = builders.service("shop", requires=["a", "b"], loss=10)
    plant = builders.service("plant", requires=["b"], loss=3)
    made = builders.bundle(
        *(replace(shop, availability=99.0, window=window) for window in windows),
        *(() if windows else (shop,)),
        plant,
        builders.component("a"),
        builders.component("b"),
    )
    return replace(made, settings=replace(made.settings, person=timedelta(hours=3)))


BUNDLE = _bundle()
"""Without objectives: nothing but the report's own time, and what reaches into it, is asked for."""
WITH_OBJECTIVE = _bundle(timedelta(hours=20))
STATES = st.sampled_from([State.OK, State.OK, State.DOWN, State.DEGRADED, State.MAINTENANCE])
CURVES = st.sampled_from([LossCurve(0.1), LossCurve(1.0), LossCurve(0.5, (0.0, 3600.0, 3600.0), (5.0, 5.0, 17.5))])


@st.composite
def entries(draw: st.DrawFn) -> list[Event]:
    """The ledger's events, in the order of their times; several may come at one moment, and others between them."""
    hours = sorted(draw(st.lists(st.integers(0, LAST), min_size=1, max_size=30)))
    found: list[Event] = []
    for hour in hours:
        at = BEGIN + hour * HOUR
        kind = draw(st.sampled_from(["service", "service", "service", "component", "kept", "other"]))
        if kind == "service":
            entry = ServiceEntry(
                at=at,
                service=draw(st.sampled_from([SHOP, SHOP, PLANT])),
                state=draw(STATES),
                curve=draw(CURVES),
                causes=draw(st.sampled_from([(), (A,), (A, B)])),
                began_at=draw(st.sampled_from([None, at - HOUR / 2])),
                bundle="sha256:1",
            )
            found.append(entry_event(entry))
        elif kind == "component":
            state = draw(STATES)
            found.append(
                entry_event(ComponentEntry(at=at, component=draw(st.sampled_from([A, B])), state=state, own=state))
            )
        else:
            found.append(kept_event(at) if kind == "kept" else Event(kind="run.task", at=at, subject="r1"))
    return found


@st.composite
def runs(draw: st.DrawFn) -> list[Run]:
    found = []
    for number in range(draw(st.integers(0, 4))):
        began = draw(st.integers(0, LAST - 1))
        ended = draw(st.integers(began, min(began + 30, LAST)))
        end = draw(st.sampled_from([RunEnd.RESTORED, RunEnd.PLAYBOOK_FAILED]))
        is_restored = end is RunEnd.RESTORED
        one = builders.run(draw(st.sampled_from(["a", "b"])), "mend")
        found.append(
            replace(
                one,
                id=RunId(f"r{number}"),
                state=RunState.SUCCEEDED if is_restored else RunState.FAILED,
                end=end,
                attempt=1,
                planned_at=BEGIN + began * HOUR,
                started_at=BEGIN + began * HOUR,
                passed_at=BEGIN + ended * HOUR if is_restored else None,
                ended_at=BEGIN + ended * HOUR,
            )
        )
    return found


class Interrupted(MemoryStore):
    """Whenever one engine is about to keep what it has read, another one has been faster."""

    is_other = False

    def latest_chapters(self, keys: Collection[str]) -> Mapping[str, Chapter]:
        if not self.is_other:
            self.is_other = True
            following(self).follow()
            self.is_other = False
        return super().latest_chapters(keys)


class Dying(MemoryStore):
    """Fails at its call number `fails_at`, before or after what it was to do."""

    fails_at, is_done_first = 0, False

    def __getattribute__(self, name: str) -> Any:
        found = super().__getattribute__(name)
        if name not in {"events", "latest_position", "progress", "latest_chapters", "keep", "rewind", "forget"}:
            return found
        call: Callable[..., Any] = found

        def dying(*arguments: Any, **named: Any) -> Any:
            self.fails_at -= 1
            if self.fails_at == 0 and not self.is_done_first:
                raise StoreUnavailable("it is away")
            result = call(*arguments, **named)
            if self.fails_at == 0:
                raise StoreUnavailable("it has gone away")
            return result

        return dying


def put(store: MemoryStore, found: list[Run]) -> None:
    for run in found:
        store.insert(run, [])


def from_the_journal(store: Store, bundle: Bundle, since: datetime, until: datetime) -> dict[str, Json]:
    """As it would be if nothing were kept: slow, and obvious."""
    history = History().fold(pages(store, SUBJECT))
    failures = [outage for spans in history.services.values() for outage in outages(spans)]
    begins = [one.begin for one in failures if one.end is None or one.end >= since]
    return statistics_document(history, store.runs(since=min([since, *begins])), bundle, since=since, until=until)


def following(store: Store) -> StatisticsKeeper:
    return StatisticsKeeper(store, VirtualClock(BEGIN + LAST * HOUR))


@given(entries(), runs(), st.data())
@settings(max_examples=250, deadline=None)
def test_a_report_of_any_time_is_what_the_whole_journal_says(
    told: list[Event], carried_out: list[Run], data: st.DataObject
) -> None:
    """Followed at any times, by several who die at any call; the rest isn't read yet."""
    store = Dying()
    put(store, carried_out)
    for event in told:
        store.append([event])
        if data.draw(st.booleans()):
            store.seal(KEY, limit=100)
        if data.draw(st.booleans()):
            store.fails_at, store.is_done_first = data.draw(st.integers(0, 8)), data.draw(st.booleans())
            with suppress(StoreUnavailable):
                following(store).follow()
            store.fails_at = 0
    store.seal(KEY, limit=100)
    if data.draw(st.booleans()):
        following(store).follow()
    for _ in range(6):
        one, other = sorted((data.draw(st.integers(0, LAST)), data.draw(st.integers(0, LAST))))
        since, until = BEGIN + one * HOUR, BEGIN + (other + 1) * HOUR
        for bundle in (BUNDLE, WITH_OBJECTIVE):
            found = read_statistics(store, bundle, since=since, until=until)
            assert found == from_the_journal(store, bundle, since, until)


@given(entries(), st.integers(0, 25))
@settings(max_examples=50, deadline=None)
def test_of_two_who_read_on_at_once_only_one_keeps_what_it_read(told: list[Event], cut: int) -> None:
    contended, once = Interrupted(), MemoryStore()
    for store in (contended, once):
        for some in (told[:cut], told[cut:]):
            store.append(some)
            store.seal(KEY, limit=100)
            following(store).follow()
    found, alone = (store.recorded(since=ALWAYS, until=FOREVER) for store in (contended, once))
    assert found == alone


@given(entries(), st.data())
@settings(max_examples=150, deadline=None)
def test_kept_in_any_portions_it_is_what_is_kept_at_once(told: list[Event], data: st.DataObject) -> None:
    portions, once = Dying(), MemoryStore()
    for event in told:
        portions.append([event])
        portions.seal(KEY, limit=1)
        if data.draw(st.booleans()):
            portions.fails_at, portions.is_done_first = data.draw(st.integers(0, 6)), data.draw(st.booleans())
            with suppress(StoreUnavailable):
                following(portions).follow()
            portions.fails_at = 0
    once.append(told)
    once.seal(KEY, limit=100)
    following(portions).follow()
    following(once).follow()
    kept, anew = (store.recorded(since=ALWAYS, until=FOREVER) for store in (portions, once))
    assert kept.entries == anew.entries
    assert (kept.progress.recorded_since, kept.progress.kept_at) == (
        anew.progress.recorded_since,
        anew.progress.kept_at,
    )
    assert not compare(portions).difference


@given(entries(), st.integers(0, 25), st.integers(0, 8), st.booleans())
@settings(max_examples=150, deadline=None)
def test_rebuilt_it_is_as_it_was_also_when_a_part_of_the_journal_is_gone(
    told: list[Event], dropped: int, fails_at: int, is_done_first: bool
) -> None:
    """And when a rebuild dies at any call and is asked for again."""
    store = Dying()
    store.append(told)
    store.seal(KEY, limit=100)
    following(store).follow()
    before = store.recorded(since=ALWAYS, until=FOREVER)
    if 0 < dropped <= len(told):
        begin = store.seals().head if dropped == len(told) else None
        entry = store.entries(after=dropped - 1, limit=1)[0]
        mark = begin or replace(store.seals().head, position=entry.position, link=entry.link)
        store.drop(mark, KEY.proof(mark))
    store.fails_at, store.is_done_first = fails_at, is_done_first
    with suppress(StoreUnavailable):
        rebuild(store)
    store.fails_at = 0
    rebuild(store)
    assert store.recorded(since=ALWAYS, until=FOREVER).entries == before.entries
    assert store.progress().recorded_since == before.progress.recorded_since
    assert not compare(store).difference


@given(entries(), st.booleans(), st.data())
@settings(max_examples=100, deadline=None)
def test_a_new_leader_knows_what_is_left_standing(told: list[Event], is_followed: bool, data: st.DataObject) -> None:
    """The latest entry of all that isn't ok, by the whole journal."""
    store = MemoryStore()
    cut = data.draw(st.integers(0, len(told)))
    for some in (told[:cut], told[cut:]):
        if is_followed:
            following(store).follow()
        store.append(some)
        store.seal(KEY, limit=100)
    evaluation = Evaluator(BUNDLE).evaluate(builders.situation(at=BEGIN + (LAST + 1) * HOUR))
    history = History().fold(pages(store, SUBJECT))
    open_ones = [node for node, spans in history.services.items() if spans[-1].end is None]
    open_ones += [node for node, spans in history.components.items() if spans[-1].end is None]
    events = LedgerJournal(store).events(evaluation, BUNDLE)
    ended = [event.facts.get("service") or event.facts.get("component") for event in events if "state" in event.facts]
    assert sorted(str(one) for one in ended) == sorted(open_ones)
