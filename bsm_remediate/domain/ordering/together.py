"""The best order for any crew, proven where that can be had: branch and bound, depth first, over the jobs that the
executor which is free first may take.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import inf

from bsm_remediate.domain.ordering.bound import below
from bsm_remediate.domain.ordering.branches import JobSet, needed_sets
from bsm_remediate.domain.ordering.circuit import Circuit, Var
from bsm_remediate.domain.ordering.course import Courses
from bsm_remediate.domain.ordering.job import Crew
from bsm_remediate.domain.ordering.order import Ordering
from bsm_remediate.domain.ordering.remaining import Remaining
from bsm_remediate.domain.ordering.ways import indispensable

_ALL_BUT_EQUAL = 1e-9


class Together:
    """Any crew: depth first, the jobs that the executor which is free first may take one after another."""

    def __init__(self, circuit: Circuit, crew: Crew, ways: Sequence[list[JobSet]] | None) -> None:
        self._circuit = circuit
        self._crew = crew
        needed = needed_sets(circuit) if ways is None else [indispensable(one, 0) for one in ways]
        self._things = [(below(curve), jobs) for (_, curve), jobs in zip(circuit.valued, needed, strict=True)]
        self._work = [max(job.work_s, _ALL_BUT_EQUAL) for job in circuit.jobs]
        self._courses = Courses(circuit, crew)
        self._charges = Remaining(self._work)
        used = {var for var, _ in circuit.valued}.union(*(gate.children for gate in circuit.gates))
        self._useful = [job for job in range(len(circuit.jobs)) if job in used]

    def improved(self, found: Ordering, looks: int) -> Ordering:
        self._least, self._best, self._looks = found.loss, found.order, looks
        self._left_out = inf
        """The least bound of what was not looked at any more."""
        rank = {job: place for place, job in enumerate(found.order)}
        ranked = sorted(self._useful, key=rank.__getitem__)
        free = [self._crew.executors[one] for one in sorted(self._crew.executors)]
        stack = [_Begun(order=(), ends={}, free=free, held=dict(self._crew.locked))]
        while stack:
            begun = stack.pop()
            bound = self._bound(begun)
            if bound >= self._least * (1 - _ALL_BUT_EQUAL):
                continue
            self._looks -= 1
            if self._looks < 0:
                self._left_out = min(self._left_out, bound)
                continue
            if len(begun.order) == len(ranked):
                order = (*begun.order, *(job for job in found.order if job not in begun.ends))
                loss = self._courses.loss(order)
                if loss < self._least:
                    self._least, self._best = loss, order
                continue
            stack += reversed(list(self._next(begun, ranked)))
        bound = max(found.lower_bound, min(self._left_out, self._least))
        is_proven = bound >= self._least * (1 - _ALL_BUT_EQUAL)
        return Ordering(order=self._best, loss=self._least, lower_bound=bound, is_proven=is_proven)

    def _next(self, begun: _Begun, ranked: Sequence[Var]) -> Iterator[_Begun]:
        """Every job that may begin next, those first that were first in the order to be beaten."""
        free, held = list(begun.free), begun.held
        waiting = [job for job in ranked if job not in begun.ends]
        while True:
            executor = free.index(min(free))
            now = free[executor]
            ready = [job for job in waiting if self._opens(job, held) <= now]
            if ready:
                break
            free[executor] = min(self._opens(job, held) for job in waiting)
        for job in ready:
            end = now + self._work[job]
            locks = dict.fromkeys(self._circuit.jobs[job].locks, end)
            yield _Begun(
                order=(*begun.order, job),
                ends={**begun.ends, job: end},
                free=[*free[:executor], end, *free[executor + 1 :]],
                held={**held, **locks},
            )

    def _opens(self, job: Var, held: Mapping[str, float]) -> float:
        return max((held.get(lock, 0.0) for lock in self._circuit.jobs[job].locks), default=0.0)

    def _bound(self, begun: _Begun) -> float:
        now = min(begun.free)
        at_once = [begun.ends.get(job, now + work) for job, work in enumerate(self._work)]
        times = self._courses.given(at_once)
        done = sum(1 << job for job in begun.ends)
        alone = [curve.until(times[var]) for var, curve in self._circuit.valued]
        lost, charged = 0.0, []
        for one, ((start, rate), needed) in zip(alone, self._things, strict=True):
            missing = needed & ~done
            if missing:
                lost += start + rate * now
                charged.append((rate, missing))
            else:
                lost += one
        return max(sum(alone), lost + self._charges(charged, len(begun.free)))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Begun:
    """What has begun, in that order."""

    order: tuple[Var, ...]
    ends: Mapping[Var, float]
    free: list[float]
    held: Mapping[str, float]
