"""The circuit breakers of policies, worked out from their runs (DESIGN 5.7)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from bsm_remediate.domain.ids import PolicyId
from bsm_remediate.domain.run import Run, RunEnd

FAILURES = 3
"""In a row."""
REST = timedelta(hours=1)
_FAILED = frozenset(
    {
        RunEnd.PLAYBOOK_FAILED,
        RunEnd.TIMED_OUT,
        RunEnd.UNREACHABLE,
        RunEnd.NO_HOST_MATCHED,
        RunEnd.NOT_VERIFIED,
        RunEnd.ROLLBACK_FAILED,
        RunEnd.STILL_FIRING,
        RunEnd.ENGINE_DIED,
    }
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Breaker:
    """An open breaker. After its rest it is half open: one run may try, and decides whether it closes."""

    failures: int
    """In a row, up to now."""
    failed_at: datetime
    """The last of them."""
    trying: Run | None = None
    """A run of the policy that is under way."""

    @property
    def rests_until(self) -> datetime:
        return self.failed_at + REST


def open_breakers(
    runs: Iterable[Run], now: datetime, closed: Mapping[PolicyId, datetime] | None = None
) -> dict[PolicyId, Breaker]:
    """The open breakers at `now`, by policy. What failed before a person `closed` one isn't counted any more.

    Only what the playbooks did counts: a run that a person ended, or that was refused or already ok, says nothing.
    """
    failures: dict[PolicyId, int] = {}
    failed_at: dict[PolicyId, datetime] = {}
    trying: dict[PolicyId, Run] = {}
    told = closed or {}
    for run in sorted(runs, key=lambda one: one.ended_at or now):
        if run.state.holds_locks:
            trying[run.policy] = run
        if run.ended_at is None or (run.policy in told and run.ended_at <= told[run.policy]):
            continue
        if run.end is RunEnd.RESTORED:
            failures[run.policy] = 0
        elif run.end in _FAILED:
            failures[run.policy] = failures.get(run.policy, 0) + 1
            failed_at[run.policy] = run.ended_at
    return {
        policy: Breaker(failures=number, failed_at=failed_at[policy], trying=trying.get(policy))
        for policy, number in failures.items()
        if number >= FAILURES
    }
