"""The guard over components that a run has left in a state which nobody knows (DESIGN 5.6)."""

from __future__ import annotations

from bsm_remediate.domain.case import Case
from bsm_remediate.domain.decision import Decision, Verdict
from bsm_remediate.domain.run import RunEnd


class Quarantined:
    """A run has failed and undoing it too: nobody knows how the component was left, so that no policy may act on it,
    whatever happens, until a person gives it back.
    """

    def check(self, case: Case) -> Decision | None:
        component = case.component.id
        released = case.scene.situation.released.get(component)
        for run in reversed(case.scene.situation.runs):
            if run.component != component or run.end is not RunEnd.ROLLBACK_FAILED or run.ended_at is None:
                continue
            if released is None or released < run.ended_at:
                reason = f"run {run.id}: {run.outcome} (`release {component}` gives it back)"
                return case.decided(Verdict.QUARANTINED, reason)
        return None
