"""Connections that can't be held for nothing: heads come in time and are short, the number of both is bounded."""

from __future__ import annotations

import asyncio
import logging
import resource
import socket
import ssl
from asyncio.events import TimerHandle
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from bsm_remediate.errors import WrongUsage

_log = logging.getLogger(__name__)

HEAD_WITHIN_S = 10.0
LONGEST_HEAD = 64 * 1024
_MOST_CONNECTIONS = 2_000
_OTHER_FILES = 256
"""Descriptors that stay free for the database, playbooks and probes."""
_FULL = (
    b"HTTP/1.1 503 Service Unavailable\r\nretry-after: 5\r\nconnection: close\r\n"
    b"content-type: text/plain; charset=utf-8\r\ncontent-length: 20\r\n\r\nToo many connections"
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Tls:
    """Files in PEM."""

    certificate: Path
    key: Path | None = None
    """None: it stands in the certificate's file."""
    client_ca: Path | None = None
    """Who connects must have a certificate of that authority, besides a token."""

    def context(self) -> ssl.SSLContext:
        """TLS 1.2 or newer. Raises `WrongUsage`."""
        made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        made.minimum_version = ssl.TLSVersion.TLSv1_2
        try:
            made.load_cert_chain(self.certificate, self.key)
            if self.client_ca is not None:
                made.load_verify_locations(self.client_ca)
                made.verify_mode = ssl.CERT_REQUIRED
        except (OSError, ssl.SSLError) as error:
            named = ", ".join(str(one) for one in (self.certificate, self.key, self.client_ca) if one is not None)
            raise WrongUsage(f"TLS can't be had with {named}: {error.strerror or error}") from error
        return made


def most_connections() -> int:
    """As many as the limit of open files lets."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return _MOST_CONNECTIONS if soft < 0 else max(32, min(_MOST_CONNECTIONS, soft - _OTHER_FILES))


class BoundedServer(uvicorn.Server):
    """A server whose connections are `BoundedProtocol`s."""

    def __init__(self, config: uvicorn.Config, tls: ssl.SSLContext | None = None) -> None:
        super().__init__(config)
        self._tls = tls

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await self.lifespan.startup()
        loop = asyncio.get_running_loop()
        handshake_s = HEAD_WITHIN_S if self._tls is not None else None
        make = self._protocols(most_connections())
        self.servers = [
            await loop.create_server(
                make, sock=one, ssl=self._tls, backlog=self.config.backlog, ssl_handshake_timeout=handshake_s
            )
            for one in sockets or ()
        ]
        self.started = True

    def _protocols(self, most: int) -> Callable[[], BoundedProtocol]:
        return lambda: BoundedProtocol(self.config, self.server_state, self.lifespan.state, most=most)


class BoundedProtocol(HttpToolsProtocol):
    """uvicorn's, with deadlines. When there are too many connections, the one that was idle for longest makes room."""

    def __init__(self, *args: Any, most: int = _MOST_CONNECTIONS, head_within_s: float = HEAD_WITHIN_S) -> None:
        super().__init__(*args)
        self._most = most
        self._head_within_s = head_within_s
        self._deadline: TimerHandle | None = None
        self._is_in_head = False
        self._body_comes = False
        self._came_on = False
        """Whether what was read last belonged to a whole head or a body."""
        self._unheard = 0
        """Bytes of a head or trailer that has not ended."""
        self._answering: RequestResponseCycle | None = None
        self.idle_since = 0.0

    @property
    def is_idle(self) -> bool:
        return self._answering is None or (self._answering.response_complete and not self.pipeline)

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self.idle_since = self.loop.time()
        if len(self.connections) > self._most and not self._make_room():
            _log.warning("connections.full most=%d", self._most)
            transport.write(_FULL)
            transport.close()
            return
        self._expect_soon()

    def connection_lost(self, exc: Exception | None) -> None:
        self._expect_nothing()
        # Of several requests sent at once uvicorn tells only the last that nobody listens any more.
        self.pipeline.clear()
        if self._answering is not None:
            self._answering.disconnected = True
            self._answering.message_event.set()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self.is_idle and self._deadline is None:
            self._expect_soon()
        self._came_on = False
        super().data_received(data)
        self._unheard = 0 if self._came_on else self._unheard + len(data)
        if self._unheard > LONGEST_HEAD and not self.transport.is_closing():
            self.send_400_response("The head of the request is too long.")

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._is_in_head = True

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._is_in_head:  # trailers would pass by whoever has looked at the head
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        self._is_in_head = False
        self._body_comes = self._came_on = True
        self._expect_nothing()
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        self._came_on = True
        super().on_body(body)

    def on_message_complete(self) -> None:
        self._body_comes, self._came_on = False, True
        super().on_message_complete()
        if self.cycle.response_complete:  # it was answered before its end
            self._expect_soon()

    def on_response_complete(self) -> None:
        self.idle_since = self.loop.time()
        super().on_response_complete()
        if self._body_comes:
            # It was answered before its end. Closed at once, the sender might never see the answer.
            self._expect_soon()

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        self._answering = cycle
        super()._start_asgi_task(cycle, app)

    def _make_room(self) -> bool:
        idle = [one for one in self.connections if isinstance(one, BoundedProtocol) and one.is_idle and one is not self]
        if not idle:
            return False
        oldest = min(idle, key=lambda one: one.idle_since)
        self.connections.discard(oldest)
        oldest.transport.abort()
        return True

    def _expect_soon(self) -> None:
        """A head, or the end of a body that nobody reads."""
        self._expect_nothing()
        self._deadline = self.loop.call_later(self._head_within_s, self._give_up)

    def _expect_nothing(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _give_up(self) -> None:
        self._deadline = None
        if self.is_idle and not self.transport.is_closing():
            self.transport.abort()
