"""The course of an order: when each job ends, when everything is back, and what is lost until then."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from bsm_remediate.domain.ordering.circuit import ALWAYS, NEVER_TRUE, Circuit, Var
from bsm_remediate.domain.ordering.job import Crew, JobId, Slot

NEVER = float("inf")


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
        times = self.times(order)
        return sum(curve.until(times[var]) for var, curve in self.circuit.valued)

    def times(self, order: Sequence[Var]) -> list[float]:
        """Seconds until each variable is true."""
        return self.given(self._run(order, None))

    def given(self, ends: Sequence[float]) -> list[float]:
        """Seconds until each variable is true, when each job ends as `ends` says."""
        times = [*ends, *self.circuit.under_way]
        for need, children, weights in self.circuit.gates:
            at = [times[child] for child in children]
            if weights:
                times.append(_reached(at, weights, need))
            elif need == len(at):
                times.append(max(at))
            elif need == 1:
                times.append(min(at))
            else:
                times.append(sorted(at)[need - 1])
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
            executor = free.index(min(free))
            now = free[executor]
            place = 0
            if self._is_contended:
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
        return all(held.get(lock, 0.0) <= now for lock in self._locks[var])


def _reached(at: Sequence[float], weights: Sequence[int], need: int) -> float:
    weight = 0
    for time, one in sorted(zip(at, weights, strict=True)):
        weight += one
        if weight >= need:
            return time
    return NEVER
