"""Purposes: for the sake of what each job has its place in an order."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import repeat

from bsm_remediate.domain.ordering.circuit import Circuit, Var
from bsm_remediate.domain.ordering.course import Courses, Moment


@dataclass(frozen=True, kw_only=True, slots=True)
class Purpose:
    """The first thing of value that a job brings back, with all that has to be done for it beside."""

    valued: tuple[Var, ...]
    """The variables that are true once `jobs` are done; empty: nothing of value."""
    jobs: tuple[Var, ...]
    """In their order."""
    rate: float
    """Loss per second that ends, weighted: the mean until it is back."""
    work_s: float

    @property
    def density(self) -> float:
        """Loss per second that ends, for each second of work."""
        return self.rate / max(self.work_s, 1e-9)


def purposes(courses: Courses, order: Sequence[Var]) -> dict[Var, Purpose]:
    """The purpose of each job of `order`."""
    circuit = courses.circuit
    times = courses.moments(order, courses.times(order)[: len(circuit.jobs)])
    by_time: dict[Moment, list[tuple[Var, float]]] = {}
    for var, curve in circuit.valued:
        at = times[var][0]
        by_time.setdefault(times[var], []).append((var, curve.until(at) / at if at > 0 else curve.rate))
    place = {job: number for number, job in enumerate(order)}
    found: dict[Var, Purpose] = {}
    seen: set[Var] = set()
    for moment in sorted(by_time):
        group = by_time[moment]
        needed = [job for var, _ in group for job in _realised(circuit, times, var, seen)]
        jobs = tuple(sorted(needed, key=place.__getitem__))
        purpose = Purpose(
            valued=tuple(var for var, _ in group),
            jobs=jobs,
            rate=sum(rate for _, rate in group),
            work_s=sum(circuit.jobs[job].work_s for job in jobs),
        )
        found.update(dict.fromkeys(jobs, purpose))
    for job in order:
        if job not in found:
            found[job] = Purpose(valued=(), jobs=(job,), rate=0.0, work_s=circuit.jobs[job].work_s)
    return found


def _realised(circuit: Circuit, times: Sequence[Moment], var: Var, seen: set[Var]) -> list[Var]:
    """The jobs that make `var` true when it is, those in `seen` left out: of each gate the children that are first."""
    found: list[Var] = []
    waiting = [var]
    while waiting:
        one = waiting.pop()
        if one in seen:
            continue
        seen.add(one)
        if one < circuit.first_gate:
            if one < len(circuit.jobs):
                found.append(one)
            continue
        need, children, weights = circuit.gates[one - circuit.first_gate]
        pairs = zip(children, weights or repeat(1), strict=bool(weights))
        for child, weight in sorted(pairs, key=lambda pair: (times[pair[0]], pair[0])):
            waiting.append(child)
            need -= weight
            if need <= 0:
                break
    return found
