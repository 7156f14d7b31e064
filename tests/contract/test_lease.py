"""Every lease tells alike which live engines have seen what people ordered: in memory, on SQLite, on PostgreSQL."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from bsm_remediate.adapters.sql.lease import lease_of
from bsm_remediate.adapters.sql.store import open_store
from bsm_remediate.ports import Lease
from bsm_remediate.testing.workflows import SoleLease

KINDS = ["memory", "sqlite", "postgresql"]


@pytest.fixture(params=KINDS)
def leases(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[], Lease]:
    """Makes the lease of the same database, as the engine and whoever asks have it."""
    if request.param == "memory":
        sole = SoleLease()
        return lambda: sole
    url = f"sqlite:///{tmp_path}/a.sqlite" if request.param == "sqlite" else request.getfixturevalue("postgres_url")
    open_store(url).close()
    return lambda: lease_of(url)


def test_a_live_engine_is_behind_until_it_says_that_it_has_seen_what_stands(leases: Callable[[], Lease]) -> None:
    engine, person = leases(), leases()
    with engine.hold(alone=True):
        assert list(person.behind(0)) == []
        assert list(person.behind(1)) == [engine.replica]
        engine.saw(1)
        assert list(person.behind(1)) == []
        assert list(person.behind(2)) == [engine.replica]
        engine.saw(12)
        assert list(person.behind(12)) == []
        assert list(person.behind(13)) == [engine.replica]
        assert list(engine.behind(13)) == [engine.replica]


@pytest.mark.parametrize("leases", KINDS[1:], indirect=True)
def test_an_engine_that_has_ended_is_not_waited_for(leases: Callable[[], Lease]) -> None:
    with leases().hold(alone=True):
        pass
    assert list(leases().behind(5)) == []


@pytest.mark.parametrize("leases", KINDS[1:], indirect=True)
def test_the_next_engine_has_seen_nothing_yet(leases: Callable[[], Lease]) -> None:
    first, second = leases(), leases()
    with first.hold(alone=True):
        first.saw(7)
    with second.hold(alone=True):
        assert list(leases().behind(7)) == [second.replica]


def test_of_several_engines_each_is_waited_for(postgres_url: str) -> None:
    open_store(postgres_url).close()
    first, second, person = lease_of(postgres_url), lease_of(postgres_url), lease_of(postgres_url)
    with first.hold(alone=False), second.hold(alone=False):
        first.saw(3)
        assert list(person.behind(3)) == [second.replica]
        second.saw(3)
        assert list(person.behind(3)) == []


@pytest.mark.parametrize("kind", KINDS[1:])
def test_a_database_of_this_version_can_be_opened_again(
    request: pytest.FixtureRequest, tmp_path: Path, kind: str
) -> None:
    url = f"sqlite:///{tmp_path}/a.sqlite" if kind == "sqlite" else request.getfixturevalue("postgres_url")
    open_store(url).close()
    open_store(url).close()
