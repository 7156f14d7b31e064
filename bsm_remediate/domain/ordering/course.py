"""The course of an order: when each job ends, when everything is back, and what is lost until then."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from copy import copy
from operator import mul
from typing import TypeVar

from bsm_remediate.domain.ordering.circuit import ALWAYS, NEVER_TRUE, Circuit, Var
from bsm_remediate.domain.ordering.job import Crew, JobId, Slot

NEVER = float("inf")
Moment = tuple[float, int]
"""A second, and the place in an order of the job that ends then."""
UNDER_WAY = -1
"""In place of a job's: a run under way ends."""
_Time = TypeVar("_Time", float, Moment)


class Courses:
    """Judges orders of the jobs of a circuit, given as the jobs' variables.

    By the work that restoring takes, failed attempts included; `if_all_succeed`: by the durations of the attempts.
    """

    def __init__(self, circuit: Circuit, crew: Crew, *, if_all_succeed: bool = False) -> None:
        self.circuit = circuit
        self._jobs = circuit.jobs
        self._free = [crew.executors[one] for one in sorted(crew.executors)]
        self._locked = dict(crew.locked)
        shared = Counter(lock for job in circuit.jobs for lock in job.locks)
        self._locks = [
            tuple(lock for lock in sorted(job.locks) if shared[lock] > 1 or lock in crew.locked) for job in circuit.jobs
        ]
        """Those that another job, or a run under way, may hold."""
        self._is_contended = any(self._locks)
        self._work = [job.duration_s if if_all_succeed else job.work_s for job in circuit.jobs]

    def with_longer(self, job: Var, seconds: float) -> Courses:
        """As if `job` took so much longer."""
        found = copy(self)
        work = found._work = list(self._work)  # noqa: SLF001  its own kind
        work[job] += seconds
        return found

    def slots(self, order: Sequence[Var]) -> dict[JobId, Slot]:
        """When and where each job runs."""
        starts: list[tuple[Var, int, float]] = []
        self._run(order, starts)
        return {
            self._jobs[var].id: Slot(executor=executor, start_s=start, end_s=start + self._work[var])
            for var, executor, start in starts
        }

    def loss(self, order: Sequence[Var]) -> float:
        """Lost until everything that the jobs bring back is back, weighted."""
        return self.lost(self.times(order))

    def lost(self, times: Sequence[float]) -> float:
        """Lost when each variable is true as `times` says."""
        variables, rates = self.circuit.straight
        straight: float = sum(map(mul, rates, map(times.__getitem__, variables)))
        return straight + sum(curve.until(times[var]) for var, curve in self.circuit.bent)

    def times(self, order: Sequence[Var]) -> list[float]:
        """Seconds until each variable is true."""
        return self.given(self._run(order, None))

    def given(self, ends: Sequence[float]) -> list[float]:
        """Seconds until each variable is true, when each job ends as `ends` says."""
        return self._at([*ends, *self.circuit.under_way])

    def moments(self, order: Sequence[Var], ends: Sequence[float]) -> list[Moment]:
        """The same, with what makes each variable true then. Of jobs that end in the same second the last of `order`
        counts as the last, so that each variable comes true by exactly one.
        """
        place = {job: number for number, job in enumerate(order)}
        jobs = [(end, place[job]) for job, end in enumerate(ends)]
        return self._at([*jobs, *((end, UNDER_WAY) for end in self.circuit.under_way)])

    def _at(self, times: list[_Time]) -> list[_Time]:
        """`times` of jobs and runs under way, and those of all gates behind."""
        time_of, add = times.__getitem__, times.append
        for need, children, weights in self.circuit.gates:
            if weights:
                add(_reached(list(map(time_of, children)), weights, need))
            elif len(children) == 2:  # most gates are: without calls
                first, second = times[children[0]], times[children[1]]
                add(first if (first < second) == (need == 1) else second)
            elif need == len(children):
                add(max(map(time_of, children)))
            elif need == 1:
                add(min(map(time_of, children)))
            else:
                add(sorted(map(time_of, children))[need - 1])
        return times

    @staticmethod
    def when(times: Sequence[float], var: Var) -> float:
        """When `var` is true; 0 when it is already, `NEVER` when nothing helps."""
        return 0.0 if var == ALWAYS else NEVER if var == NEVER_TRUE else times[var]

    def _run(self, order: Sequence[Var], starts: list[tuple[Var, int, float]] | None) -> list[float]:
        """List scheduling, as the engine does it: the executor that is free first takes the first job whose locks are.

        Returns when each job ends.
        """
        ends = [0.0] * len(self._jobs)
        free = list(self._free)
        held = dict(self._locked)
        waiting = list(order)
        while waiting:
            now = min(free)
            executor = free.index(now)
            place = 0
            if self._is_contended and self._locks[waiting[0]] and not self._is_free(waiting[0], held, now):
                place = next((n for n, var in enumerate(waiting) if self._is_free(var, held, now)), -1)
                if place < 0:
                    free[executor] = min(
                        held[lock] for var in waiting for lock in self._locks[var] if held.get(lock, 0.0) > now
                    )
                    continue
            var = waiting.pop(place)
            ends[var] = free[executor] = now + self._work[var]
            for lock in self._locks[var]:
                held[lock] = ends[var]
            if starts is not None:
                starts.append((var, executor, now))
        return ends

    def _is_free(self, var: Var, held: dict[str, float], now: float) -> bool:
        for lock in self._locks[var]:  # noqa: SIM110  ten thousand times in a search
            if lock in held and held[lock] > now:
                return False
        return True


def _reached(at: Sequence[_Time], weights: Sequence[int], need: int) -> _Time:
    ranked = sorted(zip(at, weights, strict=True))
    weight = 0
    for time, one in ranked:
        weight += one
        if weight >= need:
            return time
    return ranked[-1][0]  # never: no gate needs more than there is
