"""Figures as they are read: a value, or several over time, each under labels that tell it from others."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime


@dataclass(frozen=True, kw_only=True, slots=True)
class Sample:
    """One figure. It may be infinite, or no number."""

    labels: Mapping[str, str] = field(default_factory=dict)
    value: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Series:
    """One figure over time, the oldest first."""

    labels: Mapping[str, str] = field(default_factory=dict)
    points: tuple[tuple[datetime, float], ...]
