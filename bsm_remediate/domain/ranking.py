"""Who was suspected in which order, as the journal keeps it: a review asks afterwards whether that was right."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeAlias

from bsm_remediate.domain.event import Event, Json
from bsm_remediate.domain.ids import NodeId
from bsm_remediate.domain.impact import Impact

RANKED = "causes.ranked"
SUBJECT = "causes"
_KEPT = 5
"""Of the ranking; who comes later was looked at by nobody."""

Names: TypeAlias = tuple[NodeId, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Suspected:
    """One place of the ranking."""

    component: NodeId
    score: float
    """Its share of all suspicion, within 0..1."""
    is_suspect: bool = False
    """It wasn't known to fail itself."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Ranking:
    """The likeliest causes of what fails at one moment, likeliest first."""

    causes: tuple[Suspected, ...] = ()

    @classmethod
    def of(cls, impact: Impact) -> Ranking:
        first = impact.root_causes[:_KEPT]
        return cls(
            causes=tuple(
                Suspected(component=one.component, score=round(one.score, 4), is_suspect=one.suspect) for one in first
            )
        )

    @property
    def names(self) -> Names:
        """In their order. While these stay it is the same ranking, whatever the scores."""
        return tuple(one.component for one in self.causes)


def ranking_event(ranking: Ranking, at: datetime) -> Event:
    """As the journal keeps it."""
    causes: list[Json] = [
        {"component": one.component, "score": one.score, "suspect": one.is_suspect} for one in ranking.causes
    ]
    return Event(kind=RANKED, at=at, subject=SUBJECT, facts={"causes": causes})


def ranking_of(event: Event) -> Ranking | None:
    """The ranking that an event tells of; None for events of other kinds."""
    if event.kind != RANKED:
        return None
    facts: Mapping[str, Any] = event.facts
    return Ranking(
        causes=tuple(
            Suspected(component=NodeId(one["component"]), score=one["score"], is_suspect=one["suspect"])
            for one in facts["causes"]
        )
    )
