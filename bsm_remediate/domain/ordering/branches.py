"""Branches: which jobs bring a variable back, where redundancy leaves a choice."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import chain

import numpy as np
from numpy.typing import NDArray

from bsm_remediate.domain.ordering.circuit import Circuit, Threshold

JobSet = int
"""Bit i: job i."""
_CELLS_AT_ONCE = 4_000_000
_SPARSE = 64
"""Where fewer than one in so many jobs is in a set, members are listed one by one."""


def grouped(sets: Sequence[JobSet], rates: Sequence[float]) -> dict[JobSet, float]:
    """What is of value by the jobs that bring it back: distinct sets, none empty, and the loss rate of each."""
    found: dict[JobSet, float] = {}
    for one, rate in zip(sets, rates, strict=True):
        if one:
            found[one] = found.get(one, 0.0) + rate
    return found


def cheapest_sets(circuit: Circuit, price: Sequence[float]) -> list[JobSet]:
    """For each valued variable the jobs that bring it back: of each gate the cheapest children, by the sum of the
    prices of their own (h_add of Bonet & Geffner). Free jobs (price 0) are left out.
    """
    cost = [*price, *([0.0] * len(circuit.under_way))]
    sets: list[JobSet] = [1 << job if one > 0 else 0 for job, one in enumerate(price)]
    sets += [0] * len(circuit.under_way)
    for gate in circuit.gates:
        need, children, weights = gate
        if need == 1:  # a child alone is enough, however much it weighs
            child = min(children, key=cost.__getitem__)
            sets.append(sets[child])
            cost.append(cost[child])
            continue
        found, total = 0, 0.0
        for child in children if need == len(children) and not weights else _cheapest(gate, cost):
            found |= sets[child]
            total += cost[child]
        sets.append(found)
        cost.append(total)
    return [sets[var] for var, _ in circuit.valued]


def earliest_sets(circuit: Circuit, times: Sequence[float]) -> list[JobSet]:
    """For each valued variable the jobs that bring it back when each variable is true as `times` says: of each gate the
    children that are first.
    """
    sets: list[JobSet] = [1 << job for job in range(len(circuit.jobs))] + [0] * len(circuit.under_way)
    for gate in circuit.gates:
        need, children, weights = gate
        found = 0
        for child in children if need == len(children) and not weights else _first(gate, times):
            found |= sets[child]
        sets.append(found)
    return [sets[var] for var, _ in circuit.valued]


def needed_sets(circuit: Circuit) -> list[JobSet]:
    """For each valued variable the jobs without which it never comes back, whichever branches are taken."""
    sets: list[JobSet] = [1 << job for job in range(len(circuit.jobs))] + [0] * len(circuit.under_way)
    for gate in circuit.gates:
        need, children, weights = gate
        found = sets[children[0]]
        if not weights and need == len(children):
            for child in children:
                found |= sets[child]
        elif not weights and need == 1:
            for child in children:
                found &= sets[child]
        else:
            found = _shared_by_all_ways(gate, [sets[child] for child in children])
        sets.append(found)
    return [sets[var] for var, _ in circuit.valued]


def members_of(jobs: JobSet) -> list[int]:
    """The jobs of a set, ascending."""
    found = []
    while jobs:
        lowest = jobs & -jobs
        found.append(lowest.bit_length() - 1)
        jobs ^= lowest
    return found


def as_table(sets: Iterable[JobSet], jobs: int) -> NDArray[np.bool_]:
    """Row for each set, column for each job."""
    width = (jobs + 7) // 8
    packed = b"".join(one.to_bytes(width, "little") for one in sets)
    rows = np.frombuffer(packed, np.uint8).reshape(-1, width)
    return np.unpackbits(rows, axis=1, count=jobs, bitorder="little").astype(np.bool_)


def sums(sets: Sequence[JobSet], work: Sequence[float]) -> list[float]:
    """By set: the work of all its jobs."""
    found: list[float] = []
    each = np.array(work, np.float64)
    chunk = max(_CELLS_AT_ONCE // max(len(work), 1), 1)
    for begin in range(0, len(sets), chunk):
        some = sets[begin : begin + chunk]
        rows, members = incidences(some, len(work))
        found += np.bincount(rows, each[members], len(some)).tolist()
    return found


def incidences(sets: Sequence[JobSet], jobs: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """All pairs of a set (its place) and a job in it, set by set."""
    sizes = [one.bit_count() for one in sets]
    if sum(sizes) * _SPARSE < len(sets) * jobs:
        listed = np.fromiter(chain.from_iterable(map(members_of, sets)), np.int64, sum(sizes))
        return np.repeat(np.arange(len(sets)), sizes), listed
    rows: list[NDArray[np.int64]] = [np.zeros(0, np.int64)]
    members: list[NDArray[np.int64]] = [np.zeros(0, np.int64)]
    chunk = max(_CELLS_AT_ONCE // max(jobs, 1), 1)
    for begin in range(0, len(sets), chunk):
        places, found = np.nonzero(as_table(sets[begin : begin + chunk], jobs))
        rows.append(places + begin)
        members.append(found)
    return np.concatenate(rows), np.concatenate(members)


def _first(gate: Threshold, times: Sequence[float]) -> list[int]:
    ranked = sorted(gate.children, key=lambda child: (times[child], child))
    if not gate.weights:
        return ranked[: gate.need]
    weight_of = dict(zip(gate.children, gate.weights, strict=True))
    chosen, weight = [], 0
    for child in ranked:
        chosen.append(child)
        weight += weight_of[child]
        if weight >= gate.need:
            break
    return chosen


def _cheapest(gate: Threshold, cost: Sequence[float]) -> list[int]:
    """The cheapest children of a gate that needs more than one."""
    if not gate.weights:
        return sorted(gate.children, key=lambda child: (cost[child], child))[: gate.need]
    ranked = sorted(
        zip(gate.children, gate.weights, strict=True), key=lambda one: (cost[one[0]] / one[1], cost[one[0]], one[0])
    )
    chosen, weight = [], 0
    for child, one in ranked:
        chosen.append(child)
        weight += one
        if weight >= gate.need:
            break
    return chosen


def _shared_by_all_ways(gate: Threshold, of_children: Sequence[JobSet]) -> JobSet:
    """Jobs that so many children need that too few are left without them."""
    weights = gate.weights or (1,) * len(of_children)
    spare = sum(weights) - gate.need
    found = 0
    for job in members_of(_union(of_children)):
        weight = sum(one for one, jobs in zip(weights, of_children, strict=True) if jobs >> job & 1)
        found |= (weight > spare) << job
    return found


def _union(sets: Iterable[JobSet]) -> JobSet:
    found = 0
    for one in sets:
        found |= one
    return found
