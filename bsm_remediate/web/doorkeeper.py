"""Lets requests in or refuses them, before anything of their body is read."""

from __future__ import annotations

import logging
import math
from collections.abc import Collection, Mapping
from ipaddress import IPv4Network, IPv6Network, ip_address

from bsm_remediate.domain.access import Identity
from bsm_remediate.web.access import Credentials, is_asked_by_this_machine
from bsm_remediate.web.asgi import Scope
from bsm_remediate.web.problem import Refusal
from bsm_remediate.web.throttle import MOST_FAILURES, FailedAttempts

_log = logging.getLogger(__name__)

_MOST_HOPS = 20
Network = IPv4Network | IPv6Network


class Doorkeeper:
    """Knows who may enter, and who has knocked too often."""

    def __init__(
        self,
        credentials: Credentials,
        *,
        attempts: FailedAttempts | None = None,
        trusted_proxies: Collection[Network] = (),
    ) -> None:
        """`trusted_proxies`: only what they forward says where a request comes from."""
        self._credentials = credentials
        self._attempts = attempts or FailedAttempts()
        self._trusted = tuple(trusted_proxies)

    async def admit(self, scope: Scope, headers: Mapping[bytes, bytes], *, waits: bool) -> Identity:
        """Who sends the request; `waits` refuses everybody at an address that has guessed too often.

        Raises `Refusal` (401, 403, 429), or `StoreUnavailable` when only the database could tell.
        """
        if waits:
            self._require_patience(scope)
        shown = await self._credentials.identify(headers.get(b"authorization"))
        if shown.identity is None:
            if shown.is_guess:
                self.note_failure(scope, "token")
            raise Refusal(401, "a valid token is needed")
        if shown.is_local and not is_asked_by_this_machine(headers):
            raise Refusal(
                403, "without a token the engine answers this machine only, by its loopback name: see `token create`"
            )
        return shown.identity

    def note_failure(self, scope: Scope, what: str) -> None:
        """Somebody showed a wrong token or signature."""
        address = self.address(scope)
        failures = self._attempts.count(address)
        if failures in {1, MOST_FAILURES}:
            _log.warning(
                "access.failed what=%s address=%s path=%r failures_within_1m=%d",
                what,
                address,
                scope["path"][:100],
                failures,
            )

    def _require_patience(self, scope: Scope) -> None:
        wait = self._attempts.must_wait_s(self.address(scope))
        if wait > 0:
            raise Refusal(429, "too many wrong tokens from this address", retry_after_s=math.ceil(wait))

    def address(self, scope: Scope) -> str:
        """Where a request comes from: the peer, unless that is a trusted proxy; then the nearest hop that is none."""
        client = scope.get("client")
        peer = str(client[0]) if client else "unknown"
        if not self._trusted or not self._is_trusted(peer):
            return peer
        given = b",".join(value for name, value in scope["headers"] if name == b"x-forwarded-for")
        for hop in reversed(given.decode("latin-1").split(",")[-_MOST_HOPS:]):
            address = hop.strip()
            if not _is_address(address):
                break
            peer = address
            if not self._is_trusted(address):
                break
        return peer

    def _is_trusted(self, address: str) -> bool:
        if not _is_address(address):
            return False
        parsed = ip_address(address)
        return any(parsed in network for network in self._trusted)


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True
