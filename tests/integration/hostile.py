"""Bodies and requests that nobody means well with."""

from __future__ import annotations

import gzip
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

PAGE = (Path(__file__).parents[2] / "docs" / "webhooks.md").read_text(encoding="utf-8")
_SECTION = re.compile(r"^### (.+?)\n(.*?)(?=^##|\Z)", re.MULTILINE | re.DOTALL)
_EXAMPLE = re.compile(r"^```json\n(.*?)^```\n```json\n", re.MULTILINE | re.DOTALL)
_SOURCES = {"New Relic": "newrelic", "Uptime Kuma": "uptime-kuma"}


def good_bodies() -> dict[str, Any]:
    """One that each source takes: those of the page on webhooks, and of the two that have none there."""
    bodies: dict[str, Any] = {
        "alertmanager": {
            "version": "4",
            "truncatedAlerts": 0,
            "alerts": [
                {
                    "status": "firing",
                    "labels": {"alertname": "Down", "instance": "db-1"},
                    "annotations": {"summary": "it is down"},
                    "startsAt": "2026-01-05T09:00:00Z",
                    "endsAt": "0001-01-01T00:00:00Z",
                    "fingerprint": "a1",
                }
            ],
        },
        "generic": {
            "alerts": [
                {
                    "name": "Down",
                    "status": "resolved",
                    "severity": "critical",
                    "component": "db-1",
                    "labels": {"shard": "1"},
                    "annotations": {"summary": "it was down"},
                    "starts_at": "2026-01-05T09:00:00Z",
                    "ends_at": "2026-01-05T10:00:00Z",
                    "fingerprint": "a1",
                }
            ]
        },
    }
    for title, text in _SECTION.findall(PAGE):
        example = _EXAMPLE.search(text)
        if example is not None:
            bodies[_SOURCES.get(title, title.lower())] = json.loads(example[1])
    return bodies


VALUES: tuple[Any, ...] = (
    None,
    True,
    0,
    -1,
    2**63,
    -(2**63) - 1,
    1e308,
    "",
    " ",
    [],
    {},
    [[]],
    [None, 1, "x", {}],
    {"": ""},
    {"__ansible_unsafe": "{{ 1 }}", "__ansible_vault": "x", "__ansible_type": "_AnsibleTaggedStr"},
    {"ansible_host": "evil", "ansible_python_interpreter": "/bin/sh", "bsm": {"alert": {}}},
    "{{ lookup('pipe', 'id > /tmp/owned') }}",
    "{% for x in ().__class__.__base__.__subclasses__() %}{{ x }}{% endfor %}",
    "{{" * 2000,
    "{#",
    "!unsafe '{{ 1 }}'",
    "!!python/object/apply:os.system ['id']",
    "$(id)`id`;id|id&&id\nid",
    "--limit=all",
    "-e@/etc/passwd",
    "all:!nobody,&web*[0:9]~.*",
    "../../../../etc/passwd",
    "file:///etc/passwd",
    "' OR 1=1; DROP TABLE bsm_alert; --",
    "<script>alert(1)</script><img src=x onerror=alert(1)>",
    "javascript:alert(1)",
    "\0",
    "a\0b",
    "\r\nSet-Cookie: owned=1\r\n\r\n",
    "\ndata: owned\n\n",
    "\x1b[2J\x1b]0;owned\x07",
    "\u202eowned\u2066\u200b\ufeff",
    "\ud800",
    "\udfff\ud800 half",
    "\U0010ffff\ufffe",
    "9" * 5000,
    "1e999",
    "NaN",
    "-Infinity",
    "0001-01-01T00:00:00+14:00",
    "9999-12-31T23:59:59-14:00",
    "2026-02-30T25:61:61Z",
    "2026-01-05T09:00:00",
    "1767603600",
    "x" * 70_000,
    {f"label{number}": "x" for number in range(1_001)},
    ["x"] * 5_000,
)


def raw_bodies() -> Iterator[tuple[bytes, dict[str, str]]]:
    """What is no decent JSON, or too much of it, with headers of its own."""
    plain: dict[str, str] = {}
    yield from (
        (one, plain) for one in (b"", b" ", b"{", b"}", b"nul", b"'a'", b"\xff\xfe", b"\x00", b"\xef\xbb\xbf{}")
    )
    yield '{"alerts": []}'.encode("utf-16"), plain
    yield b'{"alerts": [], "alerts": 1, "alerts": {}}', plain
    yield b'{"alerts": [NaN, Infinity, -Infinity]}', plain
    yield b'{"alerts": [' + b"9" * 100_000 + b"]}", plain
    yield b'{"alerts": [1e99999]}', plain
    yield b"[" * 100_000, plain
    yield b"[" * 1_000 + b"]" * 1_000, plain
    yield b'{"a":' * 50_000 + b"1" + b"}" * 50_000, plain
    yield b'{"alerts": [' + b"{}," * 200_000 + b"{}]}", plain
    yield b'{"alerts": [' + b'{"labels":{"alertname":"x"}},' * 2_000 + b"{}]}", plain
    yield b'{"name": "\\ud800"}', plain
    yield b'{"name": "\\u0000"}', plain
    yield b'{"\\ud800": 1}', plain
    yield b"x" * (10 * 1024 * 1024 + 1), plain
    yield b"{}", {"Content-Type": "text/plain"}
    yield b"{}", {"Content-Type": "application/json; charset=utf-7"}
    yield b"{}", {"Content-Type": "multipart/form-data; boundary=x"}
    yield b"{}", {"Content-Type": "\xff"}
    yield b"{}", {"Content-Encoding": "gzip"}
    yield b"{}", {"Content-Encoding": "deflate, br"}
    yield gzip.compress(b"{}")[:-4], {"Content-Encoding": "gzip"}
    yield gzip.compress(b" " * (50 * 1024 * 1024)), {"Content-Encoding": "gzip"}


def variants(value: Any) -> Iterator[Any]:
    """`value` with each hostile one in each place, and as a name in each object."""
    for place in _places(value):
        for hostile in VALUES:
            yield _replaced(value, place, hostile)
        inner = _at(value, place)
        if isinstance(inner, dict):
            for name in (one for one in VALUES if isinstance(one, str)):
                yield _replaced(value, place, {**inner, name: "x"})


def _places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    yield path
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, one in inner:
        yield from _places(one, (*path, key))


def _at(value: Any, place: tuple[Any, ...]) -> Any:
    for key in place:
        value = value[key]
    return value


def _replaced(value: Any, place: tuple[Any, ...], with_: Any) -> Any:
    if not place:
        return with_
    copy = dict(value) if isinstance(value, dict) else list(value)
    copy[place[0]] = _replaced(value[place[0]], place[1:], with_)
    return copy


_HOOK = b"POST /api/v1/webhooks/generic HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
WIRE: dict[str, bytes] = {
    "nothing": b"",
    "no request": b"\x00" * 1000,
    "a TLS greeting": bytes.fromhex("16030100c8010000c40303") + b"\x00" * 200,
    "HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "HTTP/0.9": b"GET /healthz\r\n",
    "a method that is none": b"BREW /api/v1/alerts HTTP/1.1\r\nHost: x\r\n\r\n",
    "a path outside of ASCII": "GET /ä HTTP/1.1\r\nHost: x\r\n\r\n".encode(),
    "a path of broken percents": b"GET /api/v1/runs/%ff%fe%zz%00 HTTP/1.1\r\nHost: x\r\n\r\n",
    "no path": b"GET  HTTP/1.1\r\n\r\n",
    "an address for a proxy": b"GET http://evil.example/healthz HTTP/1.1\r\nHost: x\r\n\r\n",
    "a tunnel": b"CONNECT evil.example:443 HTTP/1.1\r\nHost: x\r\n\r\n",
    "a web socket": b"GET /api/v1/events HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    b"Sec-WebSocket-Key: x\r\nSec-WebSocket-Version: 13\r\n\r\n",
    "an upgrade to HTTP/2": b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: Upgrade, HTTP2-Settings\r\n"
    b"Upgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQCAAAAAAIAAAAA\r\n\r\n",
    "a header without a colon": b"GET /healthz HTTP/1.1\r\nnothing\r\n\r\n",
    "a folded header": b"GET /healthz HTTP/1.1\r\nHost: x\r\nA: b\r\n c\r\n\r\n",
    "a header with a NUL": b"GET /healthz HTTP/1.1\r\nHost: x\x00y\r\n\r\n",
    "a header of 100 kB": b"GET /healthz HTTP/1.1\r\nA: " + b"x" * 100_000,
    "10,000 headers": b"GET /healthz HTTP/1.1\r\n" + b"A: b\r\n" * 10_000,
    "a negative length": _HOOK + b"Content-Length: -5\r\n\r\n{}",
    "an endless length": _HOOK + b"Content-Length: 99999999999999999999999\r\n\r\n{}",
    "two lengths": _HOOK + b"Content-Length: 2\r\nContent-Length: 5\r\n\r\n{}",
    "a length and chunks": _HOOK + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
    "a chunk that is no number": _HOOK + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n",
    "a chunk without an end": _HOOK + b"Transfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\n{}",
    "an unknown transfer encoding": _HOOK + b"Transfer-Encoding: gzip\r\n\r\n{}",
    "a trailer": _HOOK + b"Transfer-Encoding: chunked\r\n\r\n0\r\nAuthorization: Bearer x\r\n\r\n",
    "a body that ends early": _HOOK + b"Content-Length: 100\r\n\r\n{}",
    "1,000 requests at once": b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n" * 1_000,
    "a smuggled request": b"GET /healthz HTTP/1.1\r\nHost: x\r\nContent-Length: 44\r\n\r\n"
    b"GET /api/v1/pause HTTP/1.1\r\nHost: x\r\n\r\n",
}
