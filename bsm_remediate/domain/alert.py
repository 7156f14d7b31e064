"""An alert as received, and which of two deliveries of it counts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from math import isfinite
from typing import NamedTuple

from bsm_remediate.domain.ids import Fingerprint, aware


class AlertStatus(StrEnum):
    FIRING = "firing"
    RESOLVED = "resolved"
    UNKNOWN = "unknown"
    """Its source can't tell any more, or yet: it is neither over nor certain."""


class AlertKey(NamedTuple):
    """What makes two deliveries the same alert (DESIGN 5.6)."""

    source: str
    fingerprint: Fingerprint


@dataclass(frozen=True, kw_only=True, slots=True)
class Alert:
    """One alert; its texts are data for ever: never a template, pattern, path, tag or variable name."""

    source: str
    fingerprint: Fingerprint
    status: AlertStatus
    labels: Mapping[str, str]
    annotations: Mapping[str, str] = field(default_factory=dict)
    starts_at: datetime
    ends_at: datetime | None = None
    received_at: datetime
    key: AlertKey = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        aware(self.starts_at, "starts_at")
        aware(self.received_at, "received_at")
        object.__setattr__(self, "key", AlertKey(self.source, self.fingerprint))

    @property
    def name(self) -> str:
        return self.labels.get("alertname", "")

    @property
    def severity(self) -> str:
        return severity_of(self.labels)

    @property
    def is_firing(self) -> bool:
        return self.status is AlertStatus.FIRING

    @property
    def is_over(self) -> bool:
        return self.status is AlertStatus.RESOLVED


def severity_of(labels: Mapping[str, str]) -> str:
    """The severity that the labels name, in small letters; empty when they name none."""
    return labels.get("severity", "").lower()


SCORE = "score"
"""Annotation in which a sender says how strong the anomaly is: any positive scale, for only ratios are looked at."""


def score_of(annotations: Mapping[str, str]) -> float:
    """What the sender says; 0 where it says nothing that could be a strength."""
    if SCORE not in annotations:
        return 0.0
    try:
        score = float(annotations[SCORE])
    except ValueError:
        return 0.0
    return min(max(score, 1e-9), 1e9) if isfinite(score) and score > 0 else 0.0
