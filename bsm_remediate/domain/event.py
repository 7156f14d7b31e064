"""The journal's entries: all that happens is an event."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TypeAlias

Json: TypeAlias = "str | int | float | bool | None | Sequence[Json] | Mapping[str, Json]"


ENGINE = "engine"
"""Who acts where no person does."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Event:
    """`kind` is a constant such as `run.started`; the facts are fields, with units in their names."""

    kind: str
    at: datetime
    subject: str = ""
    """What it is about: a run, component, alert, policy id."""
    facts: Mapping[str, Json] = field(default_factory=dict)
    actor: str = ENGINE
    position: int | None = None
    """Place in the journal, given by the store."""
