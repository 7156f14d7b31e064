"""Who gets in: tokens that expire, are revoked, speak for some senders only; guessers wait; no body is read before."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from ipaddress import ip_network
from pathlib import Path

import pytest
from fastapi import FastAPI

from bsm_remediate.adapters.sql.tokens import SqlTokens, open_tokens
from bsm_remediate.domain.access import IssuedToken, Role
from bsm_remediate.errors import StoreUnavailable, UnknownId
from bsm_remediate.testing.store import MemoryStore
from bsm_remediate.web.access import Credentials, digest_of
from bsm_remediate.web.doorkeeper import Doorkeeper
from bsm_remediate.web.gate import Gate
from bsm_remediate.web.throttle import FailedAttempts
from tests.integration.standstill import HOOK, TOKENS, Site, body

NINE = datetime(2026, 1, 5, 9, tzinfo=UTC)
ALERTS = "/api/v1/alerts"


@dataclass
class Hands:
    """A clock for the doorkeeper, moved by the test."""

    seconds: float = 0.0

    def monotonic(self) -> float:
        return self.seconds

    def now(self) -> datetime:
        return NINE + timedelta(seconds=self.seconds)


@dataclass
class Door:
    """A site whose tokens are in a database."""

    site: Site
    book: SqlTokens
    clock: Hands = field(default_factory=Hands)

    def issue(self, secret: str, role: Role, *, sources: Sequence[str] = (), expires: datetime | None = None) -> None:
        token = IssuedToken(
            id=secret[:4],
            name=secret,
            role=role,
            sources=frozenset(sources),
            created_at=NINE,
            created_by="ana",
            expires_at=expires,
        )
        self.book.issue(token, digest_of(secret.encode()), reason="")

    async def asks(self, secret: str, path: str = ALERTS, **options: str) -> int:
        headers = {"authorization": f"Bearer {secret}"} if secret else {}
        return (await self.site.send("GET", path, headers=headers, **options)).status_code

    async def posts(self, secret: str, source: str = "alertmanager") -> int:
        answer = await self.site.post(body(), path=f"/api/v1/webhooks/{source}", authorization=f"Bearer {secret}")
        return answer.status_code


@pytest.fixture
def door(tmp_path: Path) -> Iterator[Door]:
    clock, book = Hands(), open_tokens(f"sqlite:///{tmp_path}/tokens.sqlite")
    credentials = Credentials(TOKENS, book=book, monotonic=clock.monotonic, now=clock.now)
    doorkeeper = Doorkeeper(
        credentials, attempts=FailedAttempts(clock.monotonic), trusted_proxies=[ip_network("10.0.0.0/24")]
    )
    site = Site(MemoryStore(), doorkeeper)
    yield Door(site, book, clock)
    site.close()
    book.close()


# --- tokens ---


@pytest.mark.anyio
async def test_a_token_counts_within_a_second_after_it_was_made_and_no_longer_after_it_was_revoked(door: Door) -> None:
    assert await door.asks("bsm_ana") == 401
    door.issue("bsm_ana", Role.VIEWER)
    door.clock.seconds = 0.9
    assert await door.asks("bsm_ana") == 200
    door.book.revoke("bsm_", who="li", reason="left", at=door.clock.now())
    door.clock.seconds = 1.8
    assert await door.asks("bsm_ana") == 401


@pytest.mark.anyio
async def test_a_token_counts_until_the_second_in_which_it_expires(door: Door) -> None:
    door.issue("bsm_ana", Role.VIEWER, expires=NINE + timedelta(days=90))
    door.clock.seconds = 90 * 86400 - 1
    assert await door.asks("bsm_ana") == 200
    door.clock.seconds += 1
    assert await door.asks("bsm_ana") == 401


@pytest.mark.anyio
async def test_a_token_posts_only_for_the_sources_that_it_speaks_for(door: Door) -> None:
    door.issue("bsm_am", Role.WEBHOOK, sources=["alertmanager"])
    door.clock.seconds = 1
    assert await door.posts("bsm_am") == 202
    assert await door.posts("bsm_am", "grafana") == 403
    assert await door.posts("bsm_am", "nowhere") == 403
    assert await door.asks("bsm_am") == 403


@pytest.mark.anyio
async def test_when_it_was_last_used_is_known_to_the_minute(door: Door) -> None:
    door.issue("bsm_ana", Role.VIEWER)
    for second in (1, 2, 30, 75, 76):
        door.clock.seconds = second
        await door.asks("bsm_ana")
    (token,) = door.book.tokens().values()
    assert token.last_used_at == NINE + timedelta(seconds=75)


@dataclass
class AwayBook:
    """An empty book, until it can't be read any more. Implements `TokenBook`."""

    is_away: bool = False

    def issue(self, issued: IssuedToken, digest: str, *, reason: str) -> None: ...

    def revoke(self, token_id: str, *, who: str, reason: str, at: datetime) -> IssuedToken:  # noqa: ARG002 - the port's
        raise UnknownId(token_id)

    def used(self, moments: Mapping[str, datetime]) -> None: ...

    def tokens(self) -> dict[str, IssuedToken]:
        if self.is_away:
            raise StoreUnavailable("the database is away")
        return {}


@pytest.mark.anyio
async def test_while_the_database_is_away_nobody_unknown_is_told_that_his_token_is_wrong() -> None:
    book, clock = AwayBook(), Hands()
    credentials = Credentials(TOKENS, book=book, monotonic=clock.monotonic)
    site = Site(MemoryStore(), Doorkeeper(credentials))
    book.is_away, clock.seconds = True, 1
    answer = await site.post(body(), authorization="Bearer bsm_perhaps")
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
    asked = await site.send("GET", ALERTS, headers={"authorization": "Bearer bsm_perhaps"})
    assert (asked.status_code, asked.headers["retry-after"]) == (503, "5")
    assert (await site.post(body())).status_code == 202  # a token of the settings needs no database
    assert (await site.send("GET", "/healthz")).status_code == 200
    site.close()


# --- without any token ---


@pytest.mark.anyio
async def test_without_a_token_this_machine_may_do_all_until_the_first_one_is_made(tmp_path: Path) -> None:
    clock, book = Hands(), open_tokens(f"sqlite:///{tmp_path}/tokens.sqlite")
    site = Site(MemoryStore(), Doorkeeper(Credentials(book=book, monotonic=clock.monotonic, now=clock.now)))
    door = Door(site, book, clock)
    local = "http://127.0.0.1:8470"
    assert await door.asks("", base_url=local) == 200
    assert await door.asks("whatever", base_url="http://[::1]:8470") == 200
    door.issue("bsm_ana", Role.VIEWER)
    clock.seconds = 1
    assert await door.asks("", base_url=local) == 401
    book.revoke("bsm_", who="li", reason="", at=NINE)
    clock.seconds = 2
    assert await door.asks("", base_url=local) == 401  # who had a token doesn't want the door open
    site.close()
    book.close()


@pytest.mark.anyio
@pytest.mark.parametrize(
    "headers",
    [
        {"host": "engine.example"},
        {"host": "127.0.0.1.evil.example"},
        {"origin": "https://evil.example"},
        {"origin": "null"},
    ],
)
async def test_without_a_token_no_page_in_a_browser_of_this_machine_can_steer_it(headers: dict[str, str]) -> None:
    site = Site(MemoryStore(), Doorkeeper(Credentials()))
    usual = {"host": "localhost:8470", "origin": "http://localhost:8470"}
    for path in ("/api/v1/pause", HOOK):
        content = body() if path == HOOK else '{"reason": "work"}'
        sent = {**usual, "content-type": "application/json"}
        assert (await site.send("POST", path, content=content, headers=sent)).is_success
        assert (await site.send("POST", path, content=content, headers={**sent, **headers})).status_code == 403
    site.close()


# --- guessing ---


@pytest.mark.anyio
async def test_after_ten_wrong_tokens_within_a_minute_an_address_has_to_wait(door: Door) -> None:
    for second in range(10):
        door.clock.seconds = second
        assert await door.asks(f"guess-{second}", peer="192.0.2.1") == 401
    answer = await door.site.send("GET", ALERTS, headers={"authorization": "Bearer secret-of-viewer"}, peer="192.0.2.1")
    assert (answer.status_code, answer.headers["retry-after"]) == (429, "51")
    assert await door.asks("secret-of-viewer", peer="192.0.2.2") == 200
    assert await door.asks("", "/healthz", peer="192.0.2.1") == 200
    door.clock.seconds = 60
    assert await door.asks("secret-of-viewer", peer="192.0.2.1") == 200


@pytest.mark.anyio
async def test_alerts_with_a_valid_token_are_taken_however_often_somebody_there_has_guessed(door: Door) -> None:
    for guess in range(30):
        assert await door.posts(f"guess-{guess}") == 401
    assert await door.asks("secret-of-viewer") == 429
    assert await door.posts("secret-of-webhook") == 202


@pytest.mark.anyio
async def test_who_shows_an_expired_token_or_none_is_no_guesser(door: Door) -> None:
    door.issue("bsm_old", Role.VIEWER, expires=NINE)
    door.clock.seconds = 1
    for _ in range(20):
        assert await door.asks("bsm_old") == 401
        assert await door.asks("") == 401
    assert await door.asks("secret-of-viewer") == 200


def test_a_network_of_ipv6_counts_as_one_address() -> None:
    attempts = FailedAttempts(lambda: 0.0)
    for number in range(10):
        attempts.count(f"2001:db8::{number:x}")
    assert attempts.must_wait_s("2001:db8::ffff") == 60
    assert attempts.must_wait_s("2001:db8:0:1::1") == 0
    for _ in range(10):
        attempts.count("::ffff:192.0.2.1")
    assert attempts.must_wait_s("192.0.2.1") == 60


def test_a_million_addresses_are_not_remembered() -> None:
    attempts = FailedAttempts(lambda: 0.0)
    for number in range(20_000):
        attempts.count(f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}")
    assert len(attempts._failures) == 10_000


@pytest.mark.parametrize(
    ("peer", "forwarded", "address"),
    [
        ("192.0.2.9", "198.51.100.7", "192.0.2.9"),  # anybody could write that
        ("10.0.0.5", "198.51.100.7", "198.51.100.7"),
        ("10.0.0.5", "203.0.113.1, 198.51.100.7", "198.51.100.7"),  # only the nearest is the proxy's word
        ("10.0.0.5", "198.51.100.7, 10.0.0.6", "198.51.100.7"),
        ("10.0.0.5", "198.51.100.7, evil", "10.0.0.5"),
        ("10.0.0.5", "", "10.0.0.5"),
        ("10.0.0.5", ",".join(["10.0.0.7"] * 1000), "10.0.0.7"),
    ],
)
def test_only_a_trusted_proxy_says_where_a_request_comes_from(
    door: Door, peer: str, forwarded: str, address: str
) -> None:
    scope = {"client": (peer, 1), "headers": [(b"x-forwarded-for", forwarded.encode())], "path": "/"}
    assert door.site.doorkeeper.address(scope) == address


# --- before a body is read ---


@pytest.mark.anyio
@pytest.mark.parametrize("path", ["/api/v1/pause", HOOK, "/api/v1/webhooks/nowhere", "/api/v1/runs/r1/approve"])
async def test_whoever_may_not_is_refused_before_the_body_is_read(door: Door, path: str) -> None:
    async def never() -> dict[str, object]:
        raise AssertionError("the body was read")

    answered: list[object] = []

    async def send(message: object) -> None:
        answered.append(message)

    headers = [(b"content-type", b"application/json"), (b"authorization", b"Bearer secret-of-viewer")]
    scope = {"type": "http", "method": "POST", "path": path, "headers": headers, "query_string": b"", "client": None}
    await door.site.app(scope, never, send)
    assert answered[0]["status"] == 403  # type: ignore[index]


@pytest.mark.anyio
async def test_what_people_send_has_a_limit_of_its_own(door: Door) -> None:
    long = json.dumps({"reason": "x" * 70_000})
    answer = await door.site.post(long, role="operator", path="/api/v1/pause")
    assert (answer.status_code, answer.headers["content-type"]) == (413, "application/problem+json")


@pytest.mark.anyio
async def test_a_stream_of_events_ends_with_its_token(door: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bsm_remediate.web.api._EVENT_PAUSE_S", 0.01)
    door.issue("bsm_ana", Role.VIEWER)
    door.clock.seconds = 1
    asked = asyncio.create_task(door.asks("bsm_ana", "/api/v1/events"))
    await asyncio.sleep(0.05)
    assert not asked.done()
    door.book.revoke("bsm_", who="li", reason="", at=NINE)
    door.clock.seconds = 2
    assert await asyncio.wait_for(asked, 5) == 200


def test_a_route_that_does_not_say_who_may_call_it_is_refused_when_the_server_starts() -> None:
    api = FastAPI(docs_url=None, redoc_url=None)

    @api.get("/new")
    def new() -> None: ...

    with pytest.raises(ValueError, match="/new doesn't say who may call it"):
        Gate(api, Doorkeeper(Credentials()))


# --- what is answered ---


@pytest.mark.anyio
@pytest.mark.parametrize("path", ["/healthz", ALERTS, HOOK, "/openapi.json", "/nothing"])
async def test_every_answer_has_the_headers_that_keep_a_browser_from_harm(door: Door, path: str) -> None:
    headers = (await door.site.send("GET", path)).headers
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"
    assert "default-src 'none'" in headers["content-security-policy"]
    assert headers["cache-control"] == "no-store"
    assert "strict-transport-security" not in headers  # only over TLS


@pytest.mark.anyio
@pytest.mark.parametrize("verb", ["pause", "hold", "alerts/a1/resolve"])
async def test_what_keeps_the_engine_from_acting_needs_a_reason(door: Door, verb: str) -> None:
    for given in ("{}", '{"reason": " "}'):
        answer = await door.site.post(given, role="operator", path=f"/api/v1/{verb}")
        assert (answer.status_code, answer.json()["field"]) == (422, "/reason")
    assert (await door.site.post('{"reason": "work"}', role="operator", path=f"/api/v1/{verb}")).status_code == 200


@pytest.mark.anyio
async def test_a_control_carries_who_asked_and_why(door: Door) -> None:
    door.issue("bsm_ana", Role.OPERATOR)
    door.clock.seconds = 1
    await door.site.post('{"reason": "disk"}', path="/api/v1/pause", authorization="Bearer bsm_ana")
    asked = door.site.live.store.control(1)
    assert asked is not None
    assert (asked.who, asked.reason) == ("bsm_ana", "disk")
