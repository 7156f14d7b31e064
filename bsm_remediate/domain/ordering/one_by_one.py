"""The best order for one executor, proven: A* over what is done.

Between two recoveries only what the next one needs is worth running. So the steps are the smallest sets of jobs that
bring something back, and of those only sets that contain no other.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from heapq import heappop, heappush

from bsm_remediate.domain.ordering.bound import below
from bsm_remediate.domain.ordering.branches import JobSet, members_of
from bsm_remediate.domain.ordering.circuit import Circuit, Var
from bsm_remediate.domain.ordering.course import Courses
from bsm_remediate.domain.ordering.job import Crew
from bsm_remediate.domain.ordering.order import Ordering
from bsm_remediate.domain.ordering.remaining import Remaining
from bsm_remediate.domain.ordering.ways import indispensable, is_reached, smallest

_ALL_BUT_EQUAL = 1e-9


class OneByOne:
    """One executor: what is done tells what time it is."""

    def __init__(self, circuit: Circuit, crew: Crew, ways: Sequence[list[JobSet]]) -> None:
        self._circuit = circuit
        self._ways = ways
        self._curves = [curve for _, curve in circuit.valued]
        self._lines = [below(curve) for curve in self._curves]
        self._work = [max(job.work_s, _ALL_BUT_EQUAL) for job in circuit.jobs]
        self._begin = min(crew.executors.values())
        self._charges = Remaining(self._work)
        self._courses = Courses(circuit, crew)

    def improved(self, found: Ordering, looks: int) -> Ordering:
        least = found.loss
        steps: dict[JobSet, tuple[float, JobSet]] = {0: (0.0, 0)}
        """What is done → the least that this has cost, and what was done before."""
        waiting = [(self._bound(0, self._begin), 0, 0.0)]
        bound = found.lower_bound
        while waiting:
            estimate, done, cost = heappop(waiting)
            bound = max(bound, min(estimate, least))
            if estimate >= least * (1 - _ALL_BUT_EQUAL):
                return replace(found, lower_bound=least, is_proven=True)
            if cost > steps[done][0]:
                continue
            open_ = [number for number, ways in enumerate(self._ways) if not is_reached(ways, done)]
            if not open_:
                order = self._order(steps, done, found.order)
                loss = self._courses.loss(order)
                return Ordering(order=order, loss=loss, lower_bound=loss, is_proven=True)
            if looks <= 0:
                break
            for step in smallest(way & ~done for number in open_ for way in self._ways[number]):
                after = done | step
                end = self._end(after)
                reached = [number for number in open_ if is_reached(self._ways[number], after)]
                total = cost + sum(self._curves[number].until(end) for number in reached)
                if after in steps and steps[after][0] <= total:
                    continue
                estimate = total + self._bound(after, end)
                looks -= 1
                if estimate < least * (1 - _ALL_BUT_EQUAL):
                    steps[after] = (total, done)
                    heappush(waiting, (estimate, after, total))
        else:
            return replace(found, lower_bound=least, is_proven=True)
        return replace(found, lower_bound=min(bound, least))

    def _end(self, done: JobSet) -> float:
        return self._begin + self._seconds(done)

    def _bound(self, done: JobSet, now: float) -> float:
        """What is open loses at least. Things that several ways bring back may share nothing: those count by
        themselves, at the work of their shortest way.
        """
        lost = 0.0
        charged = []
        for ways, (start, rate) in zip(self._ways, self._lines, strict=True):
            if is_reached(ways, done):
                continue
            needed = indispensable(ways, done)
            lost += start + rate * now
            shortest = min(self._seconds(way & ~done) for way in ways)
            if 2 * self._seconds(needed) < shortest:
                lost += rate * shortest
            else:
                charged.append((rate, needed))
        return lost + self._charges(charged, 1)

    def _seconds(self, jobs: JobSet) -> float:
        return sum(self._work[job] for job in members_of(jobs))

    def _order(self, steps: dict[JobSet, tuple[float, JobSet]], done: JobSet, rest: Sequence[Var]) -> tuple[Var, ...]:
        groups = []
        while done:
            before = steps[done][1]
            groups.append(members_of(done & ~before))
            done = before
        order = [job for group in reversed(groups) for job in group]
        return (*order, *(job for job in rest if job not in set(order)))
