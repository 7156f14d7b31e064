"""Sidney's decomposition by charges, and the bound that they prove.

Each service charges its loss rate to jobs that it can't do without. With charges a, the loss is at least that of the
independent jobs with weights a, whose best order is Smith's rule (1956). The charges that are as even as possible per
second of work (the densest-subset decomposition, by Frank & Wolfe's steps: Danisch, Chan & Sozio 2017) make the bound
high, and their ranking of jobs an order that keeps Sidney's pieces (1975).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from bsm_remediate.domain.ordering.branches import JobSet, incidences, members_of

Numbers = NDArray[np.float64]
_STEPS = 60


def charges(groups: Mapping[JobSet, float], work: Sequence[float]) -> Numbers:
    """By job: what `groups` charge to it; the rate of each goes wholly to jobs of its set (none is empty)."""
    number = len(work)
    seconds = np.maximum(np.array(work, np.float64), 1e-9)
    if not groups:
        return np.zeros(number)
    weight = np.array(list(groups.values()))
    rows, members = incidences(list(groups), number)
    begins = np.searchsorted(rows, np.arange(len(groups)))
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


def in_pieces(
    charged: Numbers, groups: Mapping[JobSet, float], work: Sequence[float], ranked: Sequence[int]
) -> list[int]:
    """The jobs of `groups` by Sidney's pieces; within a piece the groups in the order in which `ranked` brings them
    back.

    A group is as dense as the cheapest job that it charges to, so the groups from some density on and all that they
    need are a piece. The steps that made the charges end before they are even: what stands in the wrong order by it
    becomes one piece.
    """
    number = len(work)
    seconds = np.maximum(np.array(work, np.float64), 1e-9)
    sets, rates = list(groups), list(groups.values())
    rows, members = incidences(sets, number)
    begins = np.searchsorted(rows, np.arange(len(sets)))
    density = np.minimum.reduceat((charged / seconds)[members], begins)
    place = np.full(number, number)
    place[np.array(ranked, np.int64)] = np.arange(len(ranked))
    back = np.maximum.reduceat(place[members], begins).tolist()
    rank = place.tolist()
    hull: list[tuple[float, float, list[int]]] = []
    done: JobSet = 0
    for one in np.argsort(-density, kind="stable").tolist():
        weight, length, together = rates[one], sum(work[job] for job in members_of(sets[one] & ~done)), [one]
        done |= sets[one]
        while hull and hull[-1][0] * length <= weight * hull[-1][1]:
            before = hull.pop()
            weight, length, together = weight + before[0], length + before[1], before[2] + together
        hull.append((weight, length, together))
    order: list[int] = []
    done = 0
    for _, _, together in hull:
        for one in sorted(together, key=back.__getitem__):
            order += sorted(members_of(sets[one] & ~done), key=rank.__getitem__)
            done |= sets[one]
    return order
