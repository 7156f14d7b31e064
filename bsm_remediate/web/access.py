"""Who may do what: bearer tokens with roles (DESIGN 7). Deny by default."""

from __future__ import annotations

import base64
import binascii
import hmac
from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import sha256
from ipaddress import ip_address

READ = frozenset({"viewer", "operator", "approver", "admin"})
POST_ALERTS = frozenset({"webhook", "admin"})
OPERATE = frozenset({"operator", "admin"})
APPROVE = frozenset({"approver", "admin"})
ADMINISTER = frozenset({"admin"})


@dataclass(frozen=True, kw_only=True, slots=True)
class Identity:
    """Who asks, by the name of the token."""

    name: str
    role: str


LOCAL = Identity(name="local", role="admin")
"""Everybody, on a server without tokens, which listens on loopback only."""


class Credentials:
    """Knows tokens by their hash; nothing is compared faster for being nearly right."""

    def __init__(self, tokens: Iterable[tuple[str, str, str]]) -> None:
        """`tokens` are secret, role and name."""
        self._known = [(_digest(secret.encode()), Identity(name=name, role=role)) for secret, role, name in tokens]

    @property
    def is_open(self) -> bool:
        return not self._known

    def identify(self, authorization: bytes | None) -> Identity | None:
        """Whose `Authorization` header that is; None: nobody's."""
        if self.is_open:
            return LOCAL
        given = _digest(_secret_in(authorization or b""))
        found: Identity | None = None
        for known, identity in self._known:
            if hmac.compare_digest(known, given):
                found = identity
        return found


def is_loopback(host: str) -> bool:
    """Whether a server bound to `host` can be reached from this machine only."""
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def _digest(secret: bytes) -> bytes:
    return sha256(secret).digest()


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
