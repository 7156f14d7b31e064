"""Whose token that is: those of the settings file, and those that `token create` issued (DESIGN 7)."""

from __future__ import annotations

import asyncio
import base64
import binascii
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from ipaddress import ip_address

from bsm_remediate.domain.access import Identity, Role, TokensByDigest
from bsm_remediate.errors import StoreUnavailable
from bsm_remediate.records import TokenBook

_AS_OF_S = 0.5
"""So old may be what is known of issued tokens: a revocation counts within a second, on every replica."""
_USE_IS_NOTED_EACH = timedelta(minutes=1)

LOCAL = Identity(name="local", role=Role.ADMIN)
"""Everybody, on a server without tokens, which listens on loopback only."""


@dataclass(frozen=True, slots=True)
class Shown:
    """What a request shows of who sends it."""

    identity: Identity | None = None
    is_guess: bool = False
    """A token was given that never was one. What is expired or revoked is no guess."""
    is_local: bool = False
    """Nobody needs a token here yet."""


class Credentials:
    """Knows tokens by their SHA-256, so what a comparison takes tells nothing about the secret."""

    def __init__(
        self,
        tokens: Iterable[tuple[str, Identity]] = (),
        *,
        book: TokenBook | None = None,
        monotonic: Callable[[], float] = time.monotonic,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        """`tokens` are those of the settings, by secret; `book` has the issued ones. Raises what reading it raises."""
        self._known = {digest_of(secret.encode()): identity for secret, identity in tokens}
        self._issued = _IssuedTokens(book, monotonic, now) if book is not None else None
        self._now = now

    @property
    def is_open(self) -> bool:
        """Whether there is no token at all. Revoked ones count: who had one doesn't want the door open."""
        return not self._known and (self._issued is None or not self._issued.latest)

    async def identify(self, authorization: bytes | None) -> Shown:
        """Whose `Authorization` header that is. Raises `StoreUnavailable` when only the database could tell."""
        secret = _secret_in(authorization or b"")
        digest = digest_of(secret) if secret else ""
        found = self._known.get(digest)
        if found is not None:
            return Shown(found)
        if self._issued is None:
            return Shown(LOCAL, is_local=True) if not self._known else Shown(is_guess=bool(secret))
        issued = await self._issued.current()
        if not issued and not self._known:
            return Shown(LOCAL, is_local=True)
        token = issued.get(digest)
        if token is None:
            return Shown(is_guess=bool(secret))
        if not token.holds(self._now()):
            return Shown()
        self._issued.note_use(token.id, token.last_used_at)
        return Shown(token.identity)


class _IssuedTokens:
    """What the book says, at most half a second old."""

    def __init__(self, book: TokenBook, monotonic: Callable[[], float], now: Callable[[], datetime]) -> None:
        self._book = book
        self._monotonic = monotonic
        self._now = now
        self._turn = asyncio.Lock()
        self._uses: dict[str, datetime] = {}
        self._uses_guard = threading.Lock()
        self.latest: TokensByDigest = book.tokens()
        self._read_at = monotonic()

    async def current(self) -> TokensByDigest:
        if self._is_old():
            async with self._turn:
                if self._is_old():  # somebody may have read it meanwhile
                    began = self._monotonic()
                    self.latest = await asyncio.to_thread(self._read)
                    self._read_at = began
        return self.latest

    def note_use(self, token: str, last: datetime | None) -> None:
        now = self._now()
        if last is None or now - last >= _USE_IS_NOTED_EACH:
            with self._uses_guard:
                self._uses[token] = now

    def _is_old(self) -> bool:
        return self._monotonic() - self._read_at > _AS_OF_S

    def _read(self) -> TokensByDigest:
        with self._uses_guard:
            uses, self._uses = self._uses, {}
        if uses:
            with suppress(StoreUnavailable):  # who can't be let in then is told by the reading below
                self._book.used(uses)
        return self._book.tokens()


def digest_of(secret: bytes) -> str:
    """As a token is kept. It needs no slow hash: 256 random bits can't be guessed."""
    return sha256(secret).hexdigest()


def is_loopback(host: str) -> bool:
    """Whether a server bound to `host` can be reached from this machine only."""
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def is_asked_by_this_machine(headers: Mapping[bytes, bytes]) -> bool:
    """Whether a request to an open server names it as this machine, and comes from no page of another site: else a
    page in a browser here could steer the engine.
    """
    host = _host_name(headers.get(b"host", b"localhost"))
    origin = headers.get(b"origin")
    if not is_loopback(host):
        return False
    return origin is None or is_loopback(_host_name(origin.partition(b"://")[2]))


def _host_name(authority: bytes) -> str:
    """Of `name:port` or `[::1]:port`."""
    text = authority.decode("latin-1").strip().lower()
    return text[1:].partition("]")[0] if text.startswith("[") else text.partition(":")[0]


def _secret_in(authorization: bytes) -> bytes:
    """The token of a bearer header, or of basic auth as its password (for senders that know only that)."""
    scheme, _, rest = authorization.partition(b" ")
    if scheme.lower() == b"bearer":
        return rest.strip()
    if scheme.lower() == b"basic":
        try:
            return base64.b64decode(rest, validate=True).partition(b":")[2]
        except (binascii.Error, ValueError):
            return b""
    return b""
