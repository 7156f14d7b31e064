"""Duties of teams: who may approve a planned change (DESIGN 4, `duties`)."""

from __future__ import annotations

from collections.abc import Iterable

from bsm_remediate.domain.bundle import APPROVER, Bundle, Team
from bsm_remediate.domain.change import Change
from bsm_remediate.domain.planned_change import PlannedChange


def approving_teams(planned: PlannedChange, teams: Iterable[Team]) -> tuple[Team, ...]:
    """Whose members may approve `planned`: of its `approvers`, else of its owner, those with the duty."""
    named = planned.approvers or ((planned.owner,) if planned.owner is not None else ())
    return tuple(team for team in teams if team.name in named and APPROVER in team.duties)


def may_not_approve_change(change: Change, planned: PlannedChange, who: str, bundle: Bundle) -> str:
    """Why `who` may not approve `change`; empty when they may."""
    teams = approving_teams(planned, bundle.teams.values())
    names = ", ".join(team.name for team in teams) or "a team with the duty approver (there is none)"
    if all(who not in team.members for team in teams):
        return f"{who} may not approve {planned.name}: only members of {names} may"
    limit, slot = planned.four_eyes_above, change.slot
    if limit is not None and slot is not None and slot.expected > limit and who == change.proposed.who:
        costs = f"it is expected to cost {slot.expected:.2f} {bundle.currency}, more than {limit:g}"
        return f"{who} proposed {change.id}: {costs}, so another of {names} must approve it"
    return ""
