"""In front of the API: who may call which route, before a body is read; a route that says nothing is nobody's."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping
from functools import partial
from typing import Any

from fastapi import FastAPI, Request
from fastapi.routing import APIRoute
from starlette.routing import Match, Route

from bsm_remediate.domain.access import Identity, Role
from bsm_remediate.errors import StoreUnavailable
from bsm_remediate.web.asgi import Message, Receive, Scope, Send
from bsm_remediate.web.body import read_body
from bsm_remediate.web.doorkeeper import Doorkeeper
from bsm_remediate.web.problem import COME_AGAIN_S, Refusal, refuse

LARGEST_WISH = 64 * 1024
"""Bytes of what people send; alerts have a limit of their own."""
EVERYBODY: frozenset[Role] = frozenset()
_ROLES = "x-roles"
_IDENTITY = "bsm.identity"
_STILL_MAY = "bsm.still_may"


def open_to(roles: Iterable[Role]) -> dict[str, Any]:
    """For `openapi_extra` of a route: who may call it. The gate goes by it, and the description shows it."""
    listed = sorted(role.value for role in roles)
    return {_ROLES: listed, "security": [{"token": []}, {"password": []}] if listed else []}


def who_asks(request: Request) -> Identity:
    """As the gate has found."""
    identity: Identity = request.scope[_IDENTITY]
    return identity


def still_may(request: Request) -> Callable[[], Awaitable[bool]]:
    """Asks whether the token of a long answer holds yet."""
    found: Callable[[], Awaitable[bool]] = request.scope[_STILL_MAY]
    return found


class Gate:
    """Admits to the routes of an application by the roles that each names."""

    def __init__(self, api: FastAPI, doorkeeper: Doorkeeper) -> None:
        """Raises `ValueError` when a route names none."""
        self._api = api
        self._doorkeeper = doorkeeper
        self._routes = [(route, _roles_of(route, api)) for route in api.routes]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._api(scope, receive, send)
            return
        try:
            receive = await self._admit(scope, receive)
        except Refusal as refusal:
            await refuse(send, refusal)
        except StoreUnavailable as error:
            await refuse(send, Refusal(503, str(error), retry_after_s=COME_AGAIN_S))
        else:
            await self._api(scope, receive, send)

    async def _admit(self, scope: Scope, receive: Receive) -> Receive:
        if "\0" in scope["path"]:  # no name has it, and PostgreSQL takes it in none
            raise Refusal(404, "there is nothing of that name")
        headers = dict(scope["headers"])
        roles = self._roles_for(scope)
        if roles:
            identity = await self._doorkeeper.admit(scope, headers, waits=True)
            if identity.role not in roles:
                raise Refusal(403, f"the role {identity.role} may not do that")
            scope[_IDENTITY] = identity
            scope[_STILL_MAY] = partial(self._still_may, scope, headers, roles)
        if scope["method"] in {"GET", "HEAD"}:
            return receive
        return _again(await read_body(headers, receive, largest=LARGEST_WISH), receive)

    async def _still_may(self, scope: Scope, headers: Mapping[bytes, bytes], roles: frozenset[Role]) -> bool:
        try:
            return (await self._doorkeeper.admit(scope, headers, waits=False)).role in roles
        except (Refusal, StoreUnavailable):
            return False

    def _roles_for(self, scope: Scope) -> frozenset[Role]:
        """Of the route that will answer; where there is none the application says so to everybody."""
        for route, roles in self._routes:
            if route.matches(scope)[0] is Match.FULL:
                return roles
        return EVERYBODY


def _roles_of(route: Any, api: FastAPI) -> frozenset[Role]:
    if isinstance(route, APIRoute) and _ROLES in (route.openapi_extra or {}):
        return frozenset(Role(name) for name in (route.openapi_extra or {})[_ROLES])
    if isinstance(route, Route) and route.path == api.openapi_url:
        return EVERYBODY
    raise ValueError(f"the route {getattr(route, 'path', route)} doesn't say who may call it")


def _again(body: bytes, receive: Receive) -> Receive:
    """`receive` once more from the beginning of the body that was read from it."""
    is_told = False

    async def tell() -> Message:
        nonlocal is_told
        if is_told:
            return await receive()
        is_told = True
        return {"type": "http.request", "body": body, "more_body": False}

    return tell
