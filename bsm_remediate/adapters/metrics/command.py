"""Figures that a program on the engine's machine prints. Implements `ports.MetricSource`."""

from __future__ import annotations

import os
import selectors
import signal
import subprocess
import threading
from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime, timedelta

from bsm_remediate.adapters.metrics.exposition import read_output
from bsm_remediate.adapters.metrics.remembered import Remembered
from bsm_remediate.domain.sample import Sample, Series
from bsm_remediate.errors import SourceUnreachable
from bsm_remediate.ports import Clock

_LARGEST = 4 * 1024 * 1024
_PIECE = 1 << 16
_LAST_WORDS = 300
_SEEN = ("HOME", "LANG", "PATH", "TZ")
"""All of the engine's environment that it sees: the rest may hold secrets."""


class CommandFigures:
    """One program, run again when what it printed is older than `every`; ended with all it started after `timeout`."""

    def __init__(self, argv: Sequence[str], clock: Clock, *, every: timedelta, timeout: timedelta) -> None:
        self._argv = list(argv)
        self._clock = clock
        self._every = every
        self._timeout_s = timeout.total_seconds()
        self._remembered = Remembered()
        self._read_at: datetime | None = None
        self._failure = ""
        self._guard = threading.Lock()

    def samples(self, query: str) -> Sequence[Sample]:
        """What `query` is by the program's last output. Raises `SourceUnreachable` when that was none."""
        with self._guard:
            now = self._clock.now()
            if self._read_at is None or now - self._read_at >= self._every:
                self._read_at = now
                self._failure = self._run(now)
            if self._failure:
                raise SourceUnreachable(self._failure)
            return self._remembered.samples(query)

    def history(self, query: str, *, start: datetime, end: datetime, step: timedelta) -> Sequence[Series]:  # noqa: ARG002 - as often as it was run
        """What it was at each reading since the engine's start."""
        with self._guard:
            return self._remembered.history(query, start=start, end=end)

    def _run(self, now: datetime) -> str:
        """Take over what it prints; why that can't be done, empty when it could."""
        name = self._argv[0]
        try:
            process = subprocess.Popen(
                self._argv,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                env={name: os.environ[name] for name in _SEEN if name in os.environ},
                start_new_session=True,
            )
        except (OSError, ValueError) as error:
            return f"{name} can't be started: {getattr(error, 'strerror', None) or error}"
        with process:
            try:
                printed, last_words = self._printed(process)
            except TimeoutError as error:
                return f"{name} {error}"
            finally:
                with suppress(ProcessLookupError, PermissionError):
                    os.killpg(process.pid, signal.SIGKILL)  # what it has left behind, too
        if process.returncode != 0:
            return (
                f"{name} ends with {process.returncode}: {last_words}"
                if last_words
                else f"{name} ends with {process.returncode}"
            )
        try:
            self._remembered.take(read_output(printed.decode("utf-8", "replace")), now)
        except ValueError as error:
            return f"{name} prints something else: {error}"
        return ""

    def _printed(self, process: subprocess.Popen[bytes]) -> tuple[bytes, str]:
        """Its output, and its last words. Raises `TimeoutError` when it takes too long or prints too much."""
        deadline = self._clock.monotonic() + self._timeout_s
        texts: dict[int, bytes] = {}
        with selectors.DefaultSelector() as waiting:
            for stream in (process.stdout, process.stderr):
                if stream is not None:
                    waiting.register(stream, selectors.EVENT_READ)
                    texts[stream.fileno()] = b""
            out, err = texts
            while waiting.get_map():
                left = deadline - self._clock.monotonic()
                ready = waiting.select(left) if left > 0 else []
                if not ready:
                    raise TimeoutError(f"takes more than {self._timeout_s:g} s")
                for key, _ in ready:
                    piece = os.read(key.fd, _PIECE)
                    if not piece:
                        waiting.unregister(key.fileobj)
                    texts[key.fd] = texts[key.fd] + piece if key.fd == out else (texts[key.fd] + piece)[-_LAST_WORDS:]
                    if len(texts[out]) > _LARGEST:
                        raise TimeoutError(f"prints more than {_LARGEST} bytes")
        try:
            process.wait(max(deadline - self._clock.monotonic(), 0.1))
        except subprocess.TimeoutExpired:
            raise TimeoutError(f"takes more than {self._timeout_s:g} s") from None
        return texts[out], " ".join(texts[err].decode("utf-8", "replace").split())
