"""When the engine looks: soon after something happened, else at intervals, and never all the time."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

from bsm_remediate.ports import Clock

_log = logging.getLogger(__name__)

_SHORTEST_REST_S = 0.05
_LONGEST_REST_S = 2.0


class Rhythm:
    """Safe to wake and to stop from any thread; `run` itself runs in one."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._woken_at: float | None = None
        self._wake = threading.Event()
        self._stopping = threading.Event()

    @property
    def is_stopping(self) -> bool:
        return self._stopping.is_set()

    def wake(self) -> None:
        """Something happened: look soon."""
        if self._woken_at is None:
            self._woken_at = self._clock.monotonic()
        self._wake.set()

    def unseen_s(self) -> float:
        """For how many seconds something has waited to be looked at; 0 when nothing does."""
        woken_at = self._woken_at
        return self._clock.monotonic() - woken_at if woken_at is not None else 0.0

    def stop(self) -> None:
        """Leave `run`."""
        self._stopping.set()
        self._wake.set()

    def wait(self, seconds: float) -> None:
        """Rest until something happens, at most for so long."""
        self._wake.wait(seconds)
        self._wake.clear()

    def run(self, look: Callable[[], object], *, every_s: float, is_starting: Callable[[], bool]) -> None:
        """Look on every wake-up, and each `every_s` for what makes no noise (time, other processes)."""
        while not self._stopping.is_set():
            self._wake.clear()
            self._woken_at = None
            began = self._clock.monotonic()
            try:
                look()
            except Exception:  # noqa: BLE001 - the outermost loop of the engine
                # The store may be away for a while; the next look begins from what it says then.
                _log.exception("engine.tick_failed")
            # Alerts must be stored meanwhile: looks take little of each second, in a storm never more than two thirds.
            took = self._clock.monotonic() - began
            self._stopping.wait(min(max(took / 2, 0.0 if is_starting() else _SHORTEST_REST_S), _LONGEST_REST_S))
            self._wake.wait(every_s)
