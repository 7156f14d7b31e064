"""Problem documents (RFC 9457)."""

from __future__ import annotations

import json

import orjson

from bsm_remediate.web.asgi import Send, answer

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
    429: "Too many failed attempts",
    503: "That cannot be done now",
}
CONTENT_TYPE = "application/problem+json"
COME_AGAIN_S = 5


class Refusal(Exception):
    """A request that is answered with an error; never shown to anybody but its sender. 405 is for webhooks."""

    def __init__(self, status: int, detail: str, *, retry_after_s: int | None = None, **facts: object) -> None:
        super().__init__(detail)
        self.status, self.detail, self.retry_after_s, self.facts = status, detail, retry_after_s, facts

    @property
    def headers(self) -> dict[str, str]:
        """Besides those of the body."""
        found = {}
        if self.status == 401:
            # SNS sends the password of its address only when it is asked for one.
            found["www-authenticate"] = 'Bearer, Basic realm="bsm-remediate"'
        if self.status == 405:
            found["allow"] = "POST"
        if self.retry_after_s is not None:
            found["retry-after"] = str(self.retry_after_s)
        return found


def problem(status: int, detail: str, **facts: object) -> bytes:
    """The document as JSON; `facts` are further members, such as `field`."""
    title = TITLES.get(status, "Error")
    document = {"type": "about:blank", "title": title, "status": status, "detail": detail, **facts}
    try:
        return orjson.dumps(document)
    except TypeError:  # half a surrogate pair, out of the request that it is about
        return json.dumps(document, default=str).encode()


async def refuse(send: Send, refusal: Refusal) -> None:
    """Answer with the problem that `refusal` is."""
    body = problem(refusal.status, refusal.detail, **refusal.facts)
    fields = [(name.encode(), value.encode()) for name, value in refusal.headers.items()]
    await answer(send, refusal.status, body, CONTENT_TYPE, *fields)
