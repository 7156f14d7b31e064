"""What the store knows beside the alerts: runs, and what people have ordered."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from bsm_remediate.domain.change_work import maintenance_of
from bsm_remediate.domain.situation import Situation
from bsm_remediate.engine.lessons import Lessons
from bsm_remediate.records import Store

LOOK_BACK = timedelta(days=2)
"""Longer than any cooldown, budget or wait that a policy should count on."""


def with_history(situation: Situation, store: Store, lessons: Lessons | None = None) -> Situation:
    """`situation` with the runs since `LOOK_BACK`, what they and earlier ones have taught (`lessons` that are kept save
    reading them all), and everything that stands.
    """
    standing = store.standing()
    runs = tuple(store.runs(since=situation.at - LOOK_BACK))
    known = {run.id for run in runs}
    older = [store.run(one) for one in standing.quarantined if one not in known]
    runs = (*(run for run in older if run is not None), *runs)
    return replace(
        situation,
        runs=runs,
        holds=standing.holds,
        maintenance=(*standing.maintenance, *maintenance_of(runs)),
        pauses=standing.pauses,
        closed=standing.closed,
        released=standing.released,
        adopted=standing.adopted,
        experience=(lessons or Lessons(store)).learned(runs, situation.at),
        policy_active_since=standing.policy_active_since or None,
        goal=standing.goal or situation.goal,
        max_mode=min(situation.max_mode, standing.max_mode),
    )
