"""How far a policy has come with the members of a set, worked out from its runs (DESIGN 5.7)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from bsm_remediate.domain.run import Run, RunEnd

WINDOW = timedelta(hours=1)
"""A success vouches for siblings for so long."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Rollout:
    """How far a policy has come with the members of a set."""

    verified: int
    """Runs in a row that restored their component; one that didn't begins anew."""
    under_way: int

    def room(self, canary: int) -> int:
        """How many more may start: waves of `canary`, twice, four times as many, each once the one before is verified.

        Never negative.
        """
        wave = end = canary
        while self.verified >= end:
            wave *= 2
            end += wave
        return max(end - self.verified - self.under_way, 0)


NOTHING_RUN = Rollout(verified=0, under_way=0)


def rollout(runs: Iterable[Run], now: datetime) -> Rollout:
    """Of `runs`, those of one policy on the members of one set. A run that waits for approval isn't under way."""
    verified = under_way = 0
    for run in sorted(runs, key=lambda one: one.ended_at or now):
        if run.state.holds_locks:
            under_way += 1
        elif run.ended_at is None or now - run.ended_at >= WINDOW or run.attempt == 0:
            continue
        else:
            verified = verified + 1 if run.end is RunEnd.RESTORED else 0
    return Rollout(verified=verified, under_way=under_way)
