"""A stand-in for whatever wakes people: writes each page that Alertmanager sends as one line of a file.

`python -m lab.real.pager ADDRESS:PORT FILE`
"""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any


def _line(alert: dict[str, Any]) -> str:
    labels = alert.get("labels", {})
    at = datetime.now(UTC).isoformat(timespec="milliseconds")
    return json.dumps(
        {
            "at": at,
            "status": alert.get("status"),
            "alertname": labels.get("alertname"),
            "component": labels.get("component"),
        }
    )


def _handler(file: Path) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers.get("Content-Length") or 0)))
            with file.open("a") as pages:
                pages.writelines(_line(alert) + "\n" for alert in body.get("alerts", []))
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            return

    return Handler


def main() -> None:
    address, _, port = sys.argv[1].rpartition(":")
    file = Path(sys.argv[2])
    file.touch()
    ThreadingHTTPServer((address, int(port)), _handler(file)).serve_forever(0.1)


if __name__ == "__main__":
    main()
