"""What every process of the shop shares: HTTP with routes, the way to ask others, and dying with its supervisor."""

from __future__ import annotations

import argparse
import ctypes
import http.client
import json
import os
import signal
import socket
import sys
import threading
from collections.abc import Callable, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple

Json = Any
TIMEOUT_S = 1.0
_PR_SET_PDEATHSIG = 1


class Answer(NamedTuple):
    """Status and body of an HTTP answer; `retry` marks answers of processes that lack what they need."""

    status: int
    body: Json


class Request(NamedTuple):
    """What a route is given."""

    path: str
    body: bytes


Route = Callable[[Request], Answer]


class Unavailable(Exception):
    """Something that this process needs is gone, or answers that it lacks something itself."""


def die_with_parent(number: int = signal.SIGTERM) -> None:
    """Ask the kernel for `number` when the parent ends, so that nothing outlives a supervisor that was killed."""
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, int(number), 0, 0, 0)


class Server(ThreadingHTTPServer):
    """Many small answers, each in a thread that doesn't keep the process."""

    daemon_threads = True
    allow_reuse_address = True
    request_queue_size = 64

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ARG002 - the signature of socketserver
        error = sys.exc_info()[1]
        if not isinstance(error, OSError):  # a client that hangs up is no news
            print(f"request of {client_address}: {error!r}", file=sys.stderr, flush=True)


def server(listen: tuple[str, int], routes: Mapping[tuple[str, str], Route]) -> Server:
    """An HTTP server bound to `listen`; `routes` by method and first part of the path, `*` for all others."""

    class Handler(BaseHTTPRequestHandler):
        def _answer(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            request = Request(self.path, self.rfile.read(length) if length else b"")
            first = "/" + self.path.lstrip("/").split("/")[0].split("?")[0]
            route = routes.get((self.command, first)) or routes.get((self.command, "*"))
            self._send(_answered(route, request))

        do_GET = do_POST = _answer  # noqa: N815 - the names that BaseHTTPRequestHandler calls

        def _send(self, answer: Answer) -> None:
            body = json.dumps(answer.body).encode() + b"\n"
            self.send_response(answer.status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            return

    return Server(listen, Handler)


def _answered(route: Route | None, request: Request) -> Answer:
    if route is None:
        return Answer(404, {"error": f"nothing at {request.path}"})
    try:
        return route(request)
    except Unavailable as lacking:
        return Answer(503, {"error": str(lacking)})


def healthz(_: Request) -> Answer:
    """About this process alone: whoever answers is alive."""
    return Answer(200, {"alive": True, "pid": os.getpid()})


def ask(address: str, port: int, path: str, *, method: str = "GET", timeout_s: float = TIMEOUT_S) -> Json:
    """The JSON that another process answers. Raises `Unavailable` for anything but 200."""
    answer = fetch(address, port, path, method=method, timeout_s=timeout_s)
    if answer.status != 200:
        reason = answer.body.get("error", "") if isinstance(answer.body, dict) else ""
        raise Unavailable(f"{address}:{port}{path} answers {answer.status}: {reason}")
    return answer.body


def fetch(address: str, port: int, path: str, *, method: str = "GET", timeout_s: float = TIMEOUT_S) -> Answer:
    """Whatever another process answers. Raises `Unavailable` when it doesn't."""
    connection = http.client.HTTPConnection(address, port, timeout=timeout_s)
    try:
        connection.request(method, path)
        response = connection.getresponse()
        return Answer(response.status, json.loads(response.read() or b"null"))
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise Unavailable(f"{address}:{port}: {error}") from error
    finally:
        connection.close()


def talk(address: str, port: int, line: str, *, timeout_s: float = TIMEOUT_S) -> str:
    """One line to a store, one line back. Raises `Unavailable`, for answers that begin with `-` too."""
    try:
        with socket.create_connection((address, port), timeout=timeout_s) as connection:
            connection.sendall(line.encode() + b"\n")
            answer = connection.makefile().readline().rstrip("\n")
    except OSError as error:
        raise Unavailable(f"{address}:{port}: {error}") from error
    if not answer or answer.startswith("-"):
        raise Unavailable(f"{address}:{port} answers {answer or 'nothing'}")
    return answer


def endpoint(text: str) -> tuple[str, int]:
    """`address:port` of the command line."""
    address, _, port = text.rpartition(":")
    return address, int(port)


def parser(purpose: str) -> argparse.ArgumentParser:
    """The options of every process."""
    options = argparse.ArgumentParser(description=purpose)
    options.add_argument("--listen", type=endpoint, required=True, metavar="ADDRESS:PORT")
    return options


def serve(*servers: Any) -> None:
    """Serve until told to stop, or until the supervisor is gone."""
    die_with_parent()
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    threads = [threading.Thread(target=one.serve_forever, args=(0.1,), daemon=True) for one in servers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
