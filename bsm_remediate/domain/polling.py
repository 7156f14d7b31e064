"""When something is asked next: at its own pace, never all at once, and ever more seldom while it doesn't answer.

Chance comes in as a seed: the same seed gives the same times.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from hashlib import blake2b

LONGEST_BACK_OFF = timedelta(minutes=5)
_JITTER = 0.1
"""Share of the pause by which it may be shorter or longer."""
_MOST_DOUBLINGS = 20


@dataclass(frozen=True, kw_only=True, slots=True)
class Schedule:
    """Of one thing that is asked again and again."""

    name: str
    every: timedelta
    seed: int = 0
    due_at: datetime
    asked: int = 0
    """How often it was."""
    failures: int = 0
    """In a row."""

    def is_due(self, now: datetime) -> bool:
        return now >= self.due_at

    def answered(self, now: datetime) -> Schedule:
        """After an answer at `now`."""
        return self._next(now, 0)

    def failed(self, now: datetime) -> Schedule:
        """After a failure at `now`: the pause doubles, up to five minutes, or its own where that is longer."""
        return self._next(now, self.failures + 1)

    def _next(self, now: datetime, failures: int) -> Schedule:
        doubled = self.every * 2 ** min(failures, _MOST_DOUBLINGS)
        pause = min(doubled, max(self.every, LONGEST_BACK_OFF))
        drawn = int.from_bytes(blake2b(f"{self.seed} {self.name} {self.asked}".encode(), digest_size=4).digest(), "big")
        shift = (drawn / (1 << 32) * 2 - 1) * _JITTER
        return replace(self, due_at=now + pause * (1 + shift), asked=self.asked + 1, failures=failures)
