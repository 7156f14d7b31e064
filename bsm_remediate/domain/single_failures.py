"""Single failures: the components any one of whose failure would take a node down.

A child that its parent cannot do without passes all its own on to it. Where a parent has something to spare, those
count that take more than that: all but a few of its children at once. So along a chain nothing is computed twice, and
only at redundancy sets are compared.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import groupby

import numpy as np
from numpy.typing import NDArray

from bsm_remediate.domain.compact import CompactMap
from bsm_remediate.domain.live_levels import LiveLevels

Goal = int
"""Twice a vertex: that it becomes down. One more: that it becomes degraded, or down."""
_NOTHING: frozenset[int] = frozenset()


class SingleFailures:
    """Of one moment: the levels of `live` may not change while it is used."""

    def __init__(self, compact: CompactMap, live: LiveLevels, is_component: NDArray[np.bool_]) -> None:
        self._compact = compact
        self._level = live.level
        self._live = live
        self._is_component = is_component
        self._starts, self._ends = compact.children.quick
        self._kind_of = compact.quick_kinds
        self._sure: dict[Goal, list[Goal]] = {}
        """Each of these goals reached reaches that one."""
        self._loose: dict[Goal, list[tuple[Goal, int]]] = {}
        """These do so if enough weight of them is reached at once."""
        self._extra: dict[Goal, frozenset[int]] = {}
        """What reaches enough of the loose ones."""
        self._known: dict[Goal, frozenset[int]] = {}

    def of(self, vertices: Sequence[int]) -> dict[int, frozenset[int]]:
        """For each of `vertices` that isn't down: the components that would take it down, if there are any."""
        goals = [2 * vertex for vertex in vertices if self._level[vertex] < 2]
        self._settle(self._below(goals))
        return {goal // 2: found for goal in goals if (found := self._killers(goal))}

    def _below(self, goals: Iterable[Goal]) -> list[Goal]:
        """All goals that play a part, lowest first."""
        waiting = list(goals)
        while waiting:
            goal = waiting.pop()
            if goal not in self._sure:
                self._read(goal)
                waiting += self._sure[goal]
                waiting += [below for below, _ in self._loose.get(goal, ())]
        return sorted(self._sure)

    def _read(self, goal: Goal) -> None:
        vertex, is_degraded = divmod(goal, 2)
        limit = 1 if is_degraded else 2
        margin = self._live.margins(vertex)[is_degraded]
        sure: list[Goal] = []
        loose: list[tuple[Goal, int]] = []
        for place in range(self._starts[vertex], self._starts[vertex + 1]):
            child = self._ends[place]
            weight, *seen = self._compact.kinds[self._kind_of[place]]
            enough = 1 if seen[0] >= limit else 2
            if seen[1] < limit or self._level[child] >= enough or not weight:
                continue
            below = 2 * child + (enough == 1)
            if weight > margin:
                sure.append(below)
            else:
                loose.append((below, weight))
        if is_degraded:
            sure.append(2 * vertex)
        self._sure[goal] = sure
        if sum(weight for _, weight in loose) > margin:
            self._loose[goal] = loose

    def _settle(self, goals: Sequence[Goal]) -> None:
        """Children first; around a circle again and again, from nothing, until there is no more."""
        compact = self._compact
        waiting = [goal for goal in goals if goal in self._loose]
        for first, group in groupby(waiting, key=lambda goal: int(compact.circle_of[goal // 2])):
            around = list(group)
            while self._add(around) and compact.circle_end[first]:
                self._forget(first)

    def _add(self, goals: Sequence[Goal]) -> bool:
        """Whether more than was known takes enough of what is loose below any of `goals`."""
        has_more = False
        for goal in goals:
            found = self._common(goal)
            has_more = has_more or found != self._extra.get(goal, _NOTHING)
            self._extra[goal] = found
        return has_more

    def _forget(self, circle: int) -> None:
        """What was known of the members of a circle was too little."""
        circle_of = self._compact.circle_of
        for goal in [goal for goal in self._known if circle_of[goal // 2] == circle]:
            del self._known[goal]

    def _common(self, goal: Goal) -> frozenset[int]:
        """What reaches enough of the loose goals below this one."""
        loose = self._loose[goal]
        margin = self._live.margins(goal // 2)[goal % 2]
        weights = [weight for _, weight in loose]
        sets = [self._killers(below) for below, _ in loose]
        if sum(weights) - min(weights) <= margin:
            return frozenset.intersection(*sets)
        lost: dict[int, int] = {}
        for found, weight in zip(sets, weights, strict=True):
            for killer in found:
                lost[killer] = lost.get(killer, 0) + weight
        return frozenset(killer for killer, weight in lost.items() if weight > margin)

    def _killers(self, goal: Goal) -> frozenset[int]:
        """Everything that is sure to reach `goal`; kept, since it is asked for again."""
        known = self._known.get(goal)
        if known is not None:
            return known
        found: set[int] = set()
        seen = {goal}
        stack = [goal]
        while stack:
            one = stack.pop()
            known = self._known.get(one)
            if known is not None:
                found |= known
                continue
            if self._is_component[one // 2]:
                found.add(one // 2)
            found |= self._extra.get(one, _NOTHING)
            for below in self._sure[one]:
                if below not in seen:
                    seen.add(below)
                    stack.append(below)
        self._known[goal] = result = frozenset(found)
        return result
