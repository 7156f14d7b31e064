"""The order of restoration. `order` is a sound greedy rule; a better planner replaces that one function.

Marginal greedy: again and again the service whose restoration stops the most weighted loss per minute of work still
needed, with the cheapest repairs that restore it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction

from bsm_remediate.domain.formula import Gate
from bsm_remediate.domain.ids import NodeId
from bsm_remediate.domain.restoration import NEVER, Restoration, Times
from bsm_remediate.domain.rollup import RollUp
from bsm_remediate.domain.state import Level

JobId = int
_LEAST_WORK_S = 1.0
"""No repair counts as shorter, so that a duration of zero doesn't divide."""


@dataclass(frozen=True, kw_only=True, slots=True)
class RepairJob:
    """One run that may be planned."""

    id: JobId
    fixes: frozenset[NodeId]
    """Components whose own state it mends."""
    work_s: float
    """Expected seconds until restored, further alternatives included."""
    locks: frozenset[str]


@dataclass(frozen=True, kw_only=True, slots=True)
class Worth:
    """What a failing service costs: `down` per minute until it is no longer down, `degraded` until it is ok."""

    down: float
    degraded: float

    @property
    def total(self) -> float:
        return self.down + self.degraded

    def loss(self, times: Times) -> float:
        """Lost until restored, for services that are restored at all."""
        return (self.down * times.not_down + self.degraded * times.ok) / 60


@dataclass(frozen=True, kw_only=True, slots=True)
class Ordered:
    """One job's place in the order, and for which service it was taken."""

    job: RepairJob
    service: NodeId | None
    rate: float
    """Weighted loss per minute that its group stops."""
    group_work_s: float


def order(
    rollup: RollUp, jobs: Sequence[RepairJob], own: Mapping[NodeId, Level], worth: Mapping[NodeId, Worth]
) -> list[Ordered]:
    """All `jobs` in the order in which they should start; those that restore nothing of value come last."""
    remaining = {job.id: job for job in jobs}
    search = _Search(rollup, jobs, own)
    ordered: list[Ordered] = []
    while remaining:
        best = max(
            ((gain, service, needed) for service, needed, gain in search.offers(worth)),
            key=lambda offer: (offer[0] / _work(offer[2]), offer[0], offer[1]),
            default=None,
        )
        if best is None:
            break
        gain, service, needed = best
        work = _work(needed)
        for job in sorted(needed, key=lambda one: (one.work_s, one.id)):
            ordered.append(Ordered(job=job, service=service, rate=gain, group_work_s=work))
            remaining.pop(job.id)
        search.done(needed)
    rest = sorted(remaining.values(), key=lambda job: (job.work_s, job.id))
    ordered.extend(Ordered(job=job, service=None, rate=0.0, group_work_s=job.work_s) for job in rest)
    return ordered


_NONE: frozenset[RepairJob] = frozenset()


def _work(jobs: frozenset[RepairJob]) -> float:
    return max(sum(job.work_s for job in jobs), _LEAST_WORK_S)


class _Search:
    """The cheapest sets of jobs for each failing node, kept in step with the jobs that are done."""

    def __init__(self, rollup: RollUp, jobs: Sequence[RepairJob], own: Mapping[NodeId, Level]) -> None:
        self._rollup = rollup
        self._job_of = {node: job for job in jobs for node in job.fixes}
        self._own = dict(own)
        self._now = rollup.levels(own)
        self._final = rollup.levels({node: level for node, level in own.items() if node not in self._job_of})
        self._needed: dict[NodeId, frozenset[RepairJob]] = {}
        self._settle(self._now)

    def done(self, jobs: frozenset[RepairJob]) -> None:
        """These jobs are taken: what they fix needs nothing any more. Only what depends on that is looked at."""
        fixed = {node for job in jobs for node in job.fixes}
        for node in fixed:
            self._own.pop(node, None)
            self._job_of.pop(node, None)
        self._now, affected = self._rollup.mended(self._now, self._own, fixed)
        for node in affected:
            self._needed.pop(node, None)
        self._settle(affected & self._now.keys())

    def _settle(self, nodes: Iterable[NodeId]) -> None:
        bottom_up = self._rollup.in_order(nodes)
        in_cycles = sum(1 for node in bottom_up if self._rollup.cycle_of(node))
        for _ in range(1 + in_cycles):  # members of a cycle need what the others need: again, until nothing changes
            before = [self._needed.get(node) for node in bottom_up]
            self._needed.update((node, self._needs(node)) for node in bottom_up)
            if not in_cycles or before == [self._needed[node] for node in bottom_up]:
                break

    def offers(self, worth: Mapping[NodeId, Worth]) -> list[tuple[NodeId, frozenset[RepairJob], float]]:
        """Each service that jobs can improve, with those jobs and the weighted loss per minute that they stop."""
        found = []
        for service in sorted(self._now.keys() & worth.keys()):
            gain = _stopped(worth[service], self._now.get(service, 0), self._final.get(service, 0))
            needed = self._needed.get(service)
            if needed and gain > 0:
                found.append((service, needed, gain))
        return found

    def _needs(self, node: NodeId) -> frozenset[RepairJob]:
        """By what is known of its requirements."""
        if self._now.get(node, 0) == self._final.get(node, 0):
            return frozenset()
        needed: frozenset[RepairJob] = frozenset()
        if self._own.get(node, 0) and node in self._job_of:
            needed = frozenset({self._job_of[node]})
        gate = self._rollup.service_map.requires(node)
        return needed if gate is None else needed | self._gate_needs(gate)

    def _gate_needs(self, gate: Gate) -> frozenset[RepairJob]:
        """The cheapest children first, until the gate is as good as it can get."""
        offers = []
        for edge in gate.children:
            needed = (
                self._gate_needs(edge.child) if isinstance(edge.child, Gate) else self._needed.get(edge.child, _NONE)
            )
            if needed:
                offers.append((_work(needed), sorted(job.id for job in needed), edge, needed))
        offers.sort(key=lambda offer: (offer[0], offer[1]))
        best = _level(gate, self._final)
        improved: set[int] = set()
        chosen: frozenset[RepairJob] = frozenset()
        for _, _, edge, needed in offers:
            if self._mixed(gate, improved) <= best:
                break
            improved.add(id(edge))
            chosen |= needed
        return chosen

    def _mixed(self, gate: Gate, improved: set[int]) -> Level:
        """The gate's level once the edges of `improved` are as good as they can get and the others as now."""
        up = fine = Fraction(0)
        for edge in gate.children:
            levels = self._final if id(edge) in improved else self._now
            level = edge.impact.seen(
                _level(edge.child, levels) if isinstance(edge.child, Gate) else levels.get(edge.child, 0)
            )
            up += edge.weight if level < 2 else 0
            fine += edge.weight if level == 0 else 0
        return 2 if up < gate.need else 1 if fine < gate.comfortable else 0


def _level(gate: Gate, levels: Mapping[NodeId, Level]) -> Level:
    up = fine = Fraction(0)
    for edge in gate.children:
        child = _level(edge.child, levels) if isinstance(edge.child, Gate) else levels.get(edge.child, 0)
        seen = edge.impact.seen(child)
        up += edge.weight if seen < 2 else 0
        fine += edge.weight if seen == 0 else 0
    return 2 if up < gate.need else 1 if fine < gate.comfortable else 0


def _stopped(worth: Worth, now: Level, final: Level) -> float:
    stopped = worth.down if now == 2 and final < 2 else 0.0
    return stopped + (worth.degraded if now > 0 and final == 0 else 0.0)


@dataclass(frozen=True, kw_only=True, slots=True)
class Slot:
    """When and on which executor a job runs."""

    executor: int
    start_s: float
    end_s: float


def schedule(
    jobs: Sequence[RepairJob], *, executors: Mapping[int, float], locked: Mapping[str, float]
) -> dict[JobId, Slot]:
    """List scheduling, as the engine does it: a free executor takes the first job whose locks are free.

    `executors` says when each is free, `locked` when each lock that is held now will be (seconds).
    """
    free = dict(executors)
    locks = dict(locked)
    waiting = list(jobs)
    slots: dict[JobId, Slot] = {}
    while waiting:
        executor = min(free, key=lambda one: (free[one], one))
        now = free[executor]
        ready = next((job for job in waiting if all(locks.get(lock, 0.0) <= now for lock in job.locks)), None)
        if ready is None:
            later = [locks[lock] for job in waiting for lock in job.locks if locks.get(lock, 0.0) > now]
            free[executor] = min(later)
            continue
        end = now + ready.work_s
        slots[ready.id] = Slot(executor=executor, start_s=now, end_s=end)
        free[executor] = end
        locks.update(dict.fromkeys(ready.locks, end))
        waiting.remove(ready)
    return slots


def finite_loss(worth: Mapping[NodeId, Worth], times: Mapping[NodeId, Times]) -> float:
    """Expected loss of the services that are restored in the end; the rest is a rate, not a sum."""
    return sum(one.loss(times[service]) for service, one in worth.items() if times[service].ok < NEVER)


def lower_bound(jobs: Sequence[RepairJob], restoration: Restoration, worth: Mapping[NodeId, Worth]) -> float:
    """What every order loses at least: as if all jobs began at once, with executors and locks for all."""
    repaired = {node: job.work_s for job in jobs for node in job.fixes}
    return finite_loss(worth, restoration.times(repaired))
