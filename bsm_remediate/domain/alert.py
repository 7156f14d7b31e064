"""An alert as received, and which of two deliveries of it counts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
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
