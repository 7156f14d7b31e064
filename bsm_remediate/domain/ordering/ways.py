"""Ways: the smallest sets of jobs that bring something back."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import combinations

from bsm_remediate.domain.ordering.branches import JobSet
from bsm_remediate.domain.ordering.circuit import Circuit, Threshold

_MOST_WAYS = 300
"""Of one thing."""


def ways_of(circuit: Circuit) -> list[list[JobSet]] | None:
    """By valued variable: the smallest sets of jobs that make it true. None when one has too many."""
    found: list[list[JobSet]] = [[1 << job] for job in range(len(circuit.jobs))]
    found += [[0] for _ in circuit.under_way]
    for gate in circuit.gates:
        sets = _ways_through(gate, found)
        if sets is None:
            return None
        found.append(sets)
    return [found[var] for var, _ in circuit.valued]


def _ways_through(gate: Threshold, found: Sequence[list[JobSet]]) -> list[JobSet] | None:
    weights = gate.weights or (1,) * len(gate.children)
    pairs = list(zip(gate.children, weights, strict=True))
    sets: set[JobSet] = set()
    for size in range(1, len(pairs) + 1):
        for chosen in combinations(pairs, size):
            weight = sum(one for _, one in chosen)
            if weight < gate.need or weight - min(one for _, one in chosen) >= gate.need:
                continue
            together = {0}
            for child, _ in chosen:
                together = smallest(one | other for one in together for other in found[child])
                if len(together) > _MOST_WAYS:
                    return None
            sets |= together
            if len(sets) > 4 * _MOST_WAYS:
                return None
    least = smallest(sets)
    return sorted(least) if len(least) <= _MOST_WAYS else None


def smallest(sets: Iterable[JobSet]) -> set[JobSet]:
    """Those of `sets` that contain no other."""
    kept: list[JobSet] = []
    for one in sorted(set(sets), key=lambda one: (one.bit_count(), one)):
        if not any(other & one == other for other in kept):
            kept.append(one)
    return set(kept)


def is_reached(ways: Sequence[JobSet], done: JobSet) -> bool:
    return any(way & ~done == 0 for way in ways)


def indispensable(ways: Sequence[JobSet], done: JobSet) -> JobSet:
    """What is missing whichever way is taken."""
    found = ~0
    for way in ways:
        found &= way
    return found & ~done
