"""Sidney's decomposition by charges, and the bound that they prove.

Each service charges its loss rate to jobs that it can't do without. With charges a, the loss is at least that of the
independent jobs with weights a, whose best order is Smith's rule (1956). The charges that are as even as possible per
second of work (the densest-subset decomposition, by Frank & Wolfe's steps: Danisch, Chan & Sozio 2017) make the bound
high, and their ranking of jobs an order that keeps Sidney's pieces (1975).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from bsm_remediate.domain.ordering.branches import JobSet, incidences

Numbers = NDArray[np.float64]
_STEPS = 60


def charges(sets: Sequence[JobSet], rates: Sequence[float], work: Sequence[float]) -> Numbers:
    """By job: what the services with these `sets` charge to it; each `rate` goes wholly to jobs of its set. Those with
    an empty set charge nothing.
    """
    number = len(work)
    seconds = np.maximum(np.array(work, np.float64), 1e-9)
    kept = [(one, rate) for one, rate in zip(sets, rates, strict=True) if one and rate > 0]
    if not kept:
        return np.zeros(number)
    weight = np.array([rate for _, rate in kept])
    rows, members = incidences([one for one, _ in kept], number)
    begins = np.searchsorted(rows, np.arange(len(kept)))
    sizes = np.diff(np.append(begins, len(members)))
    # At first each service gives to all its jobs by their work.
    share = seconds[members] / np.repeat(np.add.reduceat(seconds[members], begins), sizes)
    charged: Numbers = np.bincount(members, share * np.repeat(weight, sizes), minlength=number).astype(np.float64)
    for _ in range(_STEPS):
        ranking = np.argsort(charged / seconds, kind="stable")
        place = np.empty(number, np.int64)
        place[ranking] = np.arange(number)
        cheapest = ranking[np.minimum.reduceat(place[members], begins)]
        step = np.bincount(cheapest, weight, minlength=number) - charged
        curvature = float((step * step / seconds).sum())
        length = -float((charged * step / seconds).sum()) / curvature if curvature > 0 else 0.0
        if length <= 1e-6:
            break
        charged = charged + min(length, 1.0) * step
    return charged


def smith(weights: Numbers, work: Numbers) -> float:
    """The least sum of weight times end of independent jobs on one executor (Smith 1956)."""
    order = np.argsort(-weights / work, kind="stable")
    return float((weights[order] * np.cumsum(work[order])).sum())


def pieces(charged: Numbers, work: Sequence[float], ranked: Sequence[int]) -> list[int]:
    """The jobs of `ranked` by Sidney's pieces, those of one piece as they stand there."""
    seconds = np.maximum(np.array(work, np.float64), 1e-9)
    order = np.argsort(-charged / seconds, kind="stable").tolist()
    piece_of: dict[int, int] = {}
    hull: list[tuple[float, float, list[int]]] = []
    for job in order:
        weight, length, members = float(charged[job]), float(seconds[job]), [job]
        # Jobs whose density is all but equal belong together: the steps above end before they are wholly even.
        while hull and hull[-1][0] / hull[-1][1] <= 1.02 * weight / length:
            before = hull.pop()
            weight, length, members = weight + before[0], length + before[1], before[2] + members
        hull.append((weight, length, members))
    for number, (_, _, members) in enumerate(hull):
        piece_of.update(dict.fromkeys(members, number))
    return sorted(ranked, key=lambda job: piece_of[job])  # a stable sort keeps the ranking within a piece
