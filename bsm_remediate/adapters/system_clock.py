"""The real clock: the only place that asks the system for the time."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime

_STEP_S = 0.1
"""How late a wait notices that it may end early."""


def _never() -> bool:
    return False


class SystemClock:
    """Implements `Clock`."""

    def now(self) -> datetime:
        return datetime.now(UTC)

    def monotonic(self) -> float:
        return time.monotonic()

    def wait(self, seconds: float, *, until: Callable[[], bool] = _never) -> bool:
        end = time.monotonic() + seconds
        pause = threading.Event()
        while not until():
            left = end - time.monotonic()
            if left <= 0:
                return False
            pause.wait(min(left, _STEP_S))
        return True
