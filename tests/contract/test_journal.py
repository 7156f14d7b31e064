"""Every store seals its journal in the same way, in memory and on a database."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from bsm_remediate.adapters.sql.store import open_store
from bsm_remediate.domain.event import Event
from bsm_remediate.domain.seal import Keyring, Mark, SealKey, Seals
from bsm_remediate.engine.audit import verify
from bsm_remediate.records import Store
from bsm_remediate.testing.store import MemoryStore

NINE = datetime(2026, 1, 5, 9, tzinfo=UTC)
KEY = SealKey("of the journal's contract, 32 characters")

Opener = Callable[[], Store]


@pytest.fixture(params=["memory", "sqlite", "postgresql"])
def opened(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Opener]:
    """Opens the same journal as often as one likes."""
    memory, stores = MemoryStore(), list[Store]()

    def open_one() -> Store:
        if request.param == "memory":
            return memory
        stores.append(open_store(url))
        return stores[-1]

    is_file = request.param != "postgresql"
    url = f"sqlite:///{tmp_path}/store.sqlite" if is_file else request.getfixturevalue("postgres_url")
    yield open_one
    for store in stores:
        store.close()


@pytest.fixture
def store(opened: Opener) -> Store:
    return opened()


def event(kind: str, subject: str = "r1") -> Event:
    return Event(kind=kind, at=NINE, subject=subject, facts={"text": "ä \u2028 'quoted'", "list": [1, None]})


def sealed(store: Store) -> list[str]:
    return [f"{one.position} {one.kind}" for one in store.events()]


def test_what_is_not_sealed_is_not_read(store: Store) -> None:
    store.append([event("one"), event("two")])
    assert (sealed(store), store.latest_position()) == ([], 0)
    store.seal(KEY, limit=10)
    assert (sealed(store), store.latest_position()) == (["1 one", "2 two"], 2)


def test_nothing_is_sealed_twice(store: Store) -> None:
    assert store.seal(KEY, limit=10) is None
    store.append([event("one")])
    head = store.seal(KEY, limit=10)
    assert head is not None
    assert store.seal(KEY, limit=10) is None
    assert store.seals() == Seals(begin=Mark(), begin_proof="", head=head, waiting=0)


def test_what_waits_is_sealed_in_pages_in_the_order_of_writing(store: Store) -> None:
    store.append([event(kind) for kind in ("one", "two", "three")])
    store.seal(KEY, limit=2)
    assert (sealed(store), store.seals().waiting) == (["1 one", "2 two"], 1)
    store.seal(KEY, limit=2)
    assert (sealed(store), store.seals().waiting) == (["1 one", "2 two", "3 three"], 0)


def test_entries_are_read_on_from_where_one_left_off(store: Store) -> None:
    store.append([event(kind) for kind in ("one", "two", "three", "four")])
    store.seal(KEY, limit=10)
    assert [entry.kind for entry in store.entries(after=1, limit=2)] == ["two", "three"]
    assert [one.kind for one in store.events(after=1, limit=2)] == ["two", "three"]
    assert [one.kind for one in store.events(after=1, subject="r2")] == []


def test_the_chain_of_a_store_verifies_with_its_key_only(store: Store) -> None:
    store.append([event("one"), event("two", "")])
    head = store.seal(KEY, limit=10)
    assert verify(store, Keyring([KEY])).broken is None
    assert verify(store, Keyring([KEY])).reached == head
    broken = verify(store, Keyring([SealKey("of somebody else, also 32 characters")])).broken
    assert broken is not None
    assert (broken.position, broken.fault) == (1, "unknown_key")


def test_what_is_dropped_leaves_a_begin_that_the_rest_verifies_from(store: Store) -> None:
    store.append([event(kind) for kind in ("one", "two", "three")])
    store.seal(KEY, limit=10)
    begin = Mark(position=2, link=store.entries(after=1, limit=1)[0].link)
    store.drop(begin, KEY.proof(begin))
    assert sealed(store) == ["3 three"]
    assert verify(store, Keyring([KEY])).broken is None
    store.drop(Mark(position=1, link="earlier"), "")
    store.drop(Mark(position=9, link="not sealed yet"), "")
    assert store.seals().begin == begin


def test_sealers_at_once_never_fork_the_chain(opened: Opener) -> None:
    writers, sealers, rounds = 2, 3, 20
    stores = [opened() for _ in range(writers + sealers)]
    written = threading.Event()

    def write(store: Store, name: str) -> None:
        for number in range(rounds):
            store.append([event(f"{name}.{number}.{part}") for part in range(3)])

    def seal(store: Store) -> None:
        while not written.is_set() or store.seals().waiting:
            store.seal(KEY, limit=5)

    writing = [threading.Thread(target=write, args=(store, f"w{n}")) for n, store in enumerate(stores[:writers])]
    sealing = [threading.Thread(target=seal, args=(store,)) for store in stores[writers:]]
    for thread in (*writing, *sealing):
        thread.start()
    for thread in writing:
        thread.join()
    written.set()
    for thread in sealing:
        thread.join()
    verdict = verify(stores[0], Keyring([KEY]))
    assert (verdict.broken, verdict.reached.position) == (None, writers * rounds * 3)
    for name in ("w0", "w1"):
        kinds = [one.kind for one in stores[0].events(limit=1000) if one.kind.startswith(name)]
        assert kinds == [f"{name}.{number}.{part}" for number in range(rounds) for part in range(3)]


def test_times_come_back_to_the_microsecond(store: Store) -> None:
    at = NINE + timedelta(microseconds=123_457)
    store.append([Event(kind="one", at=at)])
    store.seal(KEY, limit=10)
    assert [one.at for one in store.events()] == [at]
