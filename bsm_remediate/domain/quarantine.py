"""The guard over components that a run has left in a state which nobody knows (DESIGN 5.6)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from bsm_remediate.domain.case import Case
from bsm_remediate.domain.decision import Decision, Verdict
from bsm_remediate.domain.ids import NodeId
from bsm_remediate.domain.run import Run, RunEnd


class Quarantined:
    """A run has failed and undoing it too: nobody knows how the component was left, so that no policy may act on it,
    whatever happens, until a person gives it back.
    """

    def check(self, case: Case) -> Decision | None:
        component = case.component.id
        for run in reversed(case.scene.situation.runs):
            if run.component == component and leaves_unknown(run, case.scene.situation.released):
                reason = f"run {run.id}: {run.outcome} (`release {component}` gives it back)"
                return case.decided(Verdict.QUARANTINED, reason)
        return None


def leaves_unknown(run: Run, released: Mapping[NodeId, datetime]) -> bool:
    """Whether undoing `run` has failed, and nobody has given its component back since."""
    if run.end is not RunEnd.ROLLBACK_FAILED or run.ended_at is None:
        return False
    released_at = released.get(run.component)
    return released_at is None or released_at < run.ended_at
