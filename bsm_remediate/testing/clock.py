"""A clock that stands still until a test moves it; threads that wait on it wake in the order of their deadlines."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta


@dataclass(eq=False)
class _Sleeper:
    deadline: datetime
    until: Callable[[], bool]
    woken: bool = False


def _never() -> bool:
    return False


class VirtualClock:
    """Implements `Clock`. Workers started by `spawn` run until they wait on this clock; `advance` moves time from one
    deadline to the next and lets each worker come to rest before it goes on, so every history is repeatable.
    """

    def __init__(self, now: datetime) -> None:
        self._now = now
        self._begin = now
        self._changed = threading.Condition()
        self._busy = 0
        self._sleepers: list[_Sleeper] = []

    def now(self) -> datetime:
        return self._now

    def monotonic(self) -> float:
        return (self._now - self._begin).total_seconds()

    def wait(self, seconds: float, *, until: Callable[[], bool] = _never) -> bool:
        """Rest until the test has moved time by `seconds`, or `until` holds; in the test's own thread time moves on."""
        if until():
            return True
        if not getattr(_LOCAL, "is_worker", False):
            self.advance(seconds)
            return until()
        sleeper = _Sleeper(deadline=self._now + timedelta(seconds=seconds), until=until)
        with self._changed:
            self._sleepers.append(sleeper)
            self._busy -= 1
            self._changed.notify_all()
            self._changed.wait_for(lambda: sleeper.woken)
        return until()

    def spawn(self, work: Callable[[], None], name: str) -> None:
        """Start `work` in a thread that this clock waits for."""
        with self._changed:
            self._busy += 1

        def run() -> None:
            _LOCAL.is_worker = True
            try:
                work()
            finally:
                with self._changed:
                    self._busy -= 1
                    self._changed.notify_all()

        threading.Thread(target=run, name=name, daemon=True).start()

    def rest(self) -> None:
        """Return once every worker waits or has ended."""
        with self._changed:
            if not self._changed.wait_for(lambda: self._busy == 0, timeout=30):
                raise TimeoutError("a worker neither waits on the clock nor ends")

    def advance(self, seconds: float) -> None:
        """Move time by `seconds`, waking on the way whoever's time has come."""
        target = self._now + timedelta(seconds=seconds)
        while True:
            self.rest()
            self._wake(lambda one: one.deadline <= self._now or one.until())
            self.rest()
            due = min((one.deadline for one in self._sleepers), default=None)
            if due is None or due > target:
                break
            self._now = max(self._now, due)
        self._now = target

    def _wake(self, is_due: Callable[[_Sleeper], bool]) -> None:
        with self._changed:
            for sleeper in [one for one in self._sleepers if is_due(one)]:
                self._sleepers.remove(sleeper)
                sleeper.woken = True
                self._busy += 1
            self._changed.notify_all()


_LOCAL = threading.local()
