"""Experience: what a policy's alternatives really took and brought, and what that makes of `expect` (DESIGN 5.6)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import NamedTuple

from bsm_remediate.domain.ids import PolicyId
from bsm_remediate.domain.policy import Alternative, Policy
from bsm_remediate.domain.run import Run, RunEnd

USED_FROM = 5
"""Runs; fewer are an anecdote."""
_WRITTEN_COUNTS_FOR = 4.0
"""As many runs as the written value weighs: its author knew something."""
_FURTHEST = 4.0
"""What was learned stays between the written value's quarter and four times it: further off, the bundle is wrong and a
person should know, or the record is."""
_LEAST_CHANCE, _BEST_CHANCE = 0.01, 1.0
_TRIED = frozenset(
    {
        RunEnd.RESTORED,
        RunEnd.PLAYBOOK_FAILED,
        RunEnd.TIMED_OUT,
        RunEnd.UNREACHABLE,
        RunEnd.NO_HOST_MATCHED,
        RunEnd.NOT_VERIFIED,
        RunEnd.ROLLBACK_FAILED,
        RunEnd.STILL_FIRING,
    }
)


class ExperienceKey(NamedTuple):
    """An alternative: its place counts too, for its chance is meant given that those before it failed."""

    policy: PolicyId
    alternative: int
    playbook: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Experience:
    """Sums over past runs of one alternative."""

    runs: int = 0
    restored: int = 0
    restoring_s: float = 0.0
    """Seconds from start to first pass, of those that restored."""

    def with_run(self, run: Run) -> Experience:
        """With one more run that `counts`."""
        took = taken_s(run) if run.end is RunEnd.RESTORED else None
        return Experience(
            runs=self.runs + 1,
            restored=self.restored + (took is not None),
            restoring_s=self.restoring_s + (took or 0.0),
        )


def counts(run: Run) -> bool:
    """Whether `run` says something about its alternative: its playbook was started, so that the look beforehand had
    failed, and it came to an end of its own.
    """
    return run.ended_at is not None and run.attempt > 0 and run.end in _TRIED


def taken_s(run: Run) -> float | None:
    """Seconds from the start of the playbook to the first full pass of its checks."""
    if run.started_at is None or run.passed_at is None:
        return None
    return max((run.passed_at - run.started_at).total_seconds(), 0.0)


def experiences(runs: Iterable[Run]) -> dict[ExperienceKey, Experience]:
    """What `runs` add up to, by alternative."""
    found: dict[ExperienceKey, Experience] = {}
    for run in runs:
        if counts(run):
            key = ExperienceKey(run.policy, run.alternative, run.playbook)
            found[key] = found.get(key, Experience()).with_run(run)
    return found


def corrected(policy: Policy, index: int, experience: Mapping[ExperienceKey, Experience]) -> Alternative:
    """The policy's alternative `index` with what was learned about it; as written while there is too little, the policy
    says `learn: false`, or nothing but the alert could tell beforehand that there was something to restore.
    """
    written = policy.do[index]
    known = experience.get(ExperienceKey(policy.id, index, written.playbook))
    has_looked = any(check.is_independent for check in policy.verify)
    if known is None or known.runs < USED_FROM or not policy.learn or not has_looked:
        return written
    return replace(
        written,
        duration=timedelta(seconds=learned_duration_s(written.duration.total_seconds(), known)),
        success=learned_success(written.success, known),
    )


def learned_duration_s(written_s: float, known: Experience) -> float:
    """The mean of the posterior: times to restore as exponential, their rate with a gamma prior around the written."""
    posterior = (_WRITTEN_COUNTS_FOR * written_s + known.restoring_s) / (_WRITTEN_COUNTS_FOR + known.restored)
    return min(max(posterior, written_s / _FURTHEST), written_s * _FURTHEST)


def learned_success(written: float, known: Experience) -> float:
    """The mean of the posterior: outcomes as Bernoulli, their chance with a beta prior around the written."""
    posterior = (_WRITTEN_COUNTS_FOR * written + known.restored) / (_WRITTEN_COUNTS_FOR + known.runs)
    bounded = min(max(posterior, written / _FURTHEST), written * _FURTHEST)
    return min(max(bounded, _LEAST_CHANCE), _BEST_CHANCE)
