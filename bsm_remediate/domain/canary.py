"""Canaries: of a set, a few are restored and verified before their siblings are touched (DESIGN 5.7)."""

from __future__ import annotations

from bsm_remediate.domain.case import Case
from bsm_remediate.domain.decision import Decision, Verdict
from bsm_remediate.domain.rollout import NOTHING_RUN


class Canary:
    """Holds a set's members while those before them aren't verified."""

    def check(self, case: Case) -> Decision | None:
        canary = case.policy.guard.canary
        if canary is None:
            return None
        for name in case.scene.bundle.sets_of.get(case.component.id, ()):
            found = case.scene.rollouts.get((case.policy.id, name), NOTHING_RUN)
            if not found.room(canary):
                reason = (
                    f"{found.under_way} of {name} under way, {found.verified} verified before:"
                    f" the next wave waits until they are (canary is {canary})"
                )
                return case.decided(Verdict.CANARY, reason)
        return None
