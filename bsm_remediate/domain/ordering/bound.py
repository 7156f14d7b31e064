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


def lower_bound(circuit: Circuit, crew: Crew) -> float:
    """The higher of two bounds: as if all jobs began at once, and that of the charges for the work that nobody can do
    without, on as many executors as there are (Eastman, Even & Isaacs 1964) or host by host.
    """
    if not circuit.valued:
        return 0.0
    begin = min(crew.executors.values())
    times = Courses(circuit, crew).given([begin + job.work_s for job in circuit.jobs])
    at_once = [curve.until(times[var]) for var, curve in circuit.valued]
    lines = [below(curve) for _, curve in circuit.valued]
    sets = _charged(needed_sets(circuit), lines)
    rates = [rate for _, rate in lines]
    charged = charges(grouped(sets, rates), [job.work_s for job in circuit.jobs])
    by_work = sum(one for one, jobs in zip(at_once, sets, strict=True) if not jobs)
    by_work += sum(start + rate * begin for (start, rate), jobs in zip(lines, sets, strict=True) if jobs)
    work = np.maximum(np.array([job.work_s for job in circuit.jobs]), 1e-9)
    half = float((charged * work).sum()) / 2
    shared = max((smith(charged, work) - half) / len(crew.executors) + half, _host_by_host(circuit, charged, work))
    return max(sum(at_once), by_work + shared)


def _charged(sets: Sequence[JobSet], lines: Sequence[tuple[float, float]]) -> list[JobSet]:
    """The sets, those emptied that would be too many members to charge to: the least dense ones, which say least."""
    sizes = [one.bit_count() for one in sets]
    if sum(sizes) <= _MOST_MEMBERS:
        return list(sets)
    kept: list[JobSet] = [0] * len(sets)
    room = _MOST_MEMBERS
    for one in sorted(range(len(sets)), key=lambda one: (-lines[one][1] / max(sizes[one], 1), one)):
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
