"""Which planned changes people must look at now: those that wait for an approval, and those that are over."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from bsm_remediate.domain.bundle import Bundle
from bsm_remediate.domain.change import OPEN, Change, ChangeOutcome, ChangeState, Slot
from bsm_remediate.domain.duties import approving_teams
from bsm_remediate.domain.notice import Notice, NoticeKind, NoticeSeverity

_SEVERITY = {
    ChangeOutcome.DONE: NoticeSeverity.INFO,
    ChangeOutcome.ROLLED_BACK: NoticeSeverity.WARNING,
    ChangeOutcome.FAILED: NoticeSeverity.CRITICAL,
    ChangeOutcome.UNKNOWN: NoticeSeverity.CRITICAL,
}
_WORDS = {
    ChangeOutcome.DONE: "is done",
    ChangeOutcome.ROLLED_BACK: "failed and was rolled back",
    ChangeOutcome.FAILED: "failed and nothing undid it",
    ChangeOutcome.UNKNOWN: "ended and nobody knows how",
}


def change_notices(changes: Iterable[Change], bundle: Bundle) -> Iterator[Notice]:
    """Those that stand now."""
    for change in changes:
        if change.state in OPEN and change.slot is not None:
            yield _approval(change, change.slot, bundle)
        elif change.state is ChangeState.AWAITING_REVIEW:
            yield _over(change, bundle)


def _approval(change: Change, slot: Slot, bundle: Bundle) -> Notice:
    """Nobody is woken for it: its window is picked anew when it is missed."""
    planned = bundle.changes.get(change.name)
    teams = approving_teams(planned, bundle.teams.values()) if planned is not None else ()
    is_next = planned is not None and planned.dry_run and not change.has_sound_trial
    missed = "its window was missed; " if change.state is ChangeState.MISSED else ""
    return Notice(
        kind=NoticeKind.CHANGE_APPROVAL,
        subject=change.id,
        severity=NoticeSeverity.INFO,
        teams=frozenset(team.name for team in teams),
        since=change.proposed.at,
        impact=f"{slot.expected:,.2f} {bundle.currency} when it is applied",
        what=f"{_named(change)}: {missed}{slot.begin:%Y-%m-%d %H:%M} UTC is picked; it waits for "
        + ("its dry run" if is_next else "approval"),
        do=f"bsm-remediate change {'dry-run' if is_next else 'approve'} {change.id}",
    )


def _over(change: Change, bundle: Bundle) -> Notice:
    planned, result = bundle.changes.get(change.name), change.result
    outcome = result.outcome if result is not None else ChangeOutcome.UNKNOWN
    owner = planned.owner if planned is not None else None
    severity = _SEVERITY[outcome]
    return Notice(
        kind=NoticeKind.CHANGE_OVER,
        subject=change.id,
        severity=severity,
        teams=frozenset({owner} if owner in bundle.teams and owner is not None else ()),
        since=result.ended_at if result is not None else change.proposed.at,
        impact=f"it cost {result.cost:,.2f} {bundle.currency}" if result is not None else "",
        what=f"{_named(change)} {_WORDS[outcome]}" + (f": {result.words}" if result is not None else ""),
        do=f"bsm-remediate change show {change.id}, then change review {change.id} --reason …",
        needs_person=severity is NoticeSeverity.CRITICAL,
    )


def _named(change: Change) -> str:
    return f"{change.name} ({change.title})" if change.title else change.name
