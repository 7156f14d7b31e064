"""A relay between Alertmanager and the engine that loses what it is told to lose, and says that all went well.

That is how webhooks get lost in earnest: a proxy, a queue or a restart acknowledged them.
"""

from __future__ import annotations

import http.client
import json
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self
from urllib.parse import urlsplit

Alert = dict[str, Any]
_TIMEOUT_S = 10


class Relay:
    """Forwards webhooks to `engine`. Use it as a context."""

    def __init__(self, engine: str) -> None:
        self._engine = urlsplit(engine)
        self.loses: Callable[[Alert], bool] = lambda _alert: False
        """Which alerts are left out of what is forwarded."""
        self.lost: list[Alert] = []
        self.truncated = 0
        """Alerts that Alertmanager said it left out."""
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._server.daemon_threads = True

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def take(self, path: str, body: bytes, authorization: str) -> int:
        """What is answered to Alertmanager."""
        message = json.loads(body)
        self.truncated += message.get("truncatedAlerts", 0)
        lost = [alert for alert in message["alerts"] if self.loses(alert)]
        self.lost += lost
        message["alerts"] = [alert for alert in message["alerts"] if alert not in lost]
        if not message["alerts"]:
            return 200
        connection = http.client.HTTPConnection(self._engine.hostname or "", self._engine.port, timeout=_TIMEOUT_S)
        headers = {"Content-Type": "application/json", "Authorization": authorization}
        try:
            connection.request("POST", path, body=json.dumps(message), headers=headers)
            return connection.getresponse().status
        except (OSError, http.client.HTTPException):
            return 503
        finally:
            connection.close()


def _handler(relay: Relay) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            self.send_response(relay.take(self.path, body, self.headers.get("Authorization", "")))
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            return

    return Handler
