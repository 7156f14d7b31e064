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

from bsm_remediate.domain.compact import CompactMap
from bsm_remediate.domain.ids import NodeId
from bsm_remediate.domain.propagation import UNCHANGED, Loop, compiled, mend, worsen
from bsm_remediate.domain.state import Level
from bsm_remediate.domain.sweep import NARROW, Sweep
from bsm_remediate.domain.topology import Numbers

_WORTH_COMPILING = 50_000
"""Edges from which on a map is worth the second that it takes to import the compiler."""


class Wiring:
    """What `LiveLevels` needs of a map, made once per map: its edges for `propagation`, its margins when all is ok.

    `is_compiled` says whether to use machine code where there is any; by default for large maps.
    """

    def __init__(self, compact: CompactMap, *, is_compiled: bool | None = None) -> None:
        self.compact = compact
        is_worth_it = len(compact.edge_kind) >= _WORTH_COMPILING if is_compiled is None else is_compiled
        loops = compiled() if is_worth_it and compact.fits else None
        self.worsen: Loop = loops[0] if loops is not None else worsen
        self.mend: Loop = loops[1] if loops is not None else mend
        self.is_compiled = loops is not None
        edges = (
            *(compact.parents.starts, compact.parents.ends, compact.parent_edge_kind),
            *_margin_changes(compact),
            *(compact.circle_of, compact.circle_end),
        )
        self.edges = edges if self.is_compiled else tuple(_quick(one) for one in edges)
        self.up, self.fine = compact.totals - compact.need, compact.totals - compact.comfortable
        self.sweep = Sweep(compact, self.up, self.fine) if int(compact.totals.max(initial=0)) < NARROW else None
        # How many vertices may be followed, at a microsecond each, in the time of a sweep at four nanoseconds an edge
        # and twenty microseconds a block; machine code gets four times as far.
        by_sweep = 256 + len(compact.edge_kind) // 256 + 20 * len(compact.order.blocks)
        self.most = len(compact) + 1 if self.sweep is None else by_sweep * (4 if self.is_compiled else 1)
        # By guess each changes eight above it: more at once aren't followed in the first place.
        self.most_at_once = self.most if self.sweep is None else self.most // 8


class LiveLevels:
    """The levels under own levels that change. Everything starts ok. `own` and `level` are by vertex, only to be read.

    Takes some 23 bytes for each vertex.
    """

    own: NDArray[np.uint8]
    level: NDArray[np.uint8]

    def __init__(self, wiring: Wiring) -> None:
        self._wiring = wiring
        number = len(wiring.compact)
        self._state: tuple[Any, ...] = (
            *(bytearray(number), bytearray(number), _quick(wiring.up), _quick(wiring.fine)),
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
        self._settle([], np.flatnonzero((wiring.up < 0) | (wiring.fine < 0)).tolist(), {})

    def follow(self, own: Mapping[NodeId, Level]) -> list[int]:
        """The own levels are now `own`, and ok for all others; returns the vertices whose level changed. Nodes that
        the map lacks are passed over.
        """
        if own == self._named:
            return []
        number_of = self._wiring.compact.number_of
        differing = {node for node, _ in own.items() ^ self._named.items() if node in number_of}
        self._named = dict(own)
        return self.change({number_of[node]: own.get(node, 0) for node in differing})

    def change(self, own: Mapping[int, Level]) -> list[int]:
        """The own levels of these vertices are now `own`; returns the vertices whose level changed."""
        before = self._state[0]
        better = [vertex for vertex, level in own.items() if level < before[vertex]]
        worse = [vertex for vertex, level in own.items() if level > before[vertex]]
        return self._settle(better, worse, own)

    @property
    def margins(self) -> tuple[Sequence[int], Sequence[int]]:
        """By vertex: the weight of children not down less what it needs, and of ok ones less what it is comfortable
        with. To be read only.
        """
        return self._state[2], self._state[3]

    def formula_levels(self, vertices: Numbers) -> NDArray[np.uint8]:
        """What their formulas alone say of these vertices."""
        up, fine = (np.asarray(self._views[which])[vertices] < 0 for which in (2, 3))
        return np.where(up, np.uint8(2), fine.astype(np.uint8))

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

    def _settle(self, better: Sequence[int], worse: Sequence[int], own: Mapping[int, Level]) -> list[int]:
        wiring, logged = self._wiring, 0
        owned, level, _, _, before, log = self._state
        state = self._views if wiring.is_compiled else self._state
        is_followed = len(better) + len(worse) <= wiring.most_at_once
        for vertex in better:
            owned[vertex] = own[vertex]
        if better and is_followed:
            logged = wiring.mend(_seeds(better, wiring), wiring.edges, state, logged, wiring.most)
            is_followed = logged <= wiring.most
        for vertex in worse:
            owned[vertex] = own.get(vertex, 0)
        if worse and is_followed:
            logged = wiring.worsen(_seeds(worse, wiring), wiring.edges, state, logged, wiring.most, len(owned))
            is_followed = logged <= wiring.most
        touched = log[:logged].tolist()
        if wiring.sweep is not None and not is_followed:
            for vertex in touched:
                level[vertex], before[vertex] = before[vertex], UNCHANGED
            return self._swept(wiring.sweep)
        changed = [vertex for vertex in touched if level[vertex] != before[vertex]]
        for vertex in touched:
            before[vertex] = UNCHANGED
        return changed

    def _swept(self, sweep: Sweep) -> list[int]:
        """Everything anew."""
        wiring, logged = self._wiring, 0
        state = self._views if wiring.is_compiled else self._state

        def settle(seeds: Numbers, end: int) -> None:
            nonlocal logged
            logged = wiring.worsen(seeds, wiring.edges, state, logged, len(self.own), end)

        before = self.level.copy()
        owned, level, up, fine, marks, log = self._views
        sweep(owned, level, up, fine, settle)
        marks[log[:logged]] = UNCHANGED
        changed: list[int] = np.flatnonzero(self.level != before).tolist()
        return changed


def _margin_changes(compact: CompactMap) -> tuple[Any, Any]:
    """By nine times the kind of an edge, plus three times the child's level before, plus that after: by how much the
    margins of the parent change.
    """
    changes: tuple[list[int], list[int]] = ([], [])
    for weight, *rest in compact.kinds:
        seen = (0, *rest)
        for before in seen:
            for after in seen:
                changes[0].append(weight * ((before == 2) - (after == 2)))
                changes[1].append(weight * ((before > 0) - (after > 0)))
    return np.array(changes[0], compact.need.dtype), np.array(changes[1], compact.need.dtype)


def _quick(numbers: NDArray[Any]) -> Any:
    if numbers.dtype == np.object_:
        return numbers.tolist()
    return array("i" if numbers.dtype == np.int32 else "q", numbers.tobytes())


def _seeds(vertices: Sequence[int], wiring: Wiring) -> Any:
    return np.array(vertices, np.int32) if wiring.is_compiled else vertices
