"""Signals: a condition that is on for one component since a time, derived from an alert."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

from bsm_remediate.domain.alert import Alert
from bsm_remediate.domain.ids import NodeId
from bsm_remediate.domain.policy import Evidence, Policy
from bsm_remediate.domain.state import State


class Statement(NamedTuple):
    """What alerts with the same labels say about one component. Shared by them all: in a storm there are few of these
    and many signals.
    """

    name: str
    """The alerts'."""
    component: NodeId
    how: str
    """How the component was found, for people: `label instance=db-1`, `alias 10.0.0.7`, `match of db-1`."""
    policies: tuple[Policy, ...]
    """All that match, those that act first."""
    sets: State
    """State that it gives the component; OK when it has none to give; UNKNOWN once it is stale."""
    evidence: Evidence = Evidence.INDIRECT
    was: State = State.OK
    """What it gave before it was stale."""


class Signal(NamedTuple):
    """One alert on one component, as the bundle reads it. Several hits of a `match` make one signal each."""

    alert: Alert
    since: datetime
    """`starts_at`, or `received_at` where that lies in the future (DESIGN 5.6)."""
    statement: Statement
    score: float = 0.0
    """How strong the anomaly is by its sender's word, on a scale of its own; 0 where it says nothing (`SCORE`)."""

    @property
    def name(self) -> str:
        return self.statement.name

    @property
    def component(self) -> NodeId:
        return self.statement.component

    @property
    def how(self) -> str:
        return self.statement.how

    @property
    def policies(self) -> tuple[Policy, ...]:
        return self.statement.policies

    @property
    def sets(self) -> State:
        return self.statement.sets

    @property
    def evidence(self) -> Evidence:
        return self.statement.evidence
