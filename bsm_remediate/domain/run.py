"""Runs: one alternative of a remediation being carried out (DESIGN 5.6)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from bsm_remediate.domain.alert import AlertKey
from bsm_remediate.domain.ids import Digest, NodeId, PolicyId, RunId
from bsm_remediate.domain.pool import LOCK


class RunState(StrEnum):
    AWAITING_APPROVAL = "awaiting_approval"
    QUEUED = "queued"
    RUNNING = "running"
    VERIFYING = "verifying"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    ROLLED_BACK = "rolled_back"
    CANCELLED = "cancelled"
    REJECTED = "rejected"
    ESCALATED = "escalated"
    OUTCOME_UNKNOWN = "outcome_unknown"

    @property
    def is_over(self) -> bool:
        """Whether nothing is under way or waiting any more."""
        return self in OVER

    @property
    def holds_executor(self) -> bool:
        """The executor is free when the playbook ends (DESIGN 5.6)."""
        return self in (RunState.QUEUED, RunState.RUNNING)

    @property
    def holds_locks(self) -> bool:
        """The locks are free at the end of the hold."""
        return self in (RunState.QUEUED, RunState.RUNNING, RunState.VERIFYING)


OUTDATED_AFTER = timedelta(seconds=60)
"""A decision older than that is made anew before anything acts on it (DESIGN 5.7)."""
_S = RunState
OVER = frozenset({_S.SUCCEEDED, _S.FAILED, _S.ROLLED_BACK, _S.CANCELLED, _S.REJECTED, _S.ESCALATED, _S.OUTCOME_UNKNOWN})
NEXT_STATES: dict[RunState, frozenset[RunState]] = {
    _S.AWAITING_APPROVAL: frozenset({_S.AWAITING_APPROVAL, _S.QUEUED, _S.REJECTED, _S.CANCELLED}),
    _S.QUEUED: frozenset({_S.RUNNING, _S.CANCELLED, _S.FAILED, _S.ESCALATED}),
    _S.RUNNING: frozenset(
        {_S.RUNNING, _S.QUEUED, _S.VERIFYING, _S.FAILED, _S.ESCALATED, _S.ROLLED_BACK, _S.CANCELLED, _S.OUTCOME_UNKNOWN}
    ),
    _S.VERIFYING: frozenset({_S.VERIFYING, _S.SUCCEEDED, _S.FAILED, _S.ESCALATED, _S.ROLLED_BACK, _S.CANCELLED}),
    _S.SUCCEEDED: frozenset({_S.FAILED, _S.ESCALATED}),
    _S.CANCELLED: frozenset({_S.CANCELLED}),
    **dict.fromkeys((_S.FAILED, _S.ROLLED_BACK, _S.REJECTED, _S.ESCALATED, _S.OUTCOME_UNKNOWN), frozenset()),
}
"""What may follow what. RUNNING → QUEUED is the repetition after the engine's death, for repeatable playbooks only;
AWAITING_APPROVAL → itself is its approval; RUNNING → itself is why it failed, before it is undone; VERIFYING → itself
is the first full pass, or why it failed; SUCCEEDED → FAILED or ESCALATED is a success whose checks failed, or whose
alert still fired, at the end of `resolve_within`; CANCELLED → itself is the relapse of a component that was already
ok."""


class RunEnd(StrEnum):
    """Why a run ended, for the guards; the sentence for people is `Run.outcome`."""

    RESTORED = "restored"
    ALREADY_OK = "already_ok"
    PLAYBOOK_FAILED = "playbook_failed"
    TIMED_OUT = "timed_out"
    UNREACHABLE = "unreachable"
    NO_HOST_MATCHED = "no_host_matched"
    NOT_VERIFIED = "not_verified"
    ROLLBACK_FAILED = "rollback_failed"
    """It failed, and so did undoing it: the component is quarantined."""
    STILL_FIRING = "still_firing"
    """Succeeded by its checks, but its alert still fired at the end of `resolve_within`: it failed after all."""
    RELAPSED = "relapsed"
    """It was already ok, but its checks failed again while its alert still fired."""
    BY_A_PERSON = "by_a_person"
    SIGNAL_GONE = "signal_gone"
    """Nothing left to do: its signal ended while it waited."""
    DECIDED_ANEW = "decided_anew"
    """What was decided, or approved, no longer was what would be done, or had become too old."""
    REFUSED = "refused"
    """The last look at guards, bundle or inventory right before acting said no."""
    ENGINE_DIED = "engine_died"


@dataclass(frozen=True, kw_only=True, slots=True)
class Run:
    """One row of the store; change is a new value."""

    id: RunId
    remediation: str
    """Shared by the alternatives of one episode."""
    component: NodeId
    host: str
    policy: PolicyId
    playbook: str
    alternative: int
    state: RunState
    attempt: int = 0
    """Counts executions of the playbook, from 1; 0 before the first."""
    fence: int = 0
    """Grows with each reservation; a host refuses an older one."""
    reason: str
    outcome: str = ""
    end: RunEnd | None = None
    """While the run isn't over: why it failed, and it is about to be undone."""
    expected_duration_s: float
    planned_at: datetime
    started_at: datetime | None = None
    """When its playbook started."""
    passed_at: datetime | None = None
    """First full pass of its checks: from then on the component counts as ok."""
    ended_at: datetime | None = None
    once: bool = False
    alerts: tuple[AlertKey, ...] = ()
    bundle: Digest
    digest: str = ""
    """Of the plan that an approval is bound to (`approval_digest`)."""
    approved_by: str | None = None
    escalated_at: datetime | None = None
    """When nobody had answered for too long and a person was told."""
    locks: tuple[str, ...] = ()
    """`component:ID`, `host:NAME` and `pool:ID`, sorted."""

    @property
    def pool(self) -> str:
        """The pool whose weights it sets; empty: it restores its component."""
        return next((lock.removeprefix(LOCK) for lock in self.locks if lock.startswith(LOCK)), "")

    def locked(self, kind: str) -> tuple[str, ...]:
        """Names of the components or hosts (`kind`: component, host, pool) that it keeps to itself."""
        return tuple(name for one, _, name in (lock.partition(":") for lock in self.locks) if one == kind)

    @property
    def disturbs(self) -> tuple[NodeId, ...]:
        """The components that it works on; new weights of a pool disturb nobody."""
        if self.pool:
            return ()
        return tuple(NodeId(name) for name in self.locked("component")) or (self.component,)
