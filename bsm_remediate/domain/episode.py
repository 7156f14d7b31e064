"""Episodes: what was already tried on a component under a policy (a remediation with all its alternatives)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from bsm_remediate.domain.ids import NodeId, PolicyId
from bsm_remediate.domain.run import Run, RunEnd, RunState

_FAILED = frozenset({RunState.FAILED, RunState.ROLLED_BACK})
_WITH_A_PERSON = frozenset({RunState.ESCALATED, RunState.REJECTED, RunState.OUTCOME_UNKNOWN})


@dataclass(frozen=True, kw_only=True, slots=True)
class Episode:
    """The runs of the latest remediation of one component and policy, oldest first; never empty."""

    runs: tuple[Run, ...]

    @property
    def latest(self) -> Run:
        return self.runs[-1]

    @property
    def remediation(self) -> str:
        return self.latest.remediation

    @property
    def failed_alternatives(self) -> int:
        return sum(run.state in _FAILED for run in self.runs)

    def is_open(self, since: datetime) -> bool:
        """Whether alternatives are still to be tried for signals that began at `since`: the last one failed, and the
        signal is the one from before that.
        """
        latest = self.latest
        if latest.state is RunState.AWAITING_APPROVAL:
            return True
        return latest.state in _FAILED and latest.ended_at is not None and since <= latest.ended_at

    def is_with_a_person(self, since: datetime, released_at: datetime | None) -> bool:
        """Whether it was handed to a person, or a person stopped it, and nothing new has happened since."""
        latest = self.latest
        stopped = latest.state is RunState.CANCELLED and latest.end is RunEnd.BY_A_PERSON
        if latest.ended_at is None or not (stopped or latest.state in _WITH_A_PERSON):
            return False
        return since <= latest.ended_at and (released_at is None or released_at < latest.ended_at)

    def is_mended(self, since: datetime, now: datetime, resolve_within: timedelta) -> bool:
        """Whether its checks passed while the signals, begun at `since`, still fire: they are expected to resolve."""
        latest = self.latest
        passed = latest.passed_at if latest.passed_at is not None else latest.ended_at
        if latest.end not in {RunEnd.RESTORED, RunEnd.ALREADY_OK} or latest.ended_at is None or passed is None:
            return False
        return since <= latest.ended_at and now - latest.ended_at < resolve_within


def latest_episodes(runs: Iterable[Run]) -> dict[tuple[NodeId, PolicyId], Episode]:
    """The latest episode of each component and policy; runs that never did anything are left out."""
    found: dict[tuple[NodeId, PolicyId], list[Run]] = {}
    for run in sorted(runs, key=lambda one: one.planned_at):
        if run.state is RunState.CANCELLED and run.end in {RunEnd.SIGNAL_GONE, RunEnd.RELAPSED, RunEnd.DECIDED_ANEW}:
            continue  # nothing was ever done
        earlier = found.get((run.component, run.policy))
        if earlier and earlier[-1].remediation == run.remediation:
            earlier.append(run)
        else:
            found[run.component, run.policy] = [run]
    return {pair: Episode(runs=tuple(runs)) for pair, runs in found.items()}
