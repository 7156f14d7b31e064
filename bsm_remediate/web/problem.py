"""Problem documents (RFC 9457)."""

from __future__ import annotations

import orjson

TITLES = {
    400: "The body cannot be read",
    401: "A valid token is needed",
    403: "This token may not do that",
    404: "There is nothing here",
    405: "That method is not allowed here",
    409: "That is not possible now",
    413: "The body is too large",
    415: "The content type is not supported",
    422: "The body is not what it should be",
    503: "The alerts cannot be stored now",
}
CONTENT_TYPE = "application/problem+json"


def problem(status: int, detail: str, **facts: object) -> bytes:
    """The document as JSON; `facts` are further members, such as `field`."""
    return orjson.dumps(
        {"type": "about:blank", "title": TITLES.get(status, "Error"), "status": status, "detail": detail, **facts}
    )
