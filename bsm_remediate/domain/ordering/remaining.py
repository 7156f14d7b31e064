"""A bound on what is still to be lost.

Each thing that is open gives its loss rate to jobs that it can't do without any more, as evenly per second of work as
they allow, and the jobs can't be done faster than by Smith's rule (see `sidney`).
"""

from __future__ import annotations

from collections.abc import Sequence

from bsm_remediate.domain.ordering.branches import JobSet, members_of


class Remaining:
    """What open things lose at least."""

    def __init__(self, work: Sequence[float]) -> None:
        self._work = work

    def __call__(self, open_: Sequence[tuple[float, JobSet]], executors: int) -> float:
        """What things with these rates, for each of which all jobs of its set are still missing, lose at least from now
        on, when all `executors` are free now.
        """
        work = self._work
        needed = [(rate, members_of(jobs)) for rate, jobs in open_ if jobs and rate > 0]
        density: dict[int, float] = {}
        given: list[dict[int, float]] = []
        for rate, jobs in needed:
            seconds = sum(work[job] for job in jobs)
            given.append({job: rate * work[job] / seconds for job in jobs})
            for job in jobs:
                density[job] = density.get(job, 0.0) + rate / seconds
        for _ in range(2):
            for number, (rate, jobs) in enumerate(needed):
                if len(jobs) > 1:
                    _level(rate, jobs, given[number], density, work)
        total = elapsed = half = 0.0
        for job in sorted(density, key=lambda job: -density[job]):
            elapsed += work[job]
            total += density[job] * work[job] * elapsed
            half += density[job] * work[job] * work[job] / 2
        return (total - half) / executors + half  # Eastman, Even & Isaacs 1964


def _level(
    rate: float, jobs: Sequence[int], given: dict[int, float], density: dict[int, float], work: Sequence[float]
) -> None:
    """Give `rate` anew to `jobs`, the least dense first, until they are level."""
    for job in jobs:
        density[job] -= given[job] / work[job]
    ranked = sorted(jobs, key=lambda job: density[job])
    seconds = filled = 0.0
    level = 0.0
    for place, job in enumerate(ranked):
        seconds += work[job]
        filled += density[job] * work[job]
        level = (rate + filled) / seconds
        if place + 1 == len(ranked) or level <= density[ranked[place + 1]]:
            break
    for job in jobs:
        given[job] = max(level - density[job], 0.0) * work[job]
        density[job] += given[job] / work[job]
