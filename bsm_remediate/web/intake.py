"""Webhook intake: raw ASGI, since a framework would cost more than parsing and storing together.

202 is said only once the alerts are durable. A batch with bad alerts stores the good ones; overload is 503, never 429,
because Alertmanager retries 5xx only.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Protocol

import orjson

from bsm_remediate.adapters.webhooks.terms import USUAL, Signature, Signed, Terms
from bsm_remediate.domain.alert import Alert
from bsm_remediate.errors import MalformedAlerts, StoreUnavailable
from bsm_remediate.records import Delivered
from bsm_remediate.web.asgi import Asgi, Receive, Scope, Send, answer
from bsm_remediate.web.body import inflated, read_body
from bsm_remediate.web.doorkeeper import Doorkeeper
from bsm_remediate.web.group_commit import GroupCommit
from bsm_remediate.web.problem import COME_AGAIN_S, Refusal, refuse

PREFIX = "/api/v1/webhooks/"
LARGEST_BODY = 10 * 1024 * 1024
_INFLATED_ASIDE = 64 * 1024
"""A gzip body of more bytes is inflated in a thread, so that the others don't wait for it."""


class Rejected(Protocol):
    """One alert of a body that can't be taken."""

    @property
    def field(self) -> str: ...
    @property
    def message(self) -> str: ...


class Received(Protocol):
    """What a body was read into."""

    @property
    def alerts(self) -> list[Alert]: ...
    @property
    def rejected(self) -> list[Any]: ...
    @property
    def truncated(self) -> int: ...


ReadBody = Callable[[bytes, datetime], Received]


@dataclass(kw_only=True)
class Counts:
    """What came in since the start, for `/metrics`."""

    accepted: int = 0
    rejected: int = 0
    truncated: int = 0
    """Alerts that senders said they left out of their webhooks."""
    refused: int = 0
    """Requests answered with 4xx."""
    unavailable: int = 0
    """Requests answered with 503."""


class Intake:
    """Takes the webhooks; everything else goes to `rest`."""

    def __init__(
        self,
        *,
        sources: Mapping[str, ReadBody],
        doorkeeper: Doorkeeper,
        commit: GroupCommit,
        rest: Asgi,
        truncated: Callable[[str], None],
        terms: Mapping[str, Terms],
        largest_body: int = LARGEST_BODY,
    ) -> None:
        self._sources = sources
        self._terms = terms
        self._doorkeeper = doorkeeper
        self._commit = commit
        self._rest = rest
        self._truncated = truncated
        self._largest_body = largest_body
        self.counts = Counts()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not scope["path"].startswith(PREFIX):
            await self._rest(scope, receive, send)
            return
        try:
            document = await self._take(scope, receive)
        except Refusal as refusal:
            if refusal.status == 503:
                self.counts.unavailable += 1
            else:
                self.counts.refused += 1
            await refuse(send, refusal)
        except StoreUnavailable as error:
            self.counts.unavailable += 1
            await refuse(send, Refusal(503, str(error), retry_after_s=COME_AGAIN_S))
        else:
            await answer(send, 202, document, "application/json")

    async def _take(self, scope: Scope, receive: Receive) -> bytes:
        headers = dict(scope["headers"])
        source = scope["path"][len(PREFIX) :]
        now = datetime.now(UTC)
        terms = self._terms.get(source, USUAL)
        if terms.signature is None:
            await self._require_token(scope, headers, source)
        elif not terms.signature.is_claimed(headers, now):
            raise self._unsigned(scope)
        read = self._sources.get(source)
        if read is None:
            raise Refusal(404, "there is no such source", sources=sorted(self._sources))
        if scope["method"] != "POST":
            raise Refusal(405, "alerts are posted")
        kind = headers.get(b"content-type", b"application/json").partition(b";")[0].strip().lower()
        if kind not in terms.content_types:
            raise Refusal(415, "alerts are application/json")
        body = await read_body(headers, receive, largest=self._largest_body)
        delivery: Delivered | None = None
        if terms.signature is not None:
            signed = await self._require_signature(scope, headers, body, terms.signature)
            delivery = Delivered(source=source, id=signed.delivery, received_at=now) if signed.delivery else None
            if delivery is not None and await self._commit.was_delivered(delivery):
                return orjson.dumps({"accepted": 0})
        return await self._store(source, read, await self._inflated(headers, body), now, delivery)

    async def _store(
        self, source: str, read: ReadBody, body: bytes, now: datetime, delivery: Delivered | None
    ) -> bytes:
        try:
            received = read(body, now)
        except MalformedAlerts as error:
            raise Refusal(422 if error.field else 400, str(error), field=error.field) from error
        if received.alerts:
            await self._commit.store(received.alerts, delivery)
        if received.truncated:
            self.counts.truncated += received.truncated
            self._truncated(source)
        self.counts.accepted += len(received.alerts)
        self.counts.rejected += len(received.rejected)
        document: dict[str, object] = {"accepted": len(received.alerts)}
        if received.rejected:
            document["rejected"] = [{"field": one.field, "message": one.message} for one in received.rejected[:20]]
        return orjson.dumps(document)

    async def _require_token(self, scope: Scope, headers: Mapping[bytes, bytes], source: str) -> None:
        # However often somebody at that address has guessed, a sender with a token is heard: its alerts would be lost.
        identity = await self._doorkeeper.admit(scope, headers, waits=False)
        if identity.may_post(source):
            return
        if identity.sources:
            raise Refusal(403, f"this token may not post for '{source[:60]}'")
        raise Refusal(403, f"the role {identity.role} may not post alerts")

    async def _require_signature(
        self, scope: Scope, headers: Mapping[bytes, bytes], body: bytes, signature: Signature
    ) -> Signed:
        signed = signature.verify(headers, body, datetime.now(UTC))
        if signed is None:
            raise self._unsigned(scope)
        return signed

    def _unsigned(self, scope: Scope) -> Refusal:
        self._doorkeeper.note_failure(scope, "signature")
        return Refusal(401, "a valid signature is needed")

    async def _inflated(self, headers: Mapping[bytes, bytes], body: bytes) -> bytes:
        if len(body) > _INFLATED_ASIDE and b"content-encoding" in headers:
            return await asyncio.to_thread(inflated, headers, body, largest=self._largest_body)
        return inflated(headers, body, largest=self._largest_body)
