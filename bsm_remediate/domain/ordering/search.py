"""Local search on an order: jobs are pulled, moved and swapped, by late acceptance (Burke & Bykov 2017)."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import repeat

from bsm_remediate.domain.ordering.circuit import Var
from bsm_remediate.domain.ordering.course import Courses
from bsm_remediate.domain.ordering.draws import Draws

_HISTORY = 30
_ONES = repeat(1)


def improved(courses: Courses, order: Sequence[Var], *, looks: int, seed: int) -> tuple[list[Var], float]:
    """The best of at most `looks` orders near `order`, and its loss. The same input gives the same order."""
    chance = Draws(seed)
    current = list(order)
    best, least = current, courses.loss(current)
    loss = least
    memory = [loss] * _HISTORY
    pull = _Pull(courses)
    for look in range(looks if len(order) > 1 and courses.circuit.valued else 0):
        kind = chance.share()
        moved = pull.applied(current, chance) if kind < 0.5 else _shifted(current, chance, is_block=kind > 0.85)
        if moved == current:
            continue
        found = courses.loss(moved)
        if found <= memory[look % _HISTORY] or found <= loss:
            current, loss = moved, found
            if found < least - 1e-9:
                best, least = moved, found
        memory[look % _HISTORY] = loss
    return best, least


class _Pull:
    """Pulls all that one service still waits for to an earlier place."""

    def __init__(self, courses: Courses) -> None:
        self._courses = courses
        self._circuit = courses.circuit

    def applied(self, order: list[Var], chance: Draws) -> list[Var]:
        var, _ = chance.one_of(self._circuit.valued)
        wanted = self._jobs_of(var, chance)
        places = [place for place, job in enumerate(order) if job in wanted]
        if not places:
            return order
        first = chance.below(places[-1] + 1)
        pulled = [order[place] for place in places if place >= first]
        head = order[:first]
        return head + pulled + [job for job in order[first:] if job not in wanted]

    def _jobs_of(self, var: Var, chance: Draws) -> set[Var]:
        """Jobs that bring `var` back, branches taken by chance."""
        first_gate = self._circuit.first_gate
        found: set[Var] = set()
        seen: set[Var] = set()
        waiting = [var]
        while waiting:
            one = waiting.pop()
            if one in seen:
                continue
            seen.add(one)
            if one < first_gate:
                found.add(one)
                continue
            need, children, weights = self._circuit.gates[one - first_gate]
            if need == len(children) and not weights:
                waiting += children
                continue
            ranked = sorted(zip(children, weights or _ONES, strict=bool(weights)), key=lambda _: chance.share())
            for child, weight in ranked:
                waiting.append(child)
                need -= weight
                if need <= 0:
                    break
        return found


def _shifted(order: list[Var], chance: Draws, *, is_block: bool) -> list[Var]:
    length = 2 + chance.below(max(len(order) // 3, 1)) if is_block else 1
    begin = chance.below(len(order))
    block = order[begin : begin + length]
    rest = order[:begin] + order[begin + length :]
    place = chance.below(len(rest) + 1)
    return rest[:place] + block + rest[place:]
