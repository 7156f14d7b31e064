"""Webhook intake: raw ASGI, since a framework would cost more than parsing and storing together.

202 is said only once the alerts are durable. A batch with bad alerts stores the good ones; overload is 503, never 429,
because Alertmanager retries 5xx only.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Protocol

import orjson

from bsm_remediate.adapters.webhooks.terms import USUAL, Terms
from bsm_remediate.domain.alert import Alert
from bsm_remediate.errors import MalformedAlerts, StoreUnavailable
from bsm_remediate.web.access import POST_ALERTS, Credentials
from bsm_remediate.web.group_commit import GroupCommit
from bsm_remediate.web.problem import CONTENT_TYPE, problem

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Asgi = Callable[[Scope, Receive, Send], Awaitable[None]]

PREFIX = "/api/v1/webhooks/"
LARGEST_BODY = 10 * 1024 * 1024


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


class _Refusal(Exception):
    def __init__(self, status: int, detail: str, **facts: object) -> None:
        super().__init__(detail)
        self.status, self.detail, self.facts = status, detail, facts


class Intake:
    """Takes the webhooks; everything else goes to `rest`."""

    def __init__(
        self,
        *,
        sources: Mapping[str, ReadBody],
        credentials: Credentials,
        commit: GroupCommit,
        rest: Asgi,
        truncated: Callable[[str], None],
        terms: Mapping[str, Terms],
        largest_body: int = LARGEST_BODY,
    ) -> None:
        self._sources = sources
        self._terms = terms
        self._credentials = credentials
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
        except _Refusal as refusal:
            self.counts.refused += 1
            await _answer(send, refusal.status, problem(refusal.status, refusal.detail, **refusal.facts), CONTENT_TYPE)
        except StoreUnavailable as error:
            self.counts.unavailable += 1
            await _answer(send, 503, problem(503, str(error)), CONTENT_TYPE, (b"retry-after", b"5"))
        else:
            await _answer(send, 202, document, "application/json")

    async def _take(self, scope: Scope, receive: Receive) -> bytes:
        headers = dict(scope["headers"])
        source = scope["path"][len(PREFIX) :]
        terms = self._terms.get(source, USUAL)
        if terms.is_signed is None:
            self._authorise(headers)
        read = self._sources.get(source)
        if read is None:
            raise _Refusal(404, "there is no such source", sources=sorted(self._sources))
        if scope["method"] != "POST":
            raise _Refusal(405, "alerts are posted")
        kind = headers.get(b"content-type", b"application/json").partition(b";")[0].strip().lower()
        if kind not in terms.content_types:
            raise _Refusal(415, "alerts are application/json")
        body = await self._body(headers, receive)
        if terms.is_signed is not None and not terms.is_signed(headers, body):
            raise _Refusal(401, "a valid signature is needed")
        try:
            received = read(body, datetime.now(UTC))
        except MalformedAlerts as error:
            raise _Refusal(422 if error.field else 400, str(error), field=error.field) from error
        if received.alerts:
            await self._commit.store(received.alerts)
        if received.truncated:
            self.counts.truncated += received.truncated
            self._truncated(source)
        self.counts.accepted += len(received.alerts)
        self.counts.rejected += len(received.rejected)
        answer: dict[str, object] = {"accepted": len(received.alerts)}
        if received.rejected:
            answer["rejected"] = [{"field": one.field, "message": one.message} for one in received.rejected[:20]]
        return orjson.dumps(answer)

    def _authorise(self, headers: Mapping[bytes, bytes]) -> None:
        identity = self._credentials.identify(headers.get(b"authorization"))
        if identity is None:
            raise _Refusal(401, "a valid token is needed")
        if identity.role not in POST_ALERTS:
            raise _Refusal(403, f"the role {identity.role} may not post alerts")

    async def _body(self, headers: Mapping[bytes, bytes], receive: Receive) -> bytes:
        announced = headers.get(b"content-length", b"0")
        too_large = _Refusal(413, f"the body is larger than {self._largest_body} bytes")
        if announced.isdigit() and int(announced) > self._largest_body:
            raise too_large
        parts: list[bytes] = []
        size = 0
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                raise _Refusal(400, "the sender hung up")
            part = message.get("body", b"")
            size += len(part)
            if size > self._largest_body:
                raise too_large
            parts.append(part)
            if not message.get("more_body"):
                return parts[0] if len(parts) == 1 else b"".join(parts)


async def _answer(send: Send, status: int, body: bytes, content_type: str, *headers: tuple[bytes, bytes]) -> None:
    fixed = [(b"content-type", content_type.encode()), (b"content-length", str(len(body)).encode())]
    if status == 401:
        # SNS sends the password of its address only when it is asked for one.
        fixed.append((b"www-authenticate", b'Bearer, Basic realm="bsm-remediate"'))
    await send({"type": "http.response.start", "status": status, "headers": [*fixed, *headers]})
    await send({"type": "http.response.body", "body": body})
