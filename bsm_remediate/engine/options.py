"""What differs between engines of the same bundle."""

from __future__ import annotations

from dataclasses import dataclass

from bsm_remediate.domain.bundle import DEFAULT_GOAL
from bsm_remediate.domain.ids import NodeId, PolicyId
from bsm_remediate.domain.policy import Mode


@dataclass(frozen=True, kw_only=True, slots=True)
class EngineOptions:
    """The usual ones are those of `serve`."""

    max_mode: Mode = Mode.AUTO
    goal: str = DEFAULT_GOAL
    executors: int | None = None
    asks_age: bool = True
    """Whether signals older than their policy wait for a person; a plan that a person starts asks no age."""
    only: frozenset[tuple[NodeId, PolicyId]] | None = None
    """Restricts what is started to these pairs (`apply`); None: everything that is decided."""
    tells: bool = True
    """Whether people are told; not where one sits before it (`run`, `apply`)."""
    begins_changes: bool = True
    """Whether planned changes begin here; not where a person carries out one plan."""
