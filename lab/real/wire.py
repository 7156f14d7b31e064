"""Just enough of the protocols of Redis and PostgreSQL for the shop's application, which needs no library then."""

from __future__ import annotations

import socket
import struct
from collections.abc import Callable, Iterator

TIMEOUT_S = 0.5


class NotAnswered(RuntimeError):
    """A server is away, or refuses."""


def redis(at: tuple[str, int], *words: str) -> bytes | None:
    """Ask Redis one command; None when there is no such key. Raises `NotAnswered`."""
    command = b"*%d\r\n" % len(words)
    for word in words:
        encoded = word.encode()
        command += b"$%d\r\n%s\r\n" % (len(encoded), encoded)
    try:
        with socket.create_connection(at, timeout=TIMEOUT_S) as connection:
            connection.sendall(command)
            with connection.makefile("rb") as answers:
                head = answers.readline().rstrip()
                if not head or head[:1] == b"-":
                    raise NotAnswered(f"redis answers {head.decode(errors='replace') or 'nothing'}")
                if head[:1] != b"$":
                    return head[1:]
                length = int(head[1:])
                return answers.read(length) if length >= 0 else None
    except OSError as error:
        raise NotAnswered(f"redis: {error}") from error


def postgres(at: tuple[str, int], query: str, *, user: str, database: str) -> str:
    """First value of `query`, without a password. Raises `NotAnswered`."""
    try:
        with socket.create_connection(at, timeout=TIMEOUT_S) as connection, connection.makefile("rb") as answers:
            options = f"user\0{user}\0database\0{database}\0\0".encode()
            connection.sendall(struct.pack("!ii", len(options) + 8, 196608) + options)
            text = query.encode() + b"\0"
            connection.sendall(b"Q" + struct.pack("!i", len(text) + 4) + text)
            value, readies = "", 0
            for kind, body in _messages(answers.read):
                if kind == b"E":
                    raise NotAnswered(f"postgres: {_said(body)}")
                if kind == b"D" and not value:
                    length = struct.unpack_from("!i", body, 2)[0]
                    value = body[6 : 6 + length].decode() if length > 0 else ""
                if kind == b"Z":
                    readies += 1  # the first one ends the greeting
                    if readies == 2:
                        connection.sendall(b"X\0\0\0\4")
                        return value
    except (OSError, struct.error) as error:
        raise NotAnswered(f"postgres: {error}") from error
    raise NotAnswered("postgres hung up")


def _messages(read: Callable[[int], bytes]) -> Iterator[tuple[bytes, bytes]]:
    while True:
        head = read(5)
        if len(head) < 5:
            return
        yield head[:1], read(struct.unpack("!i", head[1:])[0] - 4)


def _said(body: bytes) -> str:
    fields = {part[:1]: part[1:].decode(errors="replace") for part in body.split(b"\0") if part}
    return fields.get(b"M", "an error")
