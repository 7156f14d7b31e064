"""What the database keeps for the door, on SQLite and on PostgreSQL: issued tokens, and deliveries that were taken."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from bsm_remediate.adapters.sql.store import open_store
from bsm_remediate.adapters.sql.tokens import SqlTokens, open_tokens
from bsm_remediate.domain.access import IssuedToken, Role
from bsm_remediate.domain.seal import SealKey
from bsm_remediate.errors import UnknownId, WrongUsage
from bsm_remediate.records import Delivered, TokenBook

NINE = datetime(2026, 1, 5, 9, tzinfo=UTC)
ANA = IssuedToken(
    id="a1",
    name="ana",
    role=Role.WEBHOOK,
    sources=frozenset({"alertmanager", "grafana"}),
    created_at=NINE,
    created_by="root",
    expires_at=NINE + timedelta(days=90),
)


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/store.sqlite"
    found: str = request.getfixturevalue("postgres_url")
    return found


@pytest.fixture
def book(url: str) -> Iterator[SqlTokens]:
    made = open_tokens(url)
    yield made
    made.close()


def test_a_token_is_found_by_its_digest_as_it_was_issued(book: TokenBook) -> None:
    book.issue(ANA, "d1", reason="")
    assert book.tokens() == {"d1": ANA}


def test_a_revoked_token_stays_in_the_book_with_the_first_time_of_its_revocation(book: TokenBook) -> None:
    book.issue(ANA, "d1", reason="")
    revoked = book.revoke("a1", who="li", reason="left", at=NINE + timedelta(hours=1))
    assert revoked == replace(ANA, revoked_at=NINE + timedelta(hours=1))
    book.revoke("a1", who="li", reason="again", at=NINE + timedelta(hours=2))
    assert book.tokens() == {"d1": revoked}


def test_two_tokens_that_hold_never_have_one_name_since_the_journal_goes_by_it(book: TokenBook) -> None:
    book.issue(ANA, "d1", reason="")
    with pytest.raises(WrongUsage, match="a1 is called 'ana' already"):
        book.issue(replace(ANA, id="a2"), "d2", reason="")
    assert book.tokens().keys() == {"d1"}
    book.revoke("a1", who="li", reason="", at=NINE)
    book.issue(replace(ANA, id="a2"), "d2", reason="")
    assert book.tokens().keys() == {"d1", "d2"}


def test_what_is_unknown_cannot_be_revoked(book: TokenBook) -> None:
    with pytest.raises(UnknownId, match="no token 'a9'"):
        book.revoke("a9", who="li", reason="", at=NINE)


def test_the_last_use_is_kept(book: TokenBook) -> None:
    book.issue(ANA, "d1", reason="")
    book.used({"a1": NINE + timedelta(minutes=5), "gone": NINE})
    assert book.tokens()["d1"].last_used_at == NINE + timedelta(minutes=5)


def test_the_journal_knows_who_issued_and_revoked_what_and_why_but_never_a_digest(book: TokenBook, url: str) -> None:
    book.issue(ANA, "the-digest", reason="new sender")
    book.revoke("a1", who="li", reason="leaked", at=NINE + timedelta(hours=1))
    store = open_store(url)
    store.seal(SealKey("of the token book, also 32 characters"), limit=10)
    created, revoked = store.events()
    store.close()
    assert (created.kind, created.subject, created.actor, created.at) == ("token.created", "a1", "root", NINE)
    assert created.facts == {
        "name": "ana",
        "role": "webhook",
        "sources": ["alertmanager", "grafana"],
        "expires_at": "2026-04-05T09:00:00+00:00",
        "reason": "new sender",
    }
    assert (revoked.kind, revoked.actor, revoked.facts["reason"]) == ("token.revoked", "li", "leaked")


def test_a_delivery_is_known_for_ten_minutes_and_by_its_source(url: str) -> None:
    store = open_store(url)
    first = Delivered(source="generic", id="m1", received_at=NINE)
    store.record([], deliveries=[first])
    store.record([], deliveries=[first, replace(first, id="m2", received_at=NINE + timedelta(minutes=10))])
    assert store.was_delivered("generic", "m1")
    assert not store.was_delivered("grafana", "m1")
    store.record([], deliveries=[replace(first, id="m3", received_at=NINE + timedelta(minutes=12))])
    assert [store.was_delivered("generic", one) for one in ("m1", "m2", "m3")] == [False, True, True]
    store.close()
