"""Runs that were reserved but haven't begun, while more has failed: what was permitted then may do harm now. An engine
that died between the two leaves some seconds until another goes on with them.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from bsm_remediate.domain.case import Scene, newly_down
from bsm_remediate.domain.run import Run, RunState


@dataclass(frozen=True, kw_only=True, slots=True)
class Overtaken:
    """A run that must not begin any more, and why."""

    run: Run
    reason: str


def overtaken(scene: Scene) -> tuple[Overtaken, ...]:
    """Those that would take down a service that isn't down, were they to begin now (quorum, DESIGN 5.7)."""
    found = []
    for run in scene.situation.runs:
        if run.state is not RunState.QUEUED or run.attempt > 0 or not run.disturbs:
            continue
        others = replace(scene, disturbed=scene.disturbed.difference(run.disturbs))
        victims = {*newly_down(others, run.disturbs), *newly_down(others, run.disturbs, is_disturbed=True)}
        if victims:
            shown = ", ".join(sorted(victims)[:3])
            found.append(Overtaken(run=run, reason=f"more has failed since: {shown} would go down"))
    return tuple(found)
