"""Signals: a condition that is on for one component since a time, derived from an alert."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

from bsm_remediate.domain.alert import Alert
from bsm_remediate.domain.ids import NodeId
from bsm_remediate.domain.policy import Evidence, Policy
from bsm_remediate.domain.state import State


class Signal(NamedTuple):
    """One alert on one component, as the bundle reads it. Several hits of a `match` make one signal each."""

    alert: Alert
    name: str
    """The alert's, kept at hand."""
    component: NodeId
    how: str
    """How the component was found, for people: `label instance=db-1`, `alias 10.0.0.7`, `match of db-1`."""
    since: datetime
    """`starts_at`, or `received_at` where that lies in the future (DESIGN 5.6)."""
    policies: tuple[Policy, ...]
    """All that match, those that act first."""
    sets: State
    """State that it gives the component; OK when it has none to give; UNKNOWN once it is stale."""
    evidence: Evidence = Evidence.INDIRECT
