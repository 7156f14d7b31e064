"""What the store knows beside the alerts: runs, and what people have ordered."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from bsm_remediate.domain.situation import Situation
from bsm_remediate.ports import Store

LOOK_BACK = timedelta(days=2)
"""Longer than any cooldown, budget or wait that a policy should count on."""


def with_history(situation: Situation, store: Store) -> Situation:
    """`situation` with the runs since `LOOK_BACK` and everything that stands."""
    standing = store.standing()
    return replace(
        situation,
        runs=tuple(store.runs(since=situation.at - LOOK_BACK)),
        holds=standing.holds,
        pauses=standing.pauses,
        released=standing.released,
        adopted=standing.adopted,
        policy_active_since=standing.policy_active_since or None,
        goal=standing.goal or situation.goal,
        max_mode=min(situation.max_mode, standing.max_mode),
    )
