# ruff: noqa: S608 - the statements are made of names that stand here
"""Whatever is done to the database without the key, `audit verify` names the first entry that isn't what was sealed."""

from __future__ import annotations

import sqlite3
import struct
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import assume, given, settings
from hypothesis import strategies as st

from bsm_remediate.adapters.sql.store import SqlStore, open_store
from bsm_remediate.domain.audit import Break, Fault, Follower
from bsm_remediate.domain.event import Event
from bsm_remediate.domain.seal import Entry, Keyring, Mark, SealKey
from bsm_remediate.engine.audit import verify

NINE = datetime(2026, 1, 5, 9, tzinfo=UTC)
KEY = SealKey("of the tampering tests, 32 characters")
OLD_KEY = SealKey("of the tampering tests, an earlier one")
KEYS = Keyring([KEY, OLD_KEY])

_TEXTS = st.text(max_size=12)
_FACTS = st.dictionaries(_TEXTS, st.none() | st.integers(-9, 9) | _TEXTS | st.lists(_TEXTS, max_size=2), max_size=3)
_EVENTS = st.builds(
    Event,
    kind=st.sampled_from(["run.started", "decision.made"]),
    at=st.integers(0, 10**9).map(lambda us: NINE + timedelta(microseconds=us)),
    subject=_TEXTS,
    actor=_TEXTS,
    facts=_FACTS,
)
_HISTORIES = st.lists(st.tuples(st.lists(_EVENTS, min_size=1, max_size=4), st.booleans()), min_size=1, max_size=6)
"""Batches; after some of them it is sealed."""
_SOME = settings(max_examples=120, deadline=None)


@dataclass(frozen=True)
class Journal:
    store: SqlStore
    file: Path
    head: Mark

    def change(self, statement: str, *parameters: object) -> None:
        with closing(sqlite3.connect(self.file)) as connection, connection:
            connection.execute(statement, parameters)

    def ask(self, statement: str, *parameters: object) -> list[tuple[object, ...]]:
        with closing(sqlite3.connect(self.file)) as connection:
            return connection.execute(statement, parameters).fetchall()

    def broken(self, anchor: Mark | None = None, first: int | None = None) -> Break | None:
        return verify(self.store, KEYS, anchor=anchor, first=first).broken

    def first_bad(self, anchor: Mark | None = None) -> int | None:
        broken = self.broken(anchor)
        return broken.position if broken is not None else None


@cache
def _empty() -> bytes:
    """A new database; making one takes longer than all the rest."""
    with TemporaryDirectory() as folder:
        open_store(f"sqlite:///{folder}/store.sqlite").close()
        return Path(f"{folder}/store.sqlite").read_bytes()


@contextmanager
def journal(history: list[tuple[list[Event], bool]]) -> Iterator[Journal]:
    with TemporaryDirectory() as folder:
        file = Path(folder) / "store.sqlite"
        file.write_bytes(_empty())
        store = open_store(f"sqlite:///{file}")
        key = OLD_KEY
        for batch, is_sealed in history:
            store.append(batch)
            if is_sealed:
                store.seal(key, limit=1_000)
                key = KEY  # the key was changed after the first sealing
        store.seal(KEY, limit=1_000)
        try:
            yield Journal(store, file, store.seals().head)
        finally:
            store.close()


def place(draw: st.DataObject, found: Journal) -> int:
    return draw.draw(st.integers(1, found.head.position), label="place")


@_SOME
@given(_HISTORIES)
def test_an_untouched_journal_is_unbroken_from_wherever_one_begins(history: list[tuple[list[Event], bool]]) -> None:
    with journal(history) as found:
        assert found.broken() is None
        assert found.broken(anchor=found.head) is None
        for first in range(1, found.head.position + 1):
            assert found.broken(first=first) is None


@_SOME
@given(_HISTORIES, st.data())
def test_a_flipped_byte_of_any_text_is_named(history: list[tuple[list[Event], bool]], draw: st.DataObject) -> None:
    with journal(history) as found:
        position = place(draw, found)
        column = draw.draw(st.sampled_from(["kind", "subject", "actor", "facts", "link"]))
        ((before,),) = found.ask(f"SELECT CAST({column} AS BLOB) FROM bsm_event WHERE sealed = ?", position)
        assert isinstance(before, bytes)
        assume(before)
        after = bytearray(before)
        after[draw.draw(st.integers(0, len(before) - 1))] ^= draw.draw(st.integers(1, 255))
        found.change(f"UPDATE bsm_event SET {column} = CAST(? AS TEXT) WHERE sealed = ?", bytes(after), position)
        assert found.first_bad() == position


@_SOME
@given(_HISTORIES, st.data())
def test_a_flipped_bit_of_a_time_is_named(history: list[tuple[list[Event], bool]], draw: st.DataObject) -> None:
    with journal(history) as found:
        position = place(draw, found)
        ((at,),) = found.ask("SELECT at FROM bsm_event WHERE sealed = ?", position)
        (bits,) = struct.unpack("<Q", struct.pack("<d", at))
        (changed,) = struct.unpack("<d", struct.pack("<Q", bits ^ 1 << draw.draw(st.integers(0, 63))))
        assume(changed == changed)  # noqa: PLR0124 - NaN, which SQLite can't store
        found.change("UPDATE bsm_event SET at = ? WHERE sealed = ?", changed, position)
        assert found.first_bad() == position


def _renumbered_row(found: Journal, position: int) -> None:
    found.change("UPDATE bsm_event SET position = position + 1000 WHERE sealed = ?", position)


def _moved_behind_the_end(found: Journal, position: int) -> None:
    found.change("UPDATE bsm_event SET sealed = ? WHERE sealed = ?", found.head.position + 1, position)


def _unsealed(found: Journal, position: int) -> None:
    found.change("UPDATE bsm_event SET sealed = NULL, link = NULL WHERE sealed = ?", position)


def _of_another_type(found: Journal, position: int) -> None:
    found.change("UPDATE bsm_event SET at = 'yesterday', facts = x'ff00' WHERE sealed = ?", position)


def _deleted(found: Journal, position: int) -> None:
    found.change("DELETE FROM bsm_event WHERE sealed = ?", position)


def _deleted_and_closed_up(found: Journal, position: int) -> None:
    _deleted(found, position)
    for later in range(position + 1, found.head.position + 1):
        found.change("UPDATE bsm_event SET sealed = sealed - 1 WHERE sealed = ?", later)
    found.change("UPDATE bsm_journal SET head_position = head_position - 1")


def _inserted(found: Journal, position: int) -> None:
    for later in range(found.head.position, position - 1, -1):
        found.change("UPDATE bsm_event SET sealed = sealed + 1 WHERE sealed = ?", later)
    found.change(
        "INSERT INTO bsm_event (at, kind, subject, actor, facts, sealed, link)"
        " SELECT at, kind, subject, actor, facts, ?, link FROM bsm_event WHERE sealed = ?",
        position,
        position + 1,
    )
    found.change("UPDATE bsm_journal SET head_position = head_position + 1")


def _cut(found: Journal, position: int) -> None:
    found.change("DELETE FROM bsm_event WHERE sealed >= ?", position)


@_SOME
@given(
    _HISTORIES,
    st.data(),
    st.sampled_from(
        [
            _renumbered_row,
            _moved_behind_the_end,
            _unsealed,
            _of_another_type,
            _deleted,
            _deleted_and_closed_up,
            _inserted,
            _cut,
        ]
    ),
)
def test_whatever_is_done_to_an_entry_is_named(
    history: list[tuple[list[Event], bool]], draw: st.DataObject, done: Callable[[Journal, int], None]
) -> None:
    with journal(history) as found:
        position = place(draw, found)
        done(found, position)
        assert found.first_bad() == position
        assert len(found.store.events()) <= found.head.position + 1  # the engine reads on, whatever it finds


@_SOME
@given(_HISTORIES, st.data(), st.sampled_from(["position", "at, kind, subject, actor, facts, link"]))
def test_of_two_that_changed_places_the_earlier_is_named(
    history: list[tuple[list[Event], bool]], draw: st.DataObject, columns: str
) -> None:
    """With their rows or without."""
    with journal(history) as found:
        assume(found.head.position > 1)
        one = place(draw, found)
        other = draw.draw(st.integers(1, found.head.position).filter(lambda position: position != one))
        if columns == "position":
            for now, then in ((one, -1), (other, one), (-1, other)):
                found.change("UPDATE bsm_event SET sealed = ? WHERE sealed = ?", then, now)
        else:
            kept = {at: found.ask(f"SELECT {columns} FROM bsm_event WHERE sealed = ?", at)[0] for at in (one, other)}
            assume(kept[one] != kept[other])
            marks = ", ".join(f"{name} = ?" for name in columns.split(", "))
            for now, then in ((one, other), (other, one)):
                found.change(f"UPDATE bsm_event SET {marks} WHERE sealed = ?", *kept[now], then)
        assert found.first_bad() == min(one, other)


@_SOME
@given(_HISTORIES, st.data(), st.booleans())
def test_a_tail_that_was_cut_with_its_traces_is_seen_by_a_mark_noted_elsewhere(
    history: list[tuple[list[Event], bool]], draw: st.DataObject, goes_on: bool
) -> None:
    with journal(history) as found:
        position = place(draw, found)
        ((link,),) = found.ask("SELECT coalesce(max(link), '') FROM bsm_event WHERE sealed = ?", position - 1)
        _cut(found, position)
        found.change("UPDATE bsm_journal SET head_position = ?, head_link = ?", position - 1, link)
        if goes_on:  # the engine seals something else in its place
            found.store.append([Event(kind="other", at=NINE) for _ in range(found.head.position)])
            found.store.seal(KEY, limit=1_000)
        assert found.broken() is None
        broken = found.broken(anchor=found.head)
        assert broken is not None
        assert (broken.position, broken.fault) == (
            (found.head.position, Fault.NOT_THE_ONE) if goes_on else (position, Fault.CUT)
        )


@_SOME
@given(_HISTORIES, st.data())
def test_an_entry_that_was_cut_off_does_not_fit_in_again(
    history: list[tuple[list[Event], bool]], draw: st.DataObject
) -> None:
    """It was sealed there once, so what shows is that the next one doesn't follow it."""
    with journal(history) as found:
        position = place(draw, found)
        columns = "at, kind, subject, actor, facts, link, position"
        ((*kept,),) = found.ask(f"SELECT {columns} FROM bsm_event WHERE sealed = ?", position)
        ((link,),) = found.ask("SELECT coalesce(max(link), '') FROM bsm_event WHERE sealed = ?", position - 1)
        _cut(found, position)
        found.change("UPDATE bsm_journal SET head_position = ?, head_link = ?", position - 1, link)
        found.store.append([Event(kind="other", at=NINE), Event(kind="another", at=NINE)])
        found.store.seal(KEY, limit=1_000)
        found.change("DELETE FROM bsm_event WHERE sealed = ?", position)
        found.change(f"INSERT INTO bsm_event ({columns}, sealed) VALUES (?, ?, ?, ?, ?, ?, ?, ?)", *kept, position)
        assert found.first_bad() == position + 1


@_SOME
@given(_HISTORIES, st.sampled_from(["head_position = 99", "head_position = 0", "head_link = 'x'"]))
def test_a_changed_head_is_seen(history: list[tuple[list[Event], bool]], change: str) -> None:
    with journal(history) as found:
        found.change(f"UPDATE bsm_journal SET {change}")
        assert found.first_bad() == (1 if change == "head_position = 0" else found.head.position + 1)


@_SOME
@given(_HISTORIES, st.data())
def test_nobody_without_the_key_drops_the_begin_unseen(
    history: list[tuple[list[Event], bool]], draw: st.DataObject
) -> None:
    with journal(history) as found:
        position = place(draw, found)
        ((link,),) = found.ask("SELECT link FROM bsm_event WHERE sealed = ?", position)
        proof = draw.draw(st.sampled_from(["", link, SealKey("x" * 32).proof(Mark(position=position, link=str(link)))]))
        found.change("DELETE FROM bsm_event WHERE sealed <= ?", position)
        found.change(
            "UPDATE bsm_journal SET begin_position = ?, begin_link = ?, begin_proof = ?", position, link, proof
        )
        broken = found.broken()
        assert broken is not None
        assert broken.fault is Fault.FALSE_BEGIN


@_SOME
@given(_HISTORIES, st.data())
def test_the_verdict_does_not_depend_on_how_the_entries_are_paged(
    history: list[tuple[list[Event], bool]], draw: st.DataObject
) -> None:
    with journal(history) as found:
        entries = list(found.store.entries(after=0, limit=1_000))
        number = draw.draw(st.integers(0, len(entries) - 1))
        entry = entries[number]
        changed = [entry._replace(subject="x:y"), entry._replace(link="x:y"), entry._replace(position=99)]
        entries[number] = draw.draw(st.sampled_from(changed))
        size = draw.draw(st.integers(1, len(entries)))
        assert _verdict(entries, size, found.head) == _verdict(entries, len(entries), found.head)


def _verdict(entries: list[Entry], size: int, head: Mark) -> Break | None:
    follower = Follower(KEYS, Mark())
    for begin in range(0, len(entries), size):
        if (broken := follower.follow(entries[begin : begin + size])) is not None:
            return broken
    return follower.finish(head)
