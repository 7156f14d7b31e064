"""When runs in shadow would have started: the queue that they would have stood in, behind each other and real runs.

Times are seconds from any one origin.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from heapq import heapify, heappop, heappush
from typing import Any

from bsm_remediate.domain.shadow import Budget

FOREVER = float("inf")


@dataclass(frozen=True, kw_only=True, slots=True)
class ShadowJob:
    """One run that would wait for its turn."""

    ready: tuple[tuple[float, float], ...]
    """When nothing stood in its way: from, and up to but without; in order, never touching."""
    duration_s: float
    locks: frozenset[str] = frozenset()
    executors: int
    """Of the whole engine."""
    rank: tuple[Any, ...] = ()
    """The lower is started first."""
    pair: str
    """Component and policy: what a cooldown counts for."""
    group: str
    """A run of the same group that is under way restores this one's component too."""
    cooldown_s: float = 0.0
    budgets: tuple[Budget, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Busy:
    """A real run: it takes an executor and locks."""

    since: float
    until: float
    locks: frozenset[str] = frozenset()


@dataclass(frozen=True, kw_only=True, slots=True)
class Turn:
    """When a job would have started and ended, or None; and what it had to wait for."""

    span: tuple[float, float] | None
    waited_for: tuple[str, ...] = ()


@dataclass(slots=True)
class _Queue:
    """What has been started so far."""

    started: list[tuple[float, float, ShadowJob]]
    busy: Sequence[Busy]

    def obstacle(self, job: ShadowJob, now: float) -> tuple[str, float | None] | None:
        """What `job` waits for at `now`, and when to ask again where no end of a run says so; None: nothing."""
        under_way = [(end, one) for begin, end, one in self.started if begin <= now < end]
        real = [one for one in self.busy if one.since <= now < one.until]
        own = [end for _, end, one in self.started if one.pair == job.pair]
        if own and now < max(own) + job.cooldown_s:
            return "cooling_down", max(own) + job.cooldown_s
        for budget in job.budgets:
            keyed = (begin for begin, _, one in self.started if any(b.key == budget.key for b in one.budgets))
            recent = sorted(begin for begin in keyed if now - begin < budget.window_s)
            if len(recent) >= budget.count:
                return "budget_spent", recent[-budget.count] + budget.window_s
        taken = {lock for _, one in under_way for lock in one.locks} | {lock for one in real for lock in one.locks}
        if taken & job.locks:
            return min(taken & job.locks), None
        if len(under_way) + len(real) >= job.executors:
            return "executor", None
        return None

    def companion(self, job: ShadowJob, now: float) -> tuple[float, float] | None:
        """The run of its group that is under way."""
        return next(((b, e) for b, e, one in self.started if b <= now < e and one.group == job.group), None)


def turns(jobs: Sequence[ShadowJob], busy: Iterable[Busy] = ()) -> tuple[Turn, ...]:
    """The turn of each of `jobs`, in their order: whenever something is free the lowest rank starts, never pre-empted,
    and only while nothing stands in its way; cooldown and budgets count the runs that would have been.
    """
    queue = _Queue([], tuple(busy))
    spans: dict[int, tuple[float, float]] = {}
    waited: dict[int, dict[str, None]] = {number: {} for number in range(len(jobs))}
    coming = sorted((job.ready[0][0], number) for number, job in enumerate(jobs) if job.ready)
    moments = [begin for job in jobs for begin, _ in job.ready] + [one.until for one in queue.busy]
    heapify(moments)
    waiting: list[int] = []
    arrived = 0
    now = -FOREVER
    while moments:
        moment = heappop(moments)
        if moment <= now or moment == FOREVER:
            continue
        now = moment
        while arrived < len(coming) and coming[arrived][0] <= now:
            waiting.append(coming[arrived][1])
            arrived += 1
        waiting = [one for one in waiting if one not in spans and jobs[one].ready[-1][1] > now]
        for number in sorted(waiting, key=lambda one: (jobs[one].rank, one)):
            job = jobs[number]
            if not any(begin <= now < end for begin, end in job.ready):
                continue
            found = queue.companion(job, now)
            if found is not None:
                spans[number] = found
                continue
            obstacle = queue.obstacle(job, now)
            if obstacle is None:
                spans[number] = (now, now + job.duration_s)
                queue.started.append((now, now + job.duration_s, job))
                heappush(moments, now + job.duration_s)
            else:
                waited[number][obstacle[0]] = None
                if obstacle[1] is not None:
                    heappush(moments, obstacle[1])
    return tuple(Turn(span=spans.get(number), waited_for=tuple(waited[number])) for number in range(len(jobs)))
