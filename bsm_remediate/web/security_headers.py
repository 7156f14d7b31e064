"""What every answer tells a browser: guess nothing, embed nothing, keep nothing."""

from __future__ import annotations

from bsm_remediate.web.asgi import Asgi, HeaderFields, Message, Receive, Scope, Send

_USUAL: HeaderFields = [
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'; base-uri 'none'"),
    (b"cache-control", b"no-store"),
]
_OVER_TLS: HeaderFields = [(b"strict-transport-security", b"max-age=31536000")]


def with_security_headers(app: Asgi, *, over_tls: bool) -> Asgi:
    """`app`, whose answers have these headers, save those that it sets itself (a page has a policy of its own)."""
    added = [*_USUAL, *(_OVER_TLS if over_tls else [])]

    async def answered(scope: Scope, receive: Receive, send: Send) -> None:
        async def completed(message: Message) -> None:
            if message["type"] == "http.response.start":
                own = list(message.get("headers", ()))
                names = {name.lower() for name, _ in own}
                message["headers"] = [*own, *(one for one in added if one[0] not in names)]
            await send(message)

        await app(scope, receive, completed)

    return answered
