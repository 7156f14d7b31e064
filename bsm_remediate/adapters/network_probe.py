"""Looks over the network: does a port accept connections, does an address answer as it should."""

from __future__ import annotations

import socket
from collections.abc import Callable
from functools import lru_cache
from typing import Any

import re2
import requests

from bsm_remediate.domain.policy import Check, CheckKind
from bsm_remediate.domain.service_map import Component
from bsm_remediate.domain.verification import Observation
from bsm_remediate.errors import RemediationError
from bsm_remediate.ports import Clock

TIMEOUT_S = 2.0
"""To connect, and between two pieces of an answer."""
_WHOLE_S = 5.0
_LONGEST_BODY = 1 << 20
_PIECE = 1 << 16
_HIGHEST_PORT = 65_535


class NetworkProber:
    """Implements `ports.Prober` for `tcp` and `http` checks. Redirects count as they are; no proxy is asked."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    def look(
        self,
        check: Check,
        component: Component,
        *,
        cancelled: Callable[[], bool],  # noqa: ARG002 - it takes seconds at most
    ) -> Observation:
        """Whether `check` holds now. Takes at most about 5 s; never raises for what it meets."""
        try:
            target = check.target(component) if check.target is not None else ""
            holds, detail = self._http(check, target) if check.kind is CheckKind.HTTP else _tcp(target)
        except (OSError, ValueError, RemediationError) as error:
            holds, detail = False, f"{_why(error)}"
        return Observation(check=check, at=self._clock.now(), holds=holds, detail=detail)

    def _http(self, check: Check, url: str) -> tuple[bool, str]:
        session = requests.Session()
        session.trust_env = False  # neither a proxy nor a .netrc of the engine's account has a say in this
        try:
            with session, session.get(url, timeout=TIMEOUT_S, allow_redirects=False, stream=True) as answer:
                if answer.status_code != check.status:
                    return False, f"{url} answers {answer.status_code}, not {check.status}"
                if check.body is None:
                    return True, f"{url} answers {answer.status_code}"
                body = self._body(answer)
        except requests.RequestException as error:
            return False, f"{url}: {_why(error)}"
        found = _pattern(check.body.value).search(body) is not None
        return found, f"{url} answers {answer.status_code}, its body {'has' if found else 'lacks'} {check.body.value!r}"

    def _body(self, answer: requests.Response) -> str:
        deadline = self._clock.monotonic() + _WHOLE_S
        body = b""
        for piece in answer.iter_content(_PIECE):
            body += piece
            if len(body) >= _LONGEST_BODY or self._clock.monotonic() >= deadline:
                break
        return body.decode(answer.encoding or "utf-8", errors="replace")


def _tcp(target: str) -> tuple[bool, str]:
    host, _, port = target.rpartition(":")
    if not host or not port.isascii() or not port.isdigit() or not 0 < int(port) <= _HIGHEST_PORT:
        return False, f"'{target}' isn't host:port"
    try:
        with socket.create_connection((host.strip("[]"), int(port)), timeout=TIMEOUT_S):
            return True, f"{target} accepts connections"
    except OSError as error:
        return False, f"{target}: {_why(error)}"


def _why(error: Exception) -> str:
    """The reason at the bottom, in words."""
    while (deeper := _below(error)) is not None:
        error = deeper
    if isinstance(error, TimeoutError):
        return "no answer in time"
    return error.strerror if isinstance(error, OSError) and error.strerror else str(error) or type(error).__name__


def _below(error: Exception) -> Exception | None:
    for one in (getattr(error, "reason", None), error.__cause__, error.__context__, *error.args[:1]):
        if isinstance(one, Exception) and one is not error:
            return one
    return None


@lru_cache(maxsize=256)
def _pattern(expression: str) -> Any:
    return re2.compile(expression)
