"""Approvals: who may give one, what it is bound to, and when nobody has answered for too long (DESIGN 5.7)."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from hashlib import sha256
from json import dumps

from bsm_remediate.domain.bundle import Bundle
from bsm_remediate.domain.ids import Digest
from bsm_remediate.domain.run import Run, RunState


def may_not_approve(run: Run, who: str, bundle: Bundle) -> str:
    """Why `who` may not approve `run`; empty when they may. Without `approvers` whoever has the role may."""
    teams = approvers_of(run, bundle)
    with_duty = [bundle.teams[team] for team in teams if team in bundle.teams and bundle.teams[team].may_approve_runs]
    members = {member for team in with_duty for member in team.members}
    if not teams or who in members:
        return ""
    return f"{who} may not approve runs of {run.policy}: only members of {', '.join(teams)} may"


def approvers_of(run: Run, bundle: Bundle) -> tuple[str, ...]:
    """The teams whose members may approve it; empty: whoever has the role."""
    policy = bundle.policies.get(run.policy)
    return policy.guard.approvers if policy is not None else ()


def approval_digest(run: Run) -> Digest:
    """Of all that a person approves: the bundle, which has the playbooks and their variables, and what is run where."""
    plan = [run.bundle, run.component, run.host, run.policy, run.alternative, run.playbook, list(run.locks)]
    return Digest("sha256:" + sha256(dumps(plan).encode()).hexdigest())


def unanswered(runs: Iterable[Run], bundle: Bundle, now: datetime) -> list[Run]:
    """Those that have waited for an approval for too long, and that nobody has been told of yet."""
    return [
        run
        for run in runs
        if run.state is RunState.AWAITING_APPROVAL
        and run.approved_by is None
        and run.escalated_at is None
        and now - run.planned_at >= bundle.settings.approval
    ]
