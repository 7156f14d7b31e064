"""Key-value stores that speak lines over TCP (`PING`, `GET key`, `SET key value`, `ROLE`) and, on the same port, HTTP
for health and promotion. As a cache it forgets; as a database it has a data folder, a role, and replicates.

Only the primary takes writes, and only it listens on the floating address `--service`, so there can't be two: a
promotion fails while the old primary still holds that address. A former primary that comes back finds the new one and
becomes its standby.
"""

from __future__ import annotations

import json
import os
import socketserver
import sys
import threading
from pathlib import Path

from lab.serving import Unavailable, die_with_parent, endpoint, parser, serve, talk

_LONGEST_LINE = 65_536


class Refused(Exception):
    """Asked for what this store doesn't do in its role."""


class Cache:
    """Keys and values in memory."""

    role = "cache"

    def __init__(self) -> None:
        self._values: dict[str, str] = {}

    def get(self, key: str) -> str:
        return self._values.get(key, "nil")

    def put(self, key: str, value: str) -> None:
        self._values[key] = value

    def replicate(self, key: str, value: str) -> None:  # noqa: ARG002 - as in a database
        raise Refused("a cache doesn't replicate")

    def promote(self) -> None:
        raise Refused("a cache has no role")


class Database(Cache):
    """Keys and values in a file, with the role `primary` or `standby`."""

    def __init__(self, folder: Path, peer: tuple[str, int], service: tuple[str, int], role: str) -> None:
        super().__init__()
        self._file, self._role_file = folder / "data.jsonl", folder / "role"
        self._peer, self._service = peer, service
        self._lock = threading.Lock()
        self._load()
        self.role = self._role_file.read_text().strip() if self._role_file.exists() else role
        if self.role == "primary" and self._peer_is_primary():
            self._become("standby")  # fenced: the other one was promoted meanwhile

    def take_service_address(self) -> None:
        """Listen on the floating address. Raises `OSError` while another primary does."""
        listener = _Listener(self._service, self)
        threading.Thread(target=listener.serve_forever, args=(0.1,), daemon=True).start()

    def put(self, key: str, value: str) -> None:
        if self.role != "primary":
            raise Refused(f"read only: this is the {self.role}")
        self._write(key, value)
        try:
            talk(*self._peer, f"REPLICATE {key} {value}")
        except Unavailable:
            return  # the standby is gone; asynchronous replication goes on without it

    def replicate(self, key: str, value: str) -> None:
        if self.role != "standby":
            raise Refused(f"this is the {self.role}")
        self._write(key, value)

    def promote(self) -> None:
        with self._lock:
            if self.role == "primary":
                return
            try:
                self.take_service_address()
            except OSError as error:
                raise Refused(f"another primary holds {self._service[0]}: {error}") from error
            self._become("primary")

    def _become(self, role: str) -> None:
        self._role_file.write_text(role)
        self.role = role

    def _peer_is_primary(self) -> bool:
        try:
            return talk(*self._peer, "ROLE") == "+primary"
        except Unavailable:
            return False

    def _load(self) -> None:
        if not self._file.exists():
            return
        for number, line in enumerate(self._file.read_text().splitlines(), start=1):
            try:
                key, value = json.loads(line)
            except ValueError as error:
                raise SystemExit(f"{self._file}:{number} is damaged, refusing to start: {error}") from error
            self._values[key] = value

    def _write(self, key: str, value: str) -> None:
        with self._lock, self._file.open("a") as stream:
            stream.write(json.dumps([key, value]) + "\n")
            self._values[key] = value


class _Listener(socketserver.ThreadingTCPServer):
    """Answers lines and HTTP about one store."""

    daemon_threads = True
    allow_reuse_address = True
    request_queue_size = 64

    def __init__(self, address: tuple[str, int], store: Cache) -> None:
        self.store = store
        super().__init__(address, _Conversation)

    def handle_error(self, request: object, client_address: object) -> None:  # noqa: ARG002 - socketserver's signature
        error = sys.exc_info()[1]
        if not isinstance(error, OSError):
            print(f"{client_address}: {error!r}", file=sys.stderr, flush=True)


class _Conversation(socketserver.StreamRequestHandler):
    timeout = 10.0
    server: _Listener

    def handle(self) -> None:
        while line := self.rfile.readline(_LONGEST_LINE).decode(errors="replace").strip():
            if line.endswith(("HTTP/1.1", "HTTP/1.0")):
                self._http(line)
                return
            self.wfile.write(f"{self._line(line)}\n".encode())

    def _line(self, line: str) -> str:
        store = self.server.store
        verb, _, rest = line.partition(" ")
        key, _, value = rest.partition(" ")
        try:
            match verb.upper():
                case "PING":
                    return "+pong"
                case "ROLE":
                    return f"+{store.role}"
                case "GET":
                    return f"+{store.get(key)}"
                case "SET":
                    store.put(key, value)
                case "REPLICATE":
                    store.replicate(key, value)
                case _:
                    return "-unknown command"
        except Refused as refused:
            return f"-{refused}"
        return "+ok"

    def _http(self, line: str) -> None:
        method, path, _ = line.split(" ", 2)
        while self.rfile.readline(_LONGEST_LINE).strip():
            pass  # headers say nothing that matters here
        status, reason, refusal = 200, "OK", ""
        if (method, path) == ("POST", "/promote"):
            try:
                self.server.store.promote()
            except Refused as refused:
                status, reason, refusal = 409, "Conflict", str(refused)
        elif (method, path) != ("GET", "/healthz"):
            status, reason, refusal = 404, "Not Found", "it is GET /healthz or POST /promote"
        about = {"alive": True, "pid": os.getpid(), "role": self.server.store.role}
        body = json.dumps({**about, **({"error": refusal} if refusal else {})}).encode() + b"\n"
        head = f"HTTP/1.0 {status} {reason}\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        self.wfile.write(head.encode() + body)


def main() -> None:
    options = parser("A key-value store: a cache, or with --data a database.")
    options.add_argument("--data", type=Path, metavar="FOLDER")
    options.add_argument("--role", choices=("primary", "standby"), help="of a database that has none yet")
    options.add_argument("--peer", type=endpoint, metavar="ADDRESS:PORT")
    options.add_argument("--service", type=endpoint, metavar="ADDRESS:PORT", help="the primary's floating address")
    given = options.parse_args()
    die_with_parent()
    if given.data is None:
        serve(_Listener(given.listen, Cache()))
        return
    given.data.mkdir(parents=True, exist_ok=True)
    database = Database(given.data, given.peer, given.service, given.role)
    if database.role == "primary":
        database.take_service_address()
    serve(_Listener(given.listen, database))


if __name__ == "__main__":
    main()
