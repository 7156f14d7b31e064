"""As much HTTP as servers and customers of the overload need: one request on one connection."""

from __future__ import annotations

import asyncio
from typing import NamedTuple

TURNED_AWAY = "x-turned-away"
"""Header of an answer by which HAProxy says that it turns somebody away on purpose."""
_REASONS = {200: "OK"}


class Head(NamedTuple):
    """First line and headers of a request."""

    method: str
    path: str


async def head_of(reader: asyncio.StreamReader) -> Head:
    """Raises `IncompleteReadError` when it ends before."""
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    words = head.split("\r\n", 1)[0].split(" ")
    return Head(words[0], words[1] if len(words) > 1 else "/")


def page(status: int, body: str) -> bytes:
    text = body.encode()
    head = f"HTTP/1.1 {status} {_REASONS.get(status, 'Error')}\r\nContent-Type: text/plain; version=0.0.4\r\n"
    return f"{head}Content-Length: {len(text)}\r\nConnection: close\r\n\r\n".encode() + text


class Reply(NamedTuple):
    """What a customer gets."""

    status: int
    is_turned_away: bool


async def ask(address: str, port: int, path: str) -> Reply:
    """Raises `OSError` when there is no answer, or half of one."""
    reader, writer = await asyncio.open_connection(address, port)
    try:
        writer.write(f"GET {path} HTTP/1.1\r\nHost: shop\r\nConnection: close\r\n\r\n".encode())
        await writer.drain()
        answer = await reader.read()
    finally:
        writer.close()
    head = answer.partition(b"\r\n\r\n")[0].decode("latin-1").lower()
    words = head.split(" ", 2)
    if len(words) < 2 or not words[1].isdigit():
        raise ConnectionError("the connection ended without an answer")
    return Reply(int(words[1]), f"\r\n{TURNED_AWAY}:" in head)
