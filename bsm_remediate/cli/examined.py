"""What an examination of `doctor` found."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Health(StrEnum):
    OK = "ok"
    WARNING = "warning"
    FAILED = "failed"


@dataclass(frozen=True, kw_only=True, slots=True)
class Examined:
    """One finding."""

    name: str
    health: Health = Health.OK
    detail: str
    hint: str = ""
    """What to do about it."""
