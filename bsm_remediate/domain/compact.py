"""The compact map: all nodes, formulas and edges of a service map as flat arrays, built once per bundle.

A *vertex* is a node or a gate nested in a formula; its number is its place in an order in which children come before
their parents (the members of a circle stand side by side). Who works through vertices by rising number, therefore,
finds everything below settled.

The level of a vertex: 2 when the weight of its children not down is below `need`, else 1 when the weight of its ok
children is below `comfortable`, else 0; and never better than its own state. Without a formula both are 0.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Mapping
from functools import cached_property
from math import gcd, lcm
from operator import itemgetter

import numpy as np
from numpy.typing import NDArray

from bsm_remediate.domain.formula import Gate
from bsm_remediate.domain.ids import NodeId
from bsm_remediate.domain.service_map import ServiceMap
from bsm_remediate.domain.topology import Adjacency, Numbers, Order, ordered

Weights = NDArray[np.int64]
"""Of Python's own whole numbers (dtype object) in the one map in a million whose weights don't fit into 64 bits."""
_FITS = 2**62

EdgeKind = tuple[int, int, int]
"""Weight of the child, the level at which a degraded one is seen, and a down one."""


class CompactMap:
    """Arrays by vertex: `need`, `comfortable`. Arrays by edge: child `children.ends[e]` of a vertex counts as
    `kinds[edge_kind[e]]`, for e in `children.starts[v]` to `children.starts[v + 1]`. The same edges from below:
    `parents.ends`, `parent_edge_kind`. `names[v]` is the node's id, empty for a nested gate; `number_of` the way back.

    Weights and thresholds are whole numbers, scaled gate by gate: only the ratios within one gate mean something.
    """

    children: Adjacency
    parents: Adjacency
    edge_kind: Numbers
    parent_edge_kind: Numbers
    kinds: tuple[EdgeKind, ...]
    need: Weights
    comfortable: Weights
    names: list[NodeId]
    number_of: Mapping[NodeId, int]
    order: Order
    number_of_nodes: int

    def __init__(self, service_map: ServiceMap) -> None:
        read = _Reading(service_map)
        self.number_of_nodes = len(read.names)
        self.kinds = tuple(read.kinds)
        number = len(read.need)
        owners, ends = np.array(read.owners, np.int32), np.array(read.ends, np.int32)
        kinds = np.array(read.edge_kinds, np.int32)
        self.order = ordered(Adjacency.of(owners, ends, number)[0], Adjacency.of(ends, owners, number)[0])
        placed = np.empty(number, np.int32)
        placed[self.order.vertices] = np.arange(number, dtype=np.int32)
        owners, ends = placed[owners], placed[ends]
        self.children, turned = Adjacency.of(owners, ends, number)
        self.edge_kind = kinds[turned]
        self.parents, turned = Adjacency.of(ends, owners, number)
        self.parent_edge_kind = kinds[turned]
        self.need = read.thresholds(read.need)[self.order.vertices]
        self.comfortable = read.thresholds(read.comfortable)[self.order.vertices]
        self.number_of = dict(zip(read.names, placed.tolist(), strict=False))
        names = [*read.names, *([NodeId("")] * (number - self.number_of_nodes))]
        self.names = list(map(names.__getitem__, self.order.vertices.tolist()))

    def __len__(self) -> int:
        """The number of vertices."""
        return len(self.names)

    @property
    def fits(self) -> bool:
        """Whether all weights together fit into 64 bits: else only Python's own whole numbers will do."""
        return self.need.dtype != np.object_

    @cached_property
    def is_node(self) -> NDArray[np.bool_]:
        """By vertex: a node, not a nested gate."""
        return self.order.vertices < self.number_of_nodes

    @cached_property
    def weights(self) -> Weights:
        """By edge of `children`: the child's weight."""
        return np.array([weight for weight, _, _ in self.kinds], self.need.dtype)[self.edge_kind]

    @cached_property
    def seen(self) -> NDArray[np.uint8]:
        """By edge of `children`, three columns: the level at which the parent sees an ok, degraded, down child."""
        rows = [(0, degraded, down) for _, degraded, down in self.kinds]
        return np.array(rows, np.uint8).reshape(-1, 3)[self.edge_kind]

    @cached_property
    def totals(self) -> Weights:
        """By vertex: the weight of all its children."""
        totals = np.zeros(len(self), self.need.dtype)
        np.add.at(totals, np.repeat(np.arange(len(self)), np.diff(self.children.starts)), self.weights)
        return totals

    @cached_property
    def quick_kinds(self) -> array[int]:
        """`edge_kind` once more, for reading single numbers (see `Adjacency.quick`)."""
        return array("i", self.edge_kind.tobytes())

    @cached_property
    def circle_of(self) -> Numbers:
        """By vertex: the first member of the circle that it is in; itself elsewhere."""
        circle_of = np.arange(len(self), dtype=np.int32)
        for first, end in self.order.circles:
            circle_of[first:end] = first
        return circle_of

    @cached_property
    def circle_end(self) -> Numbers:
        """By vertex that is the first of a circle: where the circle ends. 0 elsewhere."""
        circle_end = np.zeros(len(self), np.int32)
        for first, end in self.order.circles:
            circle_end[first] = end
        return circle_end

    def numbers(self, nodes: Iterable[NodeId]) -> Numbers:
        """The numbers of `nodes`. Raises `KeyError` for a node that the map lacks."""
        return np.fromiter(map(self.number_of.__getitem__, nodes), np.int32)

    def nodes(self, numbers: Numbers) -> list[NodeId]:
        """The ids of the nodes with these numbers, nested gates left out, in that order."""
        if len(self) > self.number_of_nodes:
            numbers = numbers[self.is_node[numbers]]
        if len(numbers) < 2:
            return [self.names[one] for one in numbers.tolist()]
        return list(itemgetter(*numbers.tolist())(self.names))


class _Reading:
    """The map in the order in which it is written: nodes first, then the nested gates as they are met."""

    def __init__(self, service_map: ServiceMap) -> None:
        self.names: list[NodeId] = [*service_map.components, *service_map.services]
        self.owners: list[int] = []
        self.ends: list[int] = []
        self.edge_kinds: list[int] = []
        self.kinds: dict[EdgeKind, int] = {}
        self.need = [0] * len(self.names)
        self.comfortable = [0] * len(self.names)
        self._largest = 0
        self._number_of = {name: number for number, name in enumerate(self.names)}
        # By identity: a formula that is written once and used twice, over and over, would else unfold without end.
        self._nested: dict[int, int] = {}
        gates = [one.requires for one in service_map.components.values()]
        gates += [one.requires for one in service_map.services.values()]
        nested: list[tuple[int, Gate]] = []
        for number, gate in enumerate(gates):
            if gate is not None:
                self._read(number, gate, nested)
        for number, gate in nested:  # grows while it is read
            self._read(number, gate, nested)

    def _read(self, number: int, gate: Gate, nested: list[tuple[int, Gate]]) -> None:
        weights = [edge.weight for edge in gate.children]
        need, comfortable = gate.need, gate.comfortable
        scale = lcm(need.denominator, comfortable.denominator, *[one.denominator for one in weights])
        scaled = [one.numerator * (scale // one.denominator) for one in weights]
        divisor = gcd(*scaled) or 1
        # Sums of children are multiples of the divisor, so a threshold between two of them is as good as the upper.
        self.need[number] = -(-need.numerator * (scale // need.denominator) // divisor)
        self.comfortable[number] = -(-comfortable.numerator * (scale // comfortable.denominator) // divisor)
        self._largest = max(self._largest, self.need[number], self.comfortable[number], sum(scaled) // divisor)
        for edge, weight in zip(gate.children, scaled, strict=True):
            child, impact = edge.child, edge.impact
            if isinstance(child, Gate):
                end = self._nested.get(id(child))
                if end is None:
                    end = self._nested[id(child)] = len(self.need)
                    self.need.append(0)
                    self.comfortable.append(0)
                    nested.append((end, child))
            else:
                end = self._number_of[child]
            self.owners.append(number)
            self.ends.append(end)
            kind = (weight // divisor, impact.degraded, impact.down)
            self.edge_kinds.append(self.kinds.setdefault(kind, len(self.kinds)))

    def thresholds(self, numbers: list[int]) -> Weights:
        return np.array(numbers, np.int64 if self._largest < _FITS else np.object_)
