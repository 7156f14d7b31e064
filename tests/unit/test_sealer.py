"""The sealer: what it seals, tells, watches and drops, on a virtual clock."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest

from bsm_remediate.domain.event import Event
from bsm_remediate.domain.seal import Entry, Keyring, Mark, SealKey, Seals
from bsm_remediate.engine.audit import verify
from bsm_remediate.engine.sealer import Sealer, month_before
from bsm_remediate.errors import StoreUnavailable, WrongUsage
from bsm_remediate.testing.clock import VirtualClock
from bsm_remediate.testing.store import MemoryStore

NEW_YEAR = datetime(2026, 1, 1, tzinfo=UTC)
KEY = SealKey("of the sealer's tests, 32 characters")
OTHER = SealKey("of another engine, also 32 characters")


class Told(logging.Handler):
    """What the sealer says to the log."""

    def __init__(self) -> None:
        super().__init__(logging.INFO)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(record.getMessage())

    def count(self, event: str) -> int:
        return sum(line.startswith(event) for line in self.lines)


@pytest.fixture
def told() -> Told:
    return Told()


@pytest.fixture(autouse=True)
def _listened(told: Told, monkeypatch: pytest.MonkeyPatch) -> None:
    log = logging.getLogger("bsm_remediate.engine.sealer")
    monkeypatch.setattr(log, "handlers", [told])
    monkeypatch.setattr(log, "level", logging.INFO)
    log.manager._clear_cache()  # type: ignore[attr-defined] # what each logger lets through


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore()


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock(NEW_YEAR)


def happens(store: MemoryStore, clock: VirtualClock, *kinds: str) -> None:
    store.append([Event(kind=kind, at=clock.now()) for kind in kinds])


def kinds(store: MemoryStore) -> list[str]:
    return [one.kind for one in store.events()]


def test_everything_that_waits_is_sealed_at_once_however_much(store: MemoryStore, clock: VirtualClock) -> None:
    store.append([Event(kind="decision.made", at=clock.now())] * 5_000)  # an old journal at its first start
    Sealer(store, Keyring([KEY]), clock).seal()
    verdict = verify(store, Keyring([KEY]))
    assert (verdict.broken, verdict.reached.position, verdict.seals.waiting) == (None, 5_000, 0)


class Slow(MemoryStore):
    """Takes a second to seal a page."""

    def __init__(self, clock: VirtualClock) -> None:
        super().__init__()
        self._clock = clock

    def seal(self, key: SealKey, *, limit: int) -> Mark | None:
        self._clock.advance(1.0)
        return super().seal(key, limit=limit)


def test_in_a_storm_the_rest_is_left_to_the_next_call(clock: VirtualClock) -> None:
    store = Slow(clock)
    store.append([Event(kind="decision.made", at=clock.now())] * 7_000)
    sealer = Sealer(store, Keyring([KEY]), clock)
    left = []
    for _tick in range(3):
        sealer.seal(within_s=0.5)
        left.append(store.seals().waiting)
    sealer.seal()
    assert (left, store.seals().waiting) == ([5_000, 3_000, 1_000], 0)


def test_what_could_not_be_sealed_is_sealed_by_the_next_call(store: MemoryStore, clock: VirtualClock) -> None:
    sealer = Sealer(store, Keyring([KEY]), clock)
    happens(store, clock, "one")
    store.is_away = True
    with pytest.raises(StoreUnavailable):
        sealer.seal()
    store.is_away = False
    happens(store, clock, "two")
    sealer.seal()
    assert kinds(store) == ["one", "two"]


def test_a_crash_between_writing_and_sealing_loses_nothing(store: MemoryStore, clock: VirtualClock) -> None:
    happens(store, clock, "one")
    Sealer(store, Keyring([KEY]), clock).seal()
    happens(store, clock, "two")  # and the engine dies; the next one goes on
    Sealer(store, Keyring([KEY]), clock).seal()
    assert kinds(store) == ["one", "two"]
    assert verify(store, Keyring([KEY])).broken is None


def test_the_head_is_told_soon_after_the_start_and_then_every_hour(
    store: MemoryStore, clock: VirtualClock, told: Told
) -> None:
    sealer = Sealer(store, Keyring([KEY]), clock)
    happens(store, clock, "one")
    for _minute in range(122):
        sealer.seal()
        clock.advance(60)
    assert told.lines == [f"journal.head {store.seals().head}"] * 3
    assert Mark.of(told.lines[0].split()[1]) == store.seals().head


def test_a_clock_that_was_set_back_does_not_silence_it(store: MemoryStore, told: Told) -> None:
    late, early = VirtualClock(NEW_YEAR + timedelta(days=900)), VirtualClock(NEW_YEAR)
    sealer = Sealer(store, Keyring([KEY]), late)
    happens(store, late, "one")
    sealer.seal()
    sealer._clock = early
    sealer.seal()
    assert told.count("journal.head") == 1


def test_nothing_is_told_of_an_empty_journal(store: MemoryStore, clock: VirtualClock, told: Told) -> None:
    sealer = Sealer(store, Keyring([KEY]), clock)
    for _minute in range(3):
        sealer.seal()
        clock.advance(60)
    assert told.lines == []


def test_a_changed_key_goes_on_with_the_chain(store: MemoryStore, clock: VirtualClock, told: Told) -> None:
    happens(store, clock, "one")
    Sealer(store, Keyring([KEY]), clock).seal()
    happens(store, clock, "two")
    Sealer(store, Keyring([OTHER, KEY]), clock).seal()
    assert verify(store, Keyring([OTHER, KEY])).broken is None
    assert told.count("journal.not_as_sealed") == 0


def test_an_engine_with_another_key_says_so_and_works_on(store: MemoryStore, clock: VirtualClock, told: Told) -> None:
    happens(store, clock, "one")
    Sealer(store, Keyring([KEY]), clock).seal()
    happens(store, clock, "two")
    stranger = Sealer(store, Keyring([OTHER]), clock)
    for _second in range(3):
        stranger.seal()
    assert kinds(store) == ["one", "two"]
    assert f"another key ({KEY.id})" in stranger.trouble
    assert told.count("journal.not_as_sealed") == 1
    broken = verify(store, Keyring([KEY])).broken
    assert broken is not None
    assert (broken.position, broken.fault) == (2, "unknown_key")


def test_a_tail_that_is_cut_under_a_running_engine_is_noticed(
    store: MemoryStore, clock: VirtualClock, told: Told
) -> None:
    sealer = Sealer(store, Keyring([KEY]), clock)
    happens(store, clock, "one")
    sealer.seal()
    before = store.seals()
    happens(store, clock, "two", "three")
    sealer.seal()
    assert sealer.trouble == ""
    store._sealed, store._seals = store._sealed[:1], before  # as somebody with the database in hand could
    happens(store, clock, "instead")
    sealer.seal()
    assert verify(store, Keyring([KEY])).broken is None  # nobody else could tell
    assert "entry 3 of the journal is no longer what was sealed" in sealer.trouble
    assert told.count("journal.not_as_sealed") == 1


def months(store: MemoryStore, clock: VirtualClock, number: int, sealer: Sealer) -> None:
    """A new event on each first of so many months, beginning with January."""
    for month in range(number):
        clock.advance((datetime(2026, month + 1, 1, tzinfo=UTC) - clock.now()).total_seconds())
        happens(store, clock, f"of {clock.now():%B}")
        sealer.seal()


def test_without_a_retention_everything_is_kept(store: MemoryStore, clock: VirtualClock) -> None:
    months(store, clock, 12, Sealer(store, Keyring([KEY]), clock))
    assert len(kinds(store)) == 12


def test_whole_months_are_dropped_and_the_rest_verifies(store: MemoryStore, clock: VirtualClock) -> None:
    sealer = Sealer(store, Keyring([KEY]), clock, keep_months=2)
    months(store, clock, 5, sealer)
    sealer.seal()
    assert kinds(store) == ["of March", "of April", "journal.dropped", "of May", "journal.dropped"]
    assert verify(store, Keyring([KEY])).broken is None
    assert verify(store, Keyring([KEY]), anchor=store.seals().head).broken is None


def test_an_entry_that_is_newer_than_the_ones_behind_it_keeps_them(store: MemoryStore, clock: VirtualClock) -> None:
    sealer = Sealer(store, Keyring([KEY]), clock, keep_months=1)
    happens(store, clock, "of January")
    store.append([Event(kind="of March", at=datetime(2026, 3, 1, tzinfo=UTC))])
    happens(store, clock, "of January too")
    sealer.seal()
    clock.advance(timedelta(days=62).total_seconds())
    sealer.seal()
    assert kinds(store) == ["of March", "of January too"]


def test_what_was_tampered_with_is_not_dropped_before_somebody_looked(
    store: MemoryStore, clock: VirtualClock, told: Told
) -> None:
    sealer = Sealer(store, Keyring([KEY]), clock, keep_months=1)
    happens(store, clock, "one", "two")
    sealer.seal()
    store._sealed[1] = store._sealed[1]._replace(kind="changed")
    clock.advance(timedelta(days=90).total_seconds())
    sealer.seal()
    assert len(store.entries(after=0, limit=10)) == 2
    assert "entry 2" in sealer.trouble
    assert told.count("journal.not_as_sealed") == 1


def test_nothing_is_dropped_behind_a_begin_that_somebody_else_moved(store: MemoryStore, clock: VirtualClock) -> None:
    sealer = Sealer(store, Keyring([KEY]), clock, keep_months=1)
    happens(store, clock, "one", "two")
    sealer.seal()
    begin = Mark(position=1, link=store.entries(after=0, limit=1)[0].link)
    store.drop(begin, OTHER.proof(begin))
    clock.advance(timedelta(days=90).total_seconds())
    sealer.seal()
    assert kinds(store) == ["two"]
    assert "the journal's begin was moved" in sealer.trouble


def test_entries_made_to_look_old_are_not_dropped_with_the_old_ones(store: MemoryStore, clock: VirtualClock) -> None:
    sealer = Sealer(store, Keyring([KEY]), clock, keep_months=1)
    happens(store, clock, "one", "two")
    sealer.seal()
    store._sealed = [entry._replace(at=0.0) for entry in store._sealed]
    clock.advance(timedelta(hours=2).total_seconds())
    sealer.seal()
    assert len(store.entries(after=0, limit=10)) == 2


def test_a_mark_before_the_begin_cannot_be_asked_about(store: MemoryStore, clock: VirtualClock) -> None:
    sealer = Sealer(store, Keyring([KEY]), clock, keep_months=1)
    happens(store, clock, "one", "two")
    sealer.seal()
    early = Mark(position=1, link=store.entries(after=0, limit=1)[0].link)
    clock.advance(timedelta(days=90).total_seconds())
    sealer.seal()
    with pytest.raises(WrongUsage, match="retention has dropped the entries up to 2"):
        verify(store, Keyring([KEY]), anchor=early)
    with pytest.raises(WrongUsage, match="has no entry 1"):
        verify(store, Keyring([KEY]), first=2)


class DroppedMeanwhile(MemoryStore):
    """Retention drops its begin right after it was asked how far it is sealed."""

    def seals(self) -> Seals:
        found = super().seals()
        if not found.begin.position and self._sealed:
            begin = Mark(position=1, link=self._sealed[0].link)
            self.drop(begin, KEY.proof(begin))
        return found


def test_what_retention_drops_meanwhile_is_not_missing() -> None:
    store = DroppedMeanwhile()
    store.append([Event(kind="one", at=NEW_YEAR), Event(kind="two", at=NEW_YEAR)])
    store.seal(KEY, limit=10)
    verdict = verify(store, Keyring([KEY]))
    assert (verdict.broken, verdict.first, verdict.reached.position) == (None, 2, 2)


class UnreadableFrom(MemoryStore):
    """The database can't read the entry at `place`."""

    place = 0

    def entries(self, *, after: int, limit: int) -> Sequence[Entry]:
        if after < self.place <= after + limit:
            raise StoreUnavailable("the database cannot be read: could not decode to UTF-8")
        return super().entries(after=after, limit=limit)


@pytest.mark.parametrize("place", [1, 2, 7, 100])
def test_an_entry_that_cannot_be_read_is_named(place: int) -> None:
    store = UnreadableFrom()
    store.append([Event(kind="one", at=NEW_YEAR)] * 100)
    store.seal(KEY, limit=1000)
    store.place = place
    broken = verify(store, Keyring([KEY])).broken
    assert broken is not None
    assert (broken.position, broken.fault) == (place, "unreadable")


def test_a_changed_entry_before_one_that_cannot_be_read_is_named(clock: VirtualClock) -> None:
    store = UnreadableFrom()
    happens(store, clock, *["one"] * 9)
    store.seal(KEY, limit=1000)
    store._sealed[3] = store._sealed[3]._replace(kind="changed")
    store.place = 5
    broken = verify(store, Keyring([KEY])).broken
    assert broken is not None
    assert (broken.position, broken.fault) == (4, "changed")


def test_a_database_that_is_away_is_no_broken_journal(store: MemoryStore, clock: VirtualClock) -> None:
    happens(store, clock, "one")
    store.seal(KEY, limit=10)
    store.is_away = True
    with pytest.raises(StoreUnavailable):
        verify(store, Keyring([KEY]))


@pytest.mark.parametrize(
    ("now", "months", "begin"),
    [("2026-03-31", 1, "2026-02-01"), ("2026-01-01", 1, "2025-12-01"), ("2026-12-31", 24, "2024-12-01")],
)
def test_months_are_those_of_the_calendar(now: str, months: int, begin: str) -> None:
    assert month_before(datetime.fromisoformat(f"{now}T23:59:59+00:00"), months).date().isoformat() == begin


@pytest.mark.parametrize("text", ["", "# only a remark\n\n", "too short"])
def test_what_is_no_key_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="key"):
        Keyring.of(text)


def test_a_key_never_shows_itself() -> None:
    secret = "of the sealer's tests, 32 characters"
    assert secret not in f"{KEY!r} {KEY} {Keyring([KEY])!r}"
    assert KEY.id not in secret


@pytest.mark.parametrize("text", ["", "17", "x:1:2", "0:" + "a" * 8 + ":" + "b" * 64, "17:short:" + "b" * 64])
def test_what_is_no_mark_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="no mark"):
        Mark.of(text)
