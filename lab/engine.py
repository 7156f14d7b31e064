"""The engine as the demo uses it: `bsm-remediate serve` in a process of its own, and what its API says."""

from __future__ import annotations

import http.client
import json
import os
import queue
import re
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from lab.children import Children
from lab.shop import CHECKOUT, Shop

Json = dict[str, Any]
_TIMEOUT_S = 10.0
_ANNOUNCED = re.compile(r"runs at (http://[0-9.]+:[0-9]+)")


class Engine:
    """A running `serve`."""

    def __init__(self, url: str, token: str) -> None:
        self.url = url
        self._token = token
        self._stream: http.client.HTTPConnection | None = None
        self.journal: queue.SimpleQueue[Json] = queue.SimpleQueue()
        """The engine's events as they happen, once `follow` was called."""

    @classmethod
    def start(cls, children: Children, shop: Shop, *, goal: str, token: str, timeout_s: float = 30.0) -> Engine:
        """Start it for `shop`, on a free port. Raises `RuntimeError` with its last words when it doesn't come up."""
        bundle = ["--policies", str(CHECKOUT / "policies"), "--playbooks", str(CHECKOUT / "playbooks")]
        options = [*bundle, "--inventory", str(shop.inventory)]
        return cls.start_in(shop.folder, children, options, "--goal", goal, token=token, timeout_s=timeout_s)

    @classmethod
    def start_in(
        cls,
        folder: Path,
        children: Children,
        options: Sequence[str] = (),
        *serve: str,
        token: str,
        timeout_s: float = 30.0,
    ) -> Engine:
        """Start it in `folder`, with `options` and those of `serve`. Raises `RuntimeError` as `start` does."""
        log = folder / "engine.log"
        program = str(Path(sys.executable).parent / "bsm-remediate")
        child = children.start(
            [program, *options, "serve", "--port", "0", *serve],
            log=log,
            cwd=folder,  # not the checkout: settings files and variables of the reader's own stay out of it
            environment=_environment(BSM_TOKEN=token, BSM_STATE_DIR=str(folder / "state")),
        )
        engine = cls(_announced(log, child, time.monotonic() + timeout_s), token)
        engine.wait_until_ready(time.monotonic() + timeout_s)
        return engine

    def watch(self, children: Children, shop: Shop) -> None:
        """Start the shop's monitoring, which tells this engine."""
        webhook = f"{self.url}/api/v1/webhooks/alertmanager"
        command = [sys.executable, "-m", "lab.watch", "--network", str(shop.network.number), "--webhook", webhook]
        environment = _environment(BSM_TOKEN=self._token, BSM_LAB_DIR=str(shop.folder))
        children.start(command, log=shop.folder / "watch.log", cwd=CHECKOUT, environment=environment)

    def wait_until_ready(self, deadline: float) -> None:
        while True:
            try:
                self.get("/api/v1/plan")
            except (OSError, RuntimeError, http.client.HTTPException):
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.1)
            else:
                return

    def get(self, path: str) -> Json:
        """What the API answers. Raises `RuntimeError` when that isn't 200, `OSError` when there is no answer."""
        connection = self._connection(_TIMEOUT_S)
        try:
            connection.request("GET", path, headers=self._headers)
            answer = connection.getresponse()
            body = answer.read()
        finally:
            connection.close()
        if answer.status != 200:
            raise RuntimeError(f"GET {path} answers {answer.status}: {body[:300]!r}")
        found: Json = json.loads(body)
        return found

    def listing(self, name: str) -> list[Json]:
        """All rows of a listing."""
        items: list[Json] = self.get(f"/api/v1/{name}")["items"]
        return items

    def follow(self) -> None:
        """Read the stream of events into `journal`, in a thread that ends with the engine."""
        threading.Thread(target=self._read_stream, daemon=True).start()

    def unfollow(self) -> None:
        """Hang up: while somebody follows, the engine waits a while for him before it ends."""
        if self._stream is not None and self._stream.sock is not None:
            with suppress(OSError):
                self._stream.sock.shutdown(socket.SHUT_RDWR)

    def _read_stream(self) -> None:
        connection = self._stream = self._connection(None)
        try:
            connection.request("GET", "/api/v1/events", headers=self._headers)
            stream = connection.getresponse()
            while line := stream.readline():
                if line.startswith(b"data: "):
                    self.journal.put(json.loads(line[len(b"data: ") :]))
        except (OSError, http.client.HTTPException):
            return  # the engine has ended
        finally:
            connection.close()

    def _connection(self, timeout_s: float | None) -> http.client.HTTPConnection:
        where = urlsplit(self.url)
        return http.client.HTTPConnection(where.hostname or "", where.port, timeout=timeout_s)

    @property
    def _headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self._token}"}


def _announced(log: Path, child: subprocess.Popen[bytes], deadline: float) -> str:
    while True:
        said = log.read_text(errors="replace")
        found = _ANNOUNCED.search(said)
        if found is not None:
            return found[1]
        if child.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError(f"the engine didn't start:\n{said[-2000:]}")
        time.sleep(0.05)


def _environment(**ours: str) -> dict[str, str]:
    passed = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    return {"PATH": os.defpath, **passed, "LC_ALL": "C.UTF-8", **ours}
