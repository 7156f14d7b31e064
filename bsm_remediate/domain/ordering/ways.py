"""Ways: the smallest sets of jobs that bring something back."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate, combinations
from math import comb

from bsm_remediate.domain.ordering.branches import JobSet
from bsm_remediate.domain.ordering.circuit import Circuit, Threshold, Var

_MOST_WAYS = 300
"""Of one thing."""
_MOST_CHOICES = 2_000
"""Of the children of one gate: where forty are needed of forty there is one, where twenty are, 10^11."""


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
    if not gate.weights and comb(len(gate.children), gate.need) > _MOST_CHOICES:
        return None
    sets: set[JobSet] = set()
    for tried, chosen in enumerate(_choices(gate)):
        together = {0}
        for child in chosen:
            together = smallest(one | other for one in together for other in found[child])
            if len(together) > _MOST_WAYS:
                return None
        sets |= together
        if len(sets) > 4 * _MOST_WAYS or tried >= _MOST_CHOICES:
            return None
    least = smallest(sets)
    return sorted(least) if len(least) <= _MOST_WAYS else None


def _choices(gate: Threshold) -> Iterator[tuple[Var, ...]]:
    """The children that suffice together, without one that could be left out; one choice after the other, each found
    within as many steps as there are children.
    """
    if not gate.weights:
        yield from combinations(gate.children, gate.need)
        return
    # Heaviest first: whoever is added last is the lightest, and the choice did not suffice without it.
    pairs = sorted(zip(gate.weights, gate.children, strict=True), reverse=True)
    left = [*accumulate((weight for weight, _ in reversed(pairs)), initial=0)][::-1]
    unfinished: list[tuple[int, int, tuple[Var, ...]]] = [(0, 0, ())]
    while unfinished:
        place, weight, chosen = unfinished.pop()
        if weight >= gate.need:
            yield chosen
        elif weight + left[place] >= gate.need:
            more, child = pairs[place]
            unfinished.append((place + 1, weight, chosen))
            unfinished.append((place + 1, weight + more, (*chosen, child)))


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
