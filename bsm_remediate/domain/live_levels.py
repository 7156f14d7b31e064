"""Live levels: the level of every vertex of a map, kept up to date as own levels change.

A small change costs what it changes: `propagation`. A large one, a storm or the end of one, is a sweep over whole
arrays, which costs the same however much fails. Which of the two is not known before: a change is followed until that
has taken about as long as the sweep would.
"""

from __future__ import annotations

from array import array
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bsm_remediate.domain.compact import CompactMap, Weights
from bsm_remediate.domain.ids import NodeId
from bsm_remediate.domain.propagation import UNCHANGED, Loop, compiled, mend, worsen
from bsm_remediate.domain.state import Level
from bsm_remediate.domain.sweep import Sweep, levels_of
from bsm_remediate.domain.topology import Numbers

_NARROW = 2**31
"""Weights below this fit into one half of a whole number of 64 bits."""
_3 = range(3)
Mark = tuple[Any, ...]
"""Own levels, levels and margins of all vertices at one moment."""
_WORTH_COMPILING = 50_000
"""Edges from which on a map is worth the second that it takes to import the compiler."""


class Wiring:
    """What `LiveLevels` needs of a map, made once per map: its edges for `propagation`, its margins when all is ok.

    `is_compiled` says whether to use machine code where there is any; by default for large maps.
    """

    def __init__(self, compact: CompactMap, *, is_compiled: bool | None = None) -> None:
        self.compact = compact
        totals = compact.totals
        largest = max((int(one.max(initial=0)) for one in (totals, compact.need, compact.comfortable)), default=0)
        is_narrow = largest < _NARROW
        is_worth_it = len(compact.edge_kind) >= _WORTH_COMPILING if is_compiled is None else is_compiled
        loops = compiled() if is_worth_it and is_narrow else None
        self.worsen: Loop = loops[0] if loops is not None else worsen
        self.mend: Loop = loops[1] if loops is not None else mend
        self.is_compiled = loops is not None
        shift = 32 if is_narrow else largest.bit_length() + 2
        self.half = 1 << (shift - 1)
        size: Any = np.int64 if is_narrow else np.object_
        up, fine = ((totals - limit).astype(size) for limit in (compact.need, compact.comfortable))
        self.margins: Weights = up * (1 << shift) + fine + self.half
        lost = [
            (weight * int(seen == 2) << shift) + weight * int(seen > 0)
            for weight, *rest in compact.kinds
            for seen in (0, *rest)
        ]
        changes = [lost[kind + old] - lost[kind + new] for kind in range(0, len(lost), 3) for old in _3 for new in _3]
        edges = (
            *(compact.parents.starts, compact.parents.ends, compact.parent_edge_kind),
            *(np.array(changes, size), compact.circle_of, compact.circle_end),
        )
        self.edges = (*(edges if self.is_compiled else (_quick(one) for one in edges)), self.half)
        self.sweep: Sweep | None = None
        self.most = self.most_at_once = len(compact) + 1
        if is_narrow:
            machine_code = loops[2] if loops is not None else None
            self.sweep = Sweep(compact, np.array(lost, size), self.margins, self.half, machine_code)
            # How many vertices may be followed, at a microsecond each, in the time of a sweep at four nanoseconds an
            # edge and twenty microseconds a block; machine code gets four times as far.
            by_sweep = 256 + len(compact.edge_kind) // 256 + 20 * len(self.sweep)
            self.most = by_sweep * (4 if self.is_compiled else 1)
            # By guess each changes eight above it: more at once aren't followed in the first place.
            self.most_at_once = self.most // 8

    def margins_of(self, margin: int) -> tuple[int, int]:
        """Both halves: the weight of children not down less what is needed, of ok ones less what is comfortable."""
        return margin // (2 * self.half), margin % (2 * self.half) - self.half


class LiveLevels:
    """The levels under own levels that change. Everything starts ok. `own` and `level` are by vertex, only to be read.

    Takes some 15 bytes for each vertex.
    """

    own: NDArray[np.uint8]
    level: NDArray[np.uint8]

    def __init__(self, wiring: Wiring) -> None:
        self._wiring = wiring
        number = len(wiring.compact)
        self._state: tuple[Any, ...] = (
            *(bytearray(number), bytearray(number), _quick(wiring.margins)),
            *(bytearray([UNCHANGED]) * number, array("i", bytes(4 * number))),
        )
        # The same memory once more: single numbers are read through the one, many at a time through the other.
        self._views: tuple[Any, ...] = tuple(
            one if isinstance(one, list) else np.asarray(memoryview(one)) for one in self._state
        )
        self.own, self.level = self._views[:2]
        self._named: dict[NodeId, Level] = {}
        if wiring.is_compiled:  # loaded at first use, which is not to be when something fails
            for loop, more in ((wiring.mend, ()), (wiring.worsen, (0,))):
                loop(_seeds([], wiring), wiring.edges, self._views, 0, 0, *more)
        # A formula that asks for more than there is has never been ok.
        self._settle([], np.flatnonzero(levels_of(wiring.margins, wiring.half)).tolist(), {})

    def follow(self, own: Mapping[NodeId, Level]) -> Numbers:
        """The own levels are now `own`, and ok for all others; returns the vertices whose level changed. Nodes that
        the map lacks are passed over.
        """
        if own == self._named:
            return np.zeros(0, np.int32)
        number_of = self._wiring.compact.number_of
        differing = {node for node, _ in own.items() ^ self._named.items() if node in number_of}
        self._named = dict(own)
        return self.change({number_of[node]: own.get(node, 0) for node in differing})

    def change(self, own: Mapping[int, Level]) -> Numbers:
        """The own levels of these vertices are now `own`; returns the vertices whose level changed."""
        if len(own) > self._wiring.most_at_once and self._wiring.sweep is not None:
            vertices = np.fromiter(own, np.int32, len(own))
            self.own[vertices] = np.fromiter(own.values(), np.uint8, len(own))
            return self._swept(self._wiring.sweep)
        before = self._state[0]
        better = [vertex for vertex, level in own.items() if level < before[vertex]]
        worse = [vertex for vertex, level in own.items() if level > before[vertex]]
        return self._settle(better, worse, own)

    def mark(self) -> Mark:
        """What is now, to come `back_to` later; costs the size of the map."""
        return tuple(one[:] for one in self._state[:3])

    def back_to(self, mark: Mark) -> None:
        """What was when `mark` was made. Where much has changed since that is quicker than to `change` it back."""
        for one, saved in zip(self._state[:3], mark, strict=True):
            one[:] = saved

    @property
    def is_compiled(self) -> bool:
        """Whether the map is large, and there is machine code to work through it."""
        return self._wiring.is_compiled

    def margins(self, vertex: int) -> tuple[int, int]:
        """The weight of its children not down less what it needs, and of ok ones less what it is comfortable with."""
        return self._wiring.margins_of(self._state[2][vertex])

    def formula_levels(self, vertices: Numbers) -> NDArray[np.uint8]:
        """What their formulas alone say of these vertices."""
        return levels_of(np.asarray(self._views[2])[vertices], self._wiring.half)

    def not_ok(self) -> tuple[Numbers, NDArray[np.uint8]]:
        """The numbers of all nodes that are not ok, requirements before their dependants, and their levels."""
        compact = self._wiring.compact
        found = np.flatnonzero(self.level).astype(np.int32)
        if len(compact) > compact.number_of_nodes:
            found = found[compact.is_node[found]]
        return found, self.level[found]

    def by_name(self) -> dict[NodeId, Level]:
        """The same by id."""
        numbers, levels = self.not_ok()
        return dict(zip(self._wiring.compact.nodes(numbers), levels.tolist(), strict=True))

    def _settle(self, better: Sequence[int], worse: Sequence[int], own: Mapping[int, Level]) -> Numbers:
        wiring, logged = self._wiring, 0
        owned, level, _, before, log = self._state
        state = self._views if wiring.is_compiled else self._state
        is_followed = True
        for vertex in better:
            owned[vertex] = own[vertex]
        if better:
            logged = wiring.mend(_seeds(better, wiring), wiring.edges, state, logged, wiring.most)
            is_followed = logged <= wiring.most
        for vertex in worse:
            owned[vertex] = own.get(vertex, 0)
        if worse and is_followed:
            logged = wiring.worsen(_seeds(worse, wiring), wiring.edges, state, logged, wiring.most, len(owned))
            is_followed = logged <= wiring.most
        if wiring.sweep is not None and not is_followed:
            for vertex in log[:logged]:
                level[vertex], before[vertex] = before[vertex], UNCHANGED
            return self._swept(wiring.sweep)
        changed = []
        for vertex in log[:logged]:
            if level[vertex] != before[vertex]:
                changed.append(vertex)
            before[vertex] = UNCHANGED
        return np.array(changed, np.int32)

    def _swept(self, sweep: Sweep) -> Numbers:
        """Everything anew."""
        wiring, logged = self._wiring, 0
        state = self._views if wiring.is_compiled else self._state

        def settle(seeds: Numbers, end: int) -> None:
            nonlocal logged
            logged = wiring.worsen(seeds, wiring.edges, state, logged, len(self.own), end)

        before = self.level.copy()
        sweep(self._views, settle)
        marks, log = self._views[3:]
        marks[log[:logged]] = UNCHANGED
        return np.flatnonzero(self.level != before).astype(np.int32)


def _quick(numbers: NDArray[Any]) -> Any:
    if numbers.dtype == np.object_:
        return numbers.tolist()
    return array("i" if numbers.dtype == np.int32 else "q", numbers.tobytes())


def _seeds(vertices: Sequence[int], wiring: Wiring) -> Any:
    return np.array(vertices, np.int32) if wiring.is_compiled else vertices
