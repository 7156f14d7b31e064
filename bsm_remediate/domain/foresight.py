"""Looking ahead: the seam between a threshold and whatever estimates that it will be crossed (DESIGN 4, `forecast`)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from bsm_remediate.domain.threshold import Threshold


@dataclass(frozen=True, kw_only=True, slots=True)
class Expected:
    """That a threshold will be crossed."""

    at: datetime
    """When."""
    confidence: float
    """Chance, from 0 to 1."""
    reason: str
    """For people: slope, time to crossing, confidence."""


class Foresight(Protocol):
    """What the values of one series so far let expect. There is one for each series, in memory that doesn't grow."""

    def noted(self, value: float, at: datetime) -> Foresight:
        """With one more value, a finite one, later than those before."""

    def crossing(self, threshold: Threshold, at: datetime) -> Expected | None:
        """That `threshold` is expected to be crossed within its `forecast` of `at`; None: it isn't."""
