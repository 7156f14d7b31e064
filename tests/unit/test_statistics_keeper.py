"""The statistics from the outside: what outlasts the journal, and the command that compares and rebuilds them."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from bsm_remediate.adapters.sql.store import open_store
from bsm_remediate.cli import main
from bsm_remediate.config.settings import Options, read_settings
from bsm_remediate.domain.evaluation import Evaluator
from bsm_remediate.domain.event import Event
from bsm_remediate.domain.ids import NodeId
from bsm_remediate.domain.ledger import SUBJECT, ServiceEntry, entry_event
from bsm_remediate.domain.loss_curve import LossCurve
from bsm_remediate.domain.seal import Keyring, SealKey
from bsm_remediate.domain.state import State
from bsm_remediate.engine.ledger import LedgerJournal, read_statistics
from bsm_remediate.engine.sealer import Sealer
from bsm_remediate.engine.statistics_keeper import StatisticsKeeper, pages
from bsm_remediate.errors import WrongUsage
from bsm_remediate.testing import builders
from bsm_remediate.testing.clock import VirtualClock
from bsm_remediate.testing.store import MemoryStore

NINE = datetime(2026, 1, 5, 9, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
KEYS = Keyring([SealKey("of the statistics' tests, with 32 characters")])
BUNDLE = builders.bundle(builders.service("shop", requires=["a"], loss=60), builders.component("a"))


def service(state: State, at: datetime) -> Event:
    curve = LossCurve(0.0 if state is State.OK else 1.0)
    return entry_event(
        ServiceEntry(at=at, service=NodeId("shop"), state=state, curve=curve, causes=(NodeId("a"),), bundle="sha256:1")
    )


def outage(begin: datetime, minutes: int) -> list[Event]:
    return [service(State.DOWN, begin), service(State.OK, begin + minutes * MINUTE)]


def total(store: MemoryStore, since: datetime, until: datetime) -> float:
    found: dict[str, Any] = dict(read_statistics(store, BUNDLE, since=since, until=until))
    return float(found["loss"]["total"])


def at_work(store: MemoryStore, clock: VirtualClock, **months: int) -> Callable[[], None]:
    """What an engine does at the end of each look, with its months of retention."""
    sealer = Sealer(
        store, KEYS, clock, keep_months=months.get("journal"), read_through=lambda: store.progress().position
    )
    keeper = StatisticsKeeper(store, clock, keep_months=months.get("statistics", 25))

    def look() -> None:
        sealer.seal()
        keeper.follow()

    return look


def test_a_report_of_months_that_the_journal_has_dropped_is_what_it_was() -> None:
    store, clock = MemoryStore(), VirtualClock(NINE)
    look = at_work(store, clock, journal=1)
    look()
    store.append(outage(NINE, 10))
    look()
    assert total(store, NINE, NINE + timedelta(days=1)) == 600.0
    clock.advance(timedelta(days=90).total_seconds())
    look()
    assert [one.kind for one in store.events()] == []
    assert total(store, NINE, NINE + timedelta(days=1)) == 600.0


def test_what_is_not_read_into_the_statistics_yet_is_not_dropped_from_the_journal() -> None:
    store, clock = MemoryStore(), VirtualClock(NINE)
    sealer = Sealer(store, KEYS, clock, keep_months=1, read_through=lambda: store.progress().position)
    sealer.seal()
    store.append(outage(NINE, 10))
    clock.advance(timedelta(days=90).total_seconds())
    sealer.seal()
    assert len(list(pages(store, SUBJECT))) == 2
    StatisticsKeeper(store, clock).follow()
    clock.advance(3700)
    sealer.seal()
    assert list(pages(store, SUBJECT)) == []


def test_statistics_are_forgotten_by_their_own_retention_and_say_since_when_they_know() -> None:
    store, clock = MemoryStore(), VirtualClock(NINE)
    look = at_work(store, clock, statistics=2)
    store.append(outage(NINE, 10))
    look()
    clock.advance(timedelta(days=100).total_seconds())
    store.append(outage(clock.now() - timedelta(hours=1), 10))
    look()
    assert total(store, NINE, clock.now()) == 600.0
    found = read_statistics(store, BUNDLE, since=NINE, until=clock.now())
    assert found["recorded_since"] == "2026-02-01T00:00:00Z"


def test_what_fails_again_at_the_very_moment_of_its_end_is_one_outage() -> None:
    """Also when only the second half reaches into the report."""
    store, clock = MemoryStore(), VirtualClock(NINE)
    store.append([*outage(NINE, 10), *outage(NINE + 10 * MINUTE, 20)])
    at_work(store, clock)()
    found: dict[str, Any] = dict(read_statistics(store, BUNDLE, since=NINE + 20 * MINUTE, until=NINE + 40 * MINUTE))
    assert [one["began_at"] for one in found["outages"]] == ["2026-01-05T09:00:00Z"]


def test_a_first_look_reads_what_is_left_standing_and_not_the_whole_journal() -> None:
    store, clock = Counting(), VirtualClock(NINE)
    for day in range(50):
        store.append(outage(NINE + timedelta(days=day), 10))
    store.append([service(State.DOWN, NINE + timedelta(days=51))])
    at_work(store, clock)()
    store.read = 0
    evaluation = builders.situation(at=NINE + timedelta(days=52))
    events = LedgerJournal(store).events(Evaluator(BUNDLE).evaluate(evaluation), BUNDLE)
    assert [(one.kind, one.facts.get("state")) for one in events] == [("ledger.kept", None), ("service.changed", "ok")]
    assert store.read == 0


class Counting(MemoryStore):
    """Knows how many entries of the journal were read."""

    read = 0

    def events(self, *, after: int = 0, subject: str | None = None, limit: int = 1000) -> list[Event]:
        found = list(super().events(after=after, subject=subject, limit=limit))
        self.read += len(found)
        return found


# --- the command -----------------------------------------------------------------------------------------------------


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A database with an outage that was kept, and one that wasn't read yet."""
    monkeypatch.setenv("BSM_STATE_DIR", str(tmp_path))
    store = open_store(f"sqlite:///{tmp_path}/bsm-remediate.sqlite")
    store.append(outage(NINE, 10))
    store.seal(KEYS.current, limit=10)
    StatisticsKeeper(store, VirtualClock(NINE)).follow()
    store.append(outage(NINE + timedelta(hours=1), 10))
    store.seal(KEYS.current, limit=10)
    store.close()
    return tmp_path / "bsm-remediate.sqlite"


def statistics(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["statistics", *arguments])


def change(file: Path, statement: str) -> None:
    with closing(sqlite3.connect(file)) as connection, connection:
        connection.execute(statement)


@pytest.mark.usefixtures("file")
def test_check_says_that_they_are_the_same_and_what_waits() -> None:
    found = statistics("check")
    assert found.exit_code == 0
    assert "the same: 2 entries of the statistics are what the journal says after entry 0 up to 2" in found.output
    assert "2 later ones aren't read yet" in found.output


@pytest.mark.parametrize(
    ("statement", "difference"),
    [
        ("DELETE FROM bsm_chapter_entry WHERE position = 2", "entry 2: the journal has it, the statistics don't"),
        ("UPDATE bsm_chapter_entry SET at = at + 60 WHERE position = 1", "entry 1: the statistics have"),
        ("UPDATE bsm_chapter SET is_over = 0", "entry 1: it is kept in chapter 1 (service shop"),
        ("UPDATE bsm_chapter_entry SET position = 1000 WHERE position = 2", "entry 2: the journal has it"),
        ("UPDATE bsm_event SET kind = 'run.task' WHERE sealed = 2", "entry 1: it is kept in chapter 1 (service shop"),
    ],
)
def test_check_tells_the_first_difference_and_rebuild_mends_it(file: Path, statement: str, difference: str) -> None:
    change(file, statement)
    found = statistics("check", "-o", "json")
    assert found.exit_code == 1
    assert json.loads(found.stdout)["difference"].startswith(difference)
    assert statistics("rebuild").exit_code == 0
    assert json.loads(statistics("check", "-o", "json").stdout)["same"]


@pytest.mark.usefixtures("file")
def test_rebuild_says_what_it_read_and_kept() -> None:
    found = statistics("rebuild")
    assert found.output.startswith("Read the journal's entries after 0 up to 4 in ")
    assert found.output.endswith("the statistics have 4 entries.\n")


def test_how_long_statistics_are_kept_is_a_setting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert read_settings(Options(), {}).statistics.keep_months == 25
    (tmp_path / "bsm-remediate.toml").write_text("[statistics]\nkeep_months = 120\n")
    assert read_settings(Options(), {}).statistics.keep_months == 120
    (tmp_path / "bsm-remediate.toml").write_text("[statistics]\nkeep_months = 0\n")
    with pytest.raises(WrongUsage, match=r"statistics\.keep_months"):
        read_settings(Options(), {})
