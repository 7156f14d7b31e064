"""Verification: do the checks hold, within a time and then for a time (DESIGN 4, Checks). Pure: observations in,
verdict out."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from bsm_remediate.domain.policy import Check


@dataclass(frozen=True, kw_only=True, slots=True)
class Observation:
    """One look at one check."""

    check: Check
    at: datetime
    holds: bool
    detail: str
    """For people: `127.0.0.1:5432 accepts connections`, `connection refused`."""
