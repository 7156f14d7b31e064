"""The guard over a policy whose runs fail again and again: it is given a rest (DESIGN 5.7)."""

from __future__ import annotations

from bsm_remediate.domain.case import Case
from bsm_remediate.domain.decision import Decision, Verdict
from bsm_remediate.domain.duration import format_duration


class BreakerOpen:
    """While a policy's breaker is open nothing is run by it; once it has rested, one run at a time."""

    def check(self, case: Case) -> Decision | None:
        breaker = case.scene.breakers.get(case.policy.id)
        if breaker is None:
            return None
        now = case.scene.now
        failed = f"the last {breaker.failures} runs of {case.policy.id} failed"
        lift = f"`release {case.policy.id}` closes it"
        if now < breaker.rests_until:
            rest = format_duration(breaker.rests_until - now)
            return case.decided(Verdict.BREAKER_OPEN, f"{failed}: its breaker is open for another {rest} ({lift})")
        if breaker.trying is not None:
            reason = f"{failed}: run {breaker.trying.id} on {breaker.trying.component} tries first ({lift})"
            return case.decided(Verdict.BREAKER_OPEN, reason)
        return None
