"""A real Prometheus of Debian's package, for one test: what it scrapes is a page that the test writes."""

from __future__ import annotations

import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import requests

from lab.real.packages import program
from lab.serving import die_with_parent

_READY_WITHIN_S = 30.0
_CONFIG = """\
global: {{scrape_interval: 200ms, scrape_timeout: 150ms}}
scrape_configs:
  - job_name: shop
    static_configs: [{{targets: ["{target}"]}}]
"""


class Page:
    """A `/metrics` page on a free port: `text`, and what is there `then`, once something has `changed`."""

    def __init__(self, text: str = "", *, changed: Callable[[], bool] = lambda: False, then: str = "") -> None:
        self.text = text
        page = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                body = (then if changed() else page.text).encode()
                self.send_response(200)
                self.send_header("Content-Type", "text/plain; version=0.0.4")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                return

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    @property
    def target(self) -> str:
        return f"127.0.0.1:{self.server.server_address[1]}"


@contextmanager
def prometheus(
    folder: Path, target: str, *options: str, scheme: str = "http", is_ready: Callable[[str], bool] | None = None
) -> Iterator[str]:
    """Its address, once it answers; it scrapes `target` five times a second."""
    (folder / "prometheus.yml").write_text(_CONFIG.format(target=target))
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    log = folder / "prometheus.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [
                program("prometheus"),
                f"--config.file={folder}/prometheus.yml",
                f"--storage.tsdb.path={folder}/tsdb",
                f"--web.listen-address=127.0.0.1:{port}",
                *options,
            ],
            stdout=output,
            stderr=subprocess.STDOUT,
            preexec_fn=die_with_parent,  # noqa: PLW1509 - nothing here has threads that hold locks
        )
    url = f"{scheme}://127.0.0.1:{port}"
    try:
        until(lambda: (is_ready or _answers)(url), f"Prometheus answers: {log}", within_s=_READY_WITHIN_S)
        yield url
    finally:
        process.terminate()
        process.wait(10)


def until(holds: Callable[[], bool], what: str, *, within_s: float = 10.0) -> None:
    """Wait until `holds`. Raises `AssertionError`."""
    deadline = time.monotonic() + within_s
    while not holds():
        assert time.monotonic() < deadline, f"not within {within_s:g} s: {what}"
        time.sleep(0.05)


def _answers(url: str) -> bool:
    try:
        return requests.get(f"{url}/-/ready", timeout=1).status_code == 200
    except requests.RequestException:
        return False
