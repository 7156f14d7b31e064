"""What every order loses at least."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import numpy as np

from bsm_remediate.domain.loss_curve import LossCurve
from bsm_remediate.domain.ordering.branches import JobSet, grouped, needed_sets
from bsm_remediate.domain.ordering.circuit import Circuit
from bsm_remediate.domain.ordering.course import Courses
from bsm_remediate.domain.ordering.job import Crew
from bsm_remediate.domain.ordering.sidney import Numbers, charges, smith

_MOST_MEMBERS = 200_000
"""Members of sets, all together, that charges are worked out for: some 30 ms."""


def lower_bound(courses: Courses, crew: Crew) -> float:
    """The higher of two bounds: as if all jobs began at once, and that of the charges for the work that nobody can do
    without, on as many executors as there are (Eastman, Even & Isaacs 1964) or host by host.
    """
    circuit = courses.circuit
    if not circuit.valued:
        return 0.0
    begin = min(crew.executors.values())
    times = courses.given([begin + job.work_s for job in circuit.jobs])
    starts, rates = _lines(circuit)
    sets = _charged(needed_sets(circuit), rates)
    charged = charges(grouped(sets, rates), [job.work_s for job in circuit.jobs])
    by_work = sum(starts) + begin * sum(rates)
    for start, rate, jobs, (var, curve) in zip(starts, rates, sets, circuit.valued, strict=True):
        if not jobs:  # nobody can say which work it needs
            by_work += curve.until(times[var]) - start - rate * begin
    work = np.maximum(np.array([job.work_s for job in circuit.jobs]), 1e-9)
    half = float((charged * work).sum()) / 2
    shared = max((smith(charged, work) - half) / len(crew.executors) + half, _host_by_host(circuit, charged, work))
    return max(courses.lost(times), by_work + shared)


def _lines(circuit: Circuit) -> tuple[list[float], list[float]]:
    """By valued variable: start and rate of a line below its curve."""
    bent = {var: below(curve) for var, curve in circuit.bent}
    starts, rates = [0.0] * len(circuit.valued), [curve.rate for _, curve in circuit.valued]
    for place, (var, _) in enumerate(circuit.valued if bent else ()):
        if var in bent:
            starts[place], rates[place] = bent[var]
    return starts, rates


def _charged(sets: Sequence[JobSet], rates: Sequence[float]) -> list[JobSet]:
    """The sets, those emptied that would be too many members to charge to: the least dense ones, which say least."""
    sizes = [one.bit_count() for one in sets]
    if sum(sizes) <= _MOST_MEMBERS:
        return list(sets)
    kept: list[JobSet] = [0] * len(sets)
    room = _MOST_MEMBERS
    for one in sorted(range(len(sets)), key=lambda one: (-rates[one] / max(sizes[one], 1), one)):
        room -= sizes[one]
        if room < 0:
            break
        kept[one] = sets[one]
    return kept


def _host_by_host(circuit: Circuit, charged: Numbers, work: Numbers) -> float:
    """Jobs that hold the same lock wait for each other, however many executors there are."""
    by_lock: dict[str, list[int]] = defaultdict(list)
    for number, job in enumerate(circuit.jobs):
        by_lock[min(job.locks, default=f"job {number}")].append(number)
    alone = [jobs[0] for jobs in by_lock.values() if len(jobs) == 1]
    together = sum(smith(charged[jobs], work[jobs]) for jobs in by_lock.values() if len(jobs) > 1)
    return together + float((charged[alone] * work[alone]).sum())


def below(curve: LossCurve) -> tuple[float, float]:
    """A straight line that `curve` is never below: what is lost at its start, and the rate per second."""
    if len(curve.seconds) == 1:
        return curve.lost[0], curve.rate
    slopes = [
        (lost - curve.lost[0]) / second for second, lost in zip(curve.seconds, curve.lost, strict=True) if second > 0
    ]
    return curve.lost[0], min([*slopes, curve.rate])
