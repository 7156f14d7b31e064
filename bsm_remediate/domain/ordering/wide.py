"""The reduction of wide outages: the same gates as `circuit` finds them, worked out over flat arrays by machine code.

Plain Python takes some ten microseconds for each vertex that fails; a core switch fails a hundred thousand of them. The
circuit comes out the same, gate by gate, so that the plan is the same with and without machine code; which vertices are
one gate is told by a hash table here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bsm_remediate.domain.compact import CompactMap
from bsm_remediate.domain.live_levels import LiveLevels
from bsm_remediate.domain.ordering.circuit import Threshold, Var
from bsm_remediate.domain.state import Level

ALWAYS, NEVER_TRUE = -1, -2
Loops = tuple[Callable[..., int], Callable[..., None]]


class WideOutage:
    """The variables of all vertices that fail, none of them in a circle."""

    def __init__(
        self, compact: CompactMap, live: LiveLevels, menders: Mapping[int, Sequence[Var]], first_gate: Var, loops: Loops
    ) -> None:
        self._first_gate = first_gate
        self._keep = loops[1]
        failing = live.level.nonzero()[0]
        children = np.diff(compact.children.starts)[failing]
        alike: dict[tuple[Var, ...], list[int]] = {}
        for vertex, some in menders.items():
            if len(some) > 1:
                alike.setdefault(tuple(some), []).append(vertex)
        most_gates = 4 * len(failing) + len(alike) + 1
        most_children = int(2 * children.sum()) + 6 * len(failing) + sum(map(len, alike))
        # Room for the most that there may be: what isn't needed is never touched, and so costs nothing.
        self._need, self._begins = np.empty(most_gates, np.int64), np.empty(most_gates + 1, np.int64)
        self._children, self._weights = np.empty(most_children, np.int64), np.empty(most_children, np.int64)
        self._begins[0] = 0
        mended, self._fine, self._not_down = np.full((3, len(compact)), ALWAYS, np.int32)  # small, to stay near
        mended[:] = NEVER_TRUE
        for number, (shared, vertices) in enumerate(alike.items()):  # any of several repairs will do
            self._need[number] = 1
            begin = int(self._begins[number])
            self._begins[number + 1] = end = begin + len(shared)
            self._children[begin:end], self._weights[begin:end] = shared, 1
            mended[vertices] = first_gate + number
        for vertex, some in menders.items():
            if len(some) == 1:
                mended[vertex] = some[0]
        graph = (
            *(compact.children.starts, compact.children.ends, compact.edge_kind),
            *np.array(compact.kinds, np.int64).reshape(-1, 3).T.copy(),
            *(compact.need, compact.comfortable),
        )
        pool = (
            *(self._need, self._begins, self._children, self._weights),
            np.full(1 << most_gates.bit_length(), -1, np.int32),
            np.full(first_gate + most_gates, -1, np.int32),
            *np.zeros((2, int(children.max(initial=0)) + 3), np.int64),
        )
        state = (live.own, live.level, mended, self._fine, self._not_down)
        self._number = loops[0](failing, graph, state, pool, first_gate, len(alike))

    @classmethod
    def of(
        cls, compact: CompactMap, live: LiveLevels, menders: Mapping[int, Sequence[Var]], first_gate: Var
    ) -> WideOutage | None:
        """None where the map is too small to be worth it, there is no machine code, or a circle fails."""
        loops = compiled() if live.is_compiled else None
        if loops is None or compact.circle_end[compact.circle_of[live.level.nonzero()[0]]].any():
            return None
        return cls(compact, live, menders, first_gate, loops)

    def variables(self, vertices: NDArray[np.int64], limit: Level) -> NDArray[np.int64]:
        """When each of `vertices` is below level `limit`."""
        return (self._fine if limit == 1 else self._not_down)[vertices].astype(np.int64)

    def below(self, wanted: NDArray[np.int64]) -> tuple[tuple[Threshold, ...], NDArray[np.int64]]:
        """The gates below the variables `wanted`, numbered anew, and by old gate the new variable (-1: left out)."""
        first, number = self._first_gate, self._number
        is_kept = np.zeros(number, np.bool_)
        is_kept[wanted[wanted >= first] - first] = True
        self._keep(is_kept, self._begins, self._children, number, first)
        kept = np.flatnonzero(is_kept)
        new = np.arange(first + number)
        new[first + kept] = first + np.arange(len(kept))
        begins, size = self._begins[kept], int(self._begins[number])
        sizes = self._begins[kept + 1] - begins
        ends = np.cumsum(sizes)
        # The places of the children of gates that are kept, gate by gate.
        places = np.arange(ends[-1] if len(ends) else 0) + np.repeat(begins - (ends - sizes), sizes)
        children = tuple(new[self._children[:size][places]].tolist())
        weights = self._weights[:size][places]
        weighted: list[tuple[int, ...]] = [()] * len(kept)
        for gate in np.unique(np.searchsorted(ends, np.flatnonzero(weights > 1), side="right")).tolist():
            weighted[gate] = tuple(weights[ends[gate] - sizes[gate] : ends[gate]].tolist())
        parts = map(children.__getitem__, map(slice, (ends - sizes).tolist(), ends.tolist()))
        gates = tuple(map(Threshold._make, zip(self._need[kept].tolist(), parts, weighted, strict=True)))
        return gates, np.where(is_kept, new[first:], -1)


def reduce(vertices: Any, graph: Any, state: Any, pool: Any, first_gate: int, gates: int) -> int:  # noqa: PLR0915
    """The variables "ok" and "not down" of `vertices` (numbers rising), none of them in a circle; returns how many
    gates there are then, `gates` those before. One loop makes every gate: numba is quickest without calls.

    `graph`: where the children of each vertex start, the children, kinds of edges, weight, level seen of a degraded and
    of a down child by kind, need, comfortable. `state` by vertex: own level, level, variable that its own repair is
    done, and what is found: "ok", "not down". `pool`: of each gate its need, where its children start, children and
    weights; the hash table (a power of two, -1: free); by variable -1; and room for the children of one gate, twice.
    """
    starts, ends, kinds, weight_of, degraded_as, down_as, need_of, comfortable_of = graph
    own, level, mended, fine, not_down = state
    need_by_gate, begin_by_gate, children, weights, table, place_of, some_vars, some_weights = pool
    mask = len(table) - 1
    for vertex in vertices:
        begin, end = starts[vertex], starts[vertex + 1]
        if begin == end:
            fine[vertex] = mended[vertex]
            if level[vertex] == 2:
                not_down[vertex] = mended[vertex]
            continue
        needed, comfortable = need_of[vertex], comfortable_of[vertex]
        enough, good = ALWAYS, ALWAYS
        is_alike = needed == comfortable  # "ok" asks of the children what "not down" does
        # Four gates at most: enough children not down; that and its own repair; enough ok ones; that and the repair.
        for step in range(4):
            if step == 1 and level[vertex] < 2:
                continue
            if step == 2 and is_alike:
                good = enough
                continue
            if step == 3 and is_alike and level[vertex] == 2 and own[vertex] != 1:
                fine[vertex] = not_down[vertex]
                continue
            number = 0
            if step in (0, 2):
                need = needed if step == 0 else comfortable
                for edge in range(begin, end):
                    kind = kinds[edge]
                    child = ends[edge]
                    if is_alike:
                        is_alike = degraded_as[kind] == 1 and down_as[kind] == 2 and fine[child] == not_down[child]
                    var = ALWAYS
                    if down_as[kind] >= (2 if step == 0 else 1):
                        is_seen = degraded_as[kind] >= (2 if step == 0 else 1)
                        var = fine[child] if is_seen else not_down[child]
                    if var == ALWAYS:
                        need -= weight_of[kind]
                    elif var != NEVER_TRUE:
                        if place_of[var] < 0:
                            place_of[var] = number
                            some_vars[number] = var
                            some_weights[number] = 0
                            number += 1
                        some_weights[place_of[var]] += weight_of[kind]
            else:
                limit = 2 if step == 1 else 1
                first = enough if step == 1 else good
                second = enough if step == 3 and comfortable < needed else ALWAYS
                third = mended[vertex] if own[vertex] >= limit else ALWAYS
                need = 0
                for var in (first, second, third):
                    if var == NEVER_TRUE:
                        need += 1
                    elif var != ALWAYS and place_of[var] < 0:
                        place_of[var] = number
                        some_vars[number] = var
                        some_weights[number] = 1
                        number += 1
                        need += 1
            total = 0
            for place in range(number):
                total += some_weights[place]
            if need <= 0:
                result = ALWAYS
            elif total < need:
                result = NEVER_TRUE
            elif number == 1:
                result = some_vars[0]
            else:
                divisor, is_even, total = need, True, 0
                for place in range(number):
                    some_weights[place] = min(some_weights[place], need)
                    total += some_weights[place]
                    is_even = is_even and some_weights[place] == some_weights[0]
                    other = some_weights[place]
                    while other:
                        divisor, other = other, divisor % other
                is_all = total == need
                if is_all:
                    need = number
                elif is_even:
                    divisor = some_weights[0]
                    need = -(-need // divisor)
                else:
                    need = need // divisor
                code = need
                for place in range(number):
                    some_weights[place] = 1 if is_all else some_weights[place] // divisor
                    mixed = (some_vars[place] + 1) * 40503 + some_weights[place] % 65536 * 9973
                    code += (mixed ^ (mixed >> 9)) * 31  # a sum: in whatever order they stand
                slot = code & mask
                result = -3
                while result == -3:
                    gate = table[slot]
                    if gate < 0:
                        table[slot] = gates
                        need_by_gate[gates] = need
                        place = begin_by_gate[gates]
                        if number == 2:
                            first_place = 0 if some_vars[0] < some_vars[1] else 1
                            children[place] = some_vars[first_place]
                            weights[place] = some_weights[first_place]
                            children[place + 1] = some_vars[1 - first_place]
                            weights[place + 1] = some_weights[1 - first_place]
                        else:
                            for one in np.argsort(some_vars[:number]):
                                children[place] = some_vars[one]
                                weights[place] = some_weights[one]
                                place += 1
                            place = begin_by_gate[gates]
                        gates += 1
                        begin_by_gate[gates] = place + number
                        result = first_gate + gates - 1
                        break
                    is_same = need_by_gate[gate] == need and begin_by_gate[gate + 1] - begin_by_gate[gate] == number
                    if is_same:
                        for place in range(begin_by_gate[gate], begin_by_gate[gate + 1]):
                            found = place_of[children[place]]
                            if found < 0 or some_weights[found] != weights[place]:
                                is_same = False
                                break
                    if is_same:
                        result = first_gate + gate
                    slot = (slot + 1) & mask
            for place in range(number):
                place_of[some_vars[place]] = -1
            if step == 0:
                enough = result
            elif step == 1:
                not_down[vertex] = result
            elif step == 2:
                good = result
            else:
                fine[vertex] = result
    return gates


def keep(wanted: Any, begin_by_gate: Any, children: Any, gates: int, first_gate: int) -> None:
    """Mark in `wanted`, by gate, those below a wanted one."""
    for gate in range(gates - 1, -1, -1):
        if wanted[gate]:
            for place in range(begin_by_gate[gate], begin_by_gate[gate + 1]):
                if children[place] >= first_gate:
                    wanted[children[place] - first_gate] = True


@cache
def compiled() -> tuple[Callable[..., int], Callable[..., None]] | None:
    """Both loops as machine code; None without numba (the extra `fast`)."""
    try:
        from numba import njit
    except ImportError:
        return None
    try:
        return njit(cache=True)(reduce), njit(cache=True)(keep)
    except RuntimeError:  # nowhere to keep it
        return njit(reduce), njit(keep)
