"""Every store keeps statistics in the same way, in memory and on a database."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, event

from bsm_remediate.adapters.sql.database import open_database
from bsm_remediate.adapters.sql.store import SqlStore, open_store
from bsm_remediate.domain.chapter import Chapter, Kept, Portion, Progress, keys_of, portion
from bsm_remediate.domain.event import Event
from bsm_remediate.domain.seal import SealKey
from bsm_remediate.engine.statistics_keeper import ALWAYS, FOREVER, StatisticsKeeper, compare
from bsm_remediate.errors import StoreUnavailable
from bsm_remediate.records import Store
from bsm_remediate.testing.clock import VirtualClock
from bsm_remediate.testing.store import MemoryStore

NINE = datetime(2026, 1, 5, 9, tzinfo=UTC)
KEY = SealKey("of the statistics' contract, 32 characters")


def entry(position: int, state: str, *, minute: int, of: str = "db-1") -> Event:
    facts = {"component": of, "state": state, "own": state, "text": "ä \u2028 'quoted'"}
    at = NINE + timedelta(minutes=minute, microseconds=123_457)
    return Event(kind="component.changed", at=at, subject="ledger", facts=facts, position=position)


def put(store: Store, *events: Event, kept: bool = True) -> Portion:
    """What `events` add, kept unless told otherwise."""
    progress, through = store.progress(), events[-1].position or 0
    latest = store.latest_chapters(keys_of(events))
    found = portion(events, latest=latest, progress=progress, through=through)
    if kept:
        assert store.keep(found, after=progress.position)
    return found


def positions(store: Store, since: int = -1_000, until: int = 1_000) -> list[int | None]:
    found = store.recorded(since=NINE + timedelta(minutes=since), until=NINE + timedelta(minutes=until))
    return [one.event.position for one in found.entries]


def test_what_is_kept_comes_back_as_the_journal_had_it(store: Store) -> None:
    failed, mended = entry(3, "down", minute=0), entry(7, "ok", minute=5)
    put(store, failed, mended)
    chapter = Chapter(id=3, key="component db-1", began_at=failed.at, latest_at=mended.at, is_over=True)
    found = store.recorded(since=NINE, until=NINE)
    assert found.entries == ()
    found = store.recorded(since=NINE, until=NINE + timedelta(hours=1))
    assert found.entries == (Kept(chapter, failed), Kept(chapter, mended))
    assert found.progress == store.progress() == Progress(position=7, recorded_since=failed.at)


def test_of_a_time_all_of_what_reaches_into_it_is_told(store: Store) -> None:
    put(store, entry(1, "down", minute=0), entry(2, "degraded", minute=10), entry(3, "ok", minute=20))
    put(store, entry(4, "down", minute=0, of="web-1"), entry(5, "down", minute=50))
    assert positions(store, 15, 30) == [1, 2, 3, 4]
    assert positions(store, 30, 40) == [4]
    assert positions(store, 30, 60) == [4, 5]


def test_the_latest_chapter_of_each_key_is_found(store: Store) -> None:
    put(store, entry(1, "down", minute=0), entry(2, "ok", minute=1), entry(3, "down", minute=2))
    put(store, entry(4, "down", minute=2, of="web-1"))
    found = store.latest_chapters(["component db-1", "component web-1", "component new"])
    assert {key: one.id for key, one in found.items()} == {"component db-1": 3, "component web-1": 4}


def test_nothing_is_kept_by_whoever_was_overtaken(store: Store) -> None:
    late = put(store, entry(1, "down", minute=0), kept=False)
    put(store, entry(1, "down", minute=0), entry(2, "ok", minute=1))
    assert not store.keep(late, after=0)
    assert positions(store) == [1, 2]


def test_what_failed_again_at_the_moment_of_its_end_is_one_chapter(store: Store) -> None:
    """To whom it is one outage, however it was read."""
    put(store, entry(1, "down", minute=0), entry(2, "ok", minute=9))
    put(store, entry(3, "down", minute=9), entry(4, "ok", minute=30))
    assert positions(store, 20, 40) == [1, 2, 3, 4]


def test_rewound_it_is_as_it_was(store: Store) -> None:
    events = [
        entry(1, "down", minute=0),
        entry(2, "ok", minute=9),
        entry(3, "down", minute=9),
        entry(4, "down", minute=9, of="web-1"),
        entry(5, "ok", minute=12),
    ]
    then = []
    for one in events:
        put(store, one)
        then.append(store.recorded(since=ALWAYS, until=FOREVER).entries)
    for position in (4, 3, 2, 1):
        store.rewind(position)
        assert store.recorded(since=ALWAYS, until=FOREVER).entries == then[position - 1]
        assert store.progress() == Progress(position=position, recorded_since=events[0].at)
    store.rewind(0)
    assert (positions(store), store.progress()) == ([], Progress())


def test_what_was_over_long_ago_is_forgotten_and_what_lasts_is_not(store: Store) -> None:
    put(store, entry(1, "down", minute=0), entry(2, "ok", minute=5), entry(3, "down", minute=6))
    put(store, entry(4, "down", minute=0, of="web-1"), entry(5, "ok", minute=60, of="web-1"))
    assert store.forget(NINE + timedelta(minutes=30)) == 1
    assert positions(store) == [3, 4, 5]
    assert store.progress().recorded_since == NINE + timedelta(minutes=30)
    assert store.forget(NINE + timedelta(minutes=30)) == 0


def test_a_transaction_that_dies_at_any_statement_keeps_nothing_or_all(tmp_path: Path) -> None:
    """And whoever comes next reads on from where that left off."""
    for fails_at in range(1, 30):
        database = open_database(f"sqlite:///{tmp_path}/{fails_at}.sqlite")
        store, left = SqlStore(database), [fails_at]

        def dying(connection: Connection, *_rest: object, left: list[int] = left) -> None:  # noqa: ARG001
            left[0] -= 1
            if left[0] == 0:
                raise StoreUnavailable("killed")

        told = [entry(0, "down", minute=0), entry(0, "ok", minute=1), entry(0, "down", minute=1)]
        store.append(told)
        store.seal(KEY, limit=10)
        engine = database._engine
        event.listen(engine, "before_cursor_execute", dying)
        has_died = False
        try:
            StatisticsKeeper(store, VirtualClock(NINE)).follow()
        except StoreUnavailable:
            has_died = True
        event.remove(engine, "before_cursor_execute", dying)
        if has_died:
            assert len(positions(store)) in {0, 3}
            StatisticsKeeper(store, VirtualClock(NINE)).follow()
        assert positions(store) == [1, 2, 3]
        assert not compare(store).difference
        store.close()
        if not has_died:
            assert fails_at > 8, "there are more statements than that"
            return
    raise AssertionError("it never came to its end")


STATES = st.sampled_from(["ok", "down", "degraded"])


@given(st.lists(st.tuples(st.sampled_from(["a", "b"]), STATES, st.integers(-3, 20)), max_size=12), st.data())
@settings(max_examples=25, deadline=None)
def test_memory_and_database_agree_after_every_step(
    tmp_path_factory: pytest.TempPathFactory, told: list[tuple[str, str, int]], data: st.DataObject
) -> None:
    """Also when the clock is set back."""
    folder = tmp_path_factory.mktemp("agree")
    stores: list[Store] = [MemoryStore(), open_store(f"sqlite:///{folder}/store.sqlite")]
    for number, (of, state, minute) in enumerate(told, start=1):
        step = data.draw(st.sampled_from(["keep", "keep", "keep", "rewind", "forget"]))
        position = data.draw(st.integers(0, number))
        for store in stores:
            if step == "rewind":
                store.rewind(position)
            elif step == "forget":
                store.forget(NINE + timedelta(minutes=position))
            put(store, entry(store.progress().position + number, state, minute=minute, of=of))
        one, other = (store.recorded(since=NINE, until=NINE + timedelta(minutes=10)) for store in stores)
        assert one == other
        assert stores[0].recorded(since=ALWAYS, until=FOREVER) == stores[1].recorded(since=ALWAYS, until=FOREVER)
    stores[1].close()
