"""Answers of others over HTTP, in bounded time and size."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from http.client import HTTPException
from http.cookiejar import DefaultCookiePolicy
from pathlib import Path

import requests
from requests.adapters import HTTPAdapter
from urllib3.exceptions import HTTPError
from urllib3.exceptions import TimeoutError as Urllib3Timeout

from bsm_remediate.errors import SourceUnreachable
from bsm_remediate.ports import Clock

_TIMEOUT_S = (2.0, 5.0)
"""To connect, and between two pieces of the answer."""
_WHOLE_S = 10.0
_LARGEST = 32 * 1024 * 1024
_PIECE = 1 << 16
_CONNECTIONS = 16
"""Kept open, over all hosts."""


@dataclass(frozen=True, kw_only=True, slots=True, repr=False)
class Access:
    """How somebody shows who he is, and by what he knows the other side."""

    token: str = ""
    """Sent as bearer."""
    username: str = ""
    password: str = ""
    ca_file: Path | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Answer:
    """What came back, whatever its status."""

    status: int
    body: bytes
    content_type: str


class HttpReader:
    """One session for all threads: connections are kept, cookies aren't.

    Neither a proxy nor a .netrc of the engine's account has a say, and no redirect is followed: the credential goes to
    the address that was written, and nowhere else.
    """

    def __init__(self, access: Access, clock: Clock, *, largest: int = _LARGEST, within_s: float = _WHOLE_S) -> None:
        self._clock = clock
        self._largest = largest
        self._within_s = within_s
        self._session = requests.Session()
        self._session.trust_env = False
        self._session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
        self._session.mount("http://", HTTPAdapter(pool_maxsize=_CONNECTIONS))
        self._session.mount("https://", HTTPAdapter(pool_maxsize=_CONNECTIONS))
        if access.token:
            self._session.headers["Authorization"] = f"Bearer {access.token}"
        elif access.username:
            shown = b64encode(f"{access.username}:{access.password}".encode()).decode()
            self._session.headers["Authorization"] = f"Basic {shown}"
        if access.ca_file is not None:
            self._session.verify = str(access.ca_file)

    def get(self, url: str, *, accept: str = "*/*") -> Answer:
        """What `url` answers. Raises `SourceUnreachable`."""
        return self._ask("GET", url, form=None, accept=accept)

    def post(self, url: str, form: Mapping[str, str]) -> Answer:
        """What `url` answers to `form`. Raises `SourceUnreachable`."""
        return self._ask("POST", url, form=form, accept="application/json")

    def _ask(self, method: str, url: str, *, form: Mapping[str, str] | None, accept: str) -> Answer:
        deadline = self._clock.monotonic() + self._within_s
        try:
            answer = self._session.request(
                method,
                url,
                data=form,
                headers={"Accept": accept},
                timeout=_TIMEOUT_S,
                allow_redirects=False,
                stream=True,
            )
            with answer:
                body = self._body(answer, url, deadline)
        except (OSError, ValueError, HTTPError, HTTPException) as error:  # of requests, urllib3 and http.client
            raise SourceUnreachable(f"{url} does not answer: {_why(error)}") from error
        return Answer(status=answer.status_code, body=body, content_type=answer.headers.get("Content-Type", ""))

    def _body(self, answer: requests.Response, url: str, deadline: float) -> bytes:
        pieces: list[bytes] = []
        size = 0
        # read1, since read waits for a whole piece, however slowly it drips.
        while piece := answer.raw.read1(_PIECE, decode_content=True):
            size += len(piece)
            if size > self._largest:
                raise SourceUnreachable(f"{url} answers with more than {self._largest} bytes")
            if self._clock.monotonic() >= deadline:
                raise SourceUnreachable(f"{url} takes more than {self._within_s:g} s for its answer")
            pieces.append(piece)
        return b"".join(pieces)


def _why(error: Exception) -> str:
    if isinstance(error, requests.Timeout | Urllib3Timeout):
        return "it took too long"
    if isinstance(error, requests.exceptions.SSLError):
        return f"its certificate isn't trusted ({error})"
    if isinstance(error, requests.ConnectionError):
        return "no connection"
    return str(error) or type(error).__name__
