"""People reached through Apprise: mail, chats, pagers, webhooks. It is imported with the first message."""

from __future__ import annotations

import logging
import os
import re
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from apprise import Apprise

_LONGEST_REASON = 200
_SHORTEST_SECRET = 4
_LOGGER = "apprise"
_first = threading.Lock()


class AppriseNotifier:
    """Implements `Notifier`. What Apprise says of a failure is handed on without any part of the address."""

    def __init__(self, environment: Mapping[str, str] = os.environ) -> None:
        self._environment = environment
        self._heard = _Heard()

    def send(self, address: str, title: str, body: str) -> str:
        url, why = self._resolved(address)
        if why:
            return why
        try:
            made, why = self._opened(url)
            if made is None:
                return why
            from apprise import NotifyFormat

            # It works in threads of its own; what these said comes with the result.
            result = made.notify(title=title, body=body, body_format=NotifyFormat.TEXT)
            said = [one.message for one in result.logs()] if not result else []
        except Exception as error:  # noqa: BLE001 - a hundred plugins, each with failures of its own
            return type(error).__name__
        return "" if result else _without_parts(said[-1] if said else "it was not taken", url)

    def objection(self, address: str) -> str:
        url, why = self._resolved(address)
        if why:
            return why
        try:
            return self._opened(url)[1]
        except Exception as error:  # noqa: BLE001 - as above
            return type(error).__name__

    def _resolved(self, address: str) -> tuple[str, str]:
        """The address itself, or why there is none."""
        kind, _, name = address.partition(":")
        if kind == "env":
            found = self._environment.get(name, "").strip()
            return found, "" if found else f"the environment variable {name} is not set"
        if kind == "file":
            try:
                lines = Path(name).read_text(encoding="utf-8").split()
            except (OSError, UnicodeDecodeError) as error:
                return "", f"{name} can't be read: {getattr(error, 'strerror', None) or type(error).__name__}"
            return (lines[0], "") if lines else ("", f"{name} is empty")
        return address, ""

    def _opened(self, url: str) -> tuple[Apprise | None, str]:
        with _first:  # its plugins are found by whoever comes first
            self._heard.attach()
            from apprise import Apprise, AppriseAsset

            made = Apprise(asset=AppriseAsset(app_id="bsm-remediate", app_desc="bsm-remediate", async_mode=False))
            with self._heard.listening() as said:
                is_known = made.add(url)
        if is_known:
            return made, ""
        return None, _without_parts(said[-1] if said else "Apprise knows no such address", url)


class _Heard(logging.Handler):
    """What Apprise logs as a warning, by the thread that it says it in; nothing of it reaches our own log, since there
    are addresses in it.
    """

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self._of_thread: dict[int, list[str]] = {}

    def attach(self) -> None:
        logger = logging.getLogger(_LOGGER)
        logger.propagate = False
        logger.setLevel(logging.WARNING)
        if self not in logger.handlers:
            logger.addHandler(self)
        http = logging.getLogger("urllib3")
        if http.getEffectiveLevel() < logging.INFO:
            http.setLevel(logging.INFO)  # it would tell whole addresses

    def emit(self, record: logging.LogRecord) -> None:
        said = self._of_thread.get(threading.get_ident())
        if said is not None:
            said.append(record.getMessage())

    def listening(self) -> _Listening:
        return _Listening(self._of_thread)


class _Listening:
    def __init__(self, of_thread: dict[int, list[str]]) -> None:
        self._of_thread = of_thread
        self._thread = threading.get_ident()

    def __enter__(self) -> list[str]:
        self._of_thread[self._thread] = []
        return self._of_thread[self._thread]

    def __exit__(self, *_: object) -> None:
        self._of_thread.pop(self._thread, None)


def _without_parts(text: str, url: str) -> str:
    """`text` without anything that stands in `url` behind its scheme, on one line."""
    from urllib.parse import unquote

    rest = url.partition("://")[2]
    parts = {part for one in (rest, unquote(rest)) for part in [one, *re.split(r"[/:@?&=,\s]+", one)]}
    for part in sorted(parts, key=len, reverse=True):
        if len(part) >= _SHORTEST_SECRET:
            text = text.replace(part, "…")
    return " ".join("".join(char if char.isprintable() else " " for char in text).split())[:_LONGEST_REASON]
