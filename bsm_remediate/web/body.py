"""Bodies are read within limits of size and time, also after inflating."""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import Mapping

from bsm_remediate.web.asgi import Receive
from bsm_remediate.web.problem import COME_AGAIN_S, Refusal

BODY_WITHIN_S = 10.0
_GZIP = 16 + zlib.MAX_WBITS


async def read_body(
    headers: Mapping[bytes, bytes], receive: Receive, *, largest: int, within_s: float = BODY_WITHIN_S
) -> bytes:
    """The body as it was sent. Raises `Refusal`."""
    announced = headers.get(b"content-length", b"0")
    if announced.isdigit() and (len(announced) > 18 or int(announced) > largest):
        raise _too_large(largest)
    try:
        async with asyncio.timeout(within_s):
            return await _whole(receive, largest)
    except TimeoutError:
        # A slow line is no fault of the alerts, so they are asked for again: on 4xx a sender would drop them.
        raise Refusal(503, f"the body took longer than {within_s:g} s", retry_after_s=COME_AGAIN_S) from None


async def _whole(receive: Receive, largest: int) -> bytes:
    parts: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise Refusal(400, "the sender hung up")
        part: bytes = message.get("body", b"")
        size += len(part)
        if size > largest:
            raise _too_large(largest)
        parts.append(part)
        if not message.get("more_body"):
            return parts[0] if len(parts) == 1 else b"".join(parts)


def inflated(headers: Mapping[bytes, bytes], body: bytes, *, largest: int) -> bytes:
    """`body` without its content encoding, which may be gzip. Raises `Refusal`."""
    encoding = headers.get(b"content-encoding", b"identity").strip().lower()
    if encoding in {b"identity", b""}:
        return body
    if encoding not in {b"gzip", b"x-gzip"}:
        raise Refusal(415, "bodies are sent as they are, or with the content encoding gzip")
    found = b""
    rest = body
    try:
        while rest:  # a gzip file may have several members
            reader = zlib.decompressobj(_GZIP)
            found += reader.decompress(rest, largest + 1 - len(found))
            if len(found) > largest:
                raise _too_large(largest)
            if not reader.eof:
                raise Refusal(400, "the gzip body ends too early")
            rest = reader.unused_data
    except zlib.error as error:
        raise Refusal(400, f"the body is no gzip: {error}") from error
    return found


def _too_large(largest: int) -> Refusal:
    return Refusal(413, f"the body is larger than {largest} bytes")
