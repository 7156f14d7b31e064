"""Topology: an order of a directed graph in which children come before their parents, in whole arrays.

Layer by layer (Kahn 1962). Where that gets stuck there are circles: strongly connected groups are looked for (Tarjan
1972) in what lies between circles, and each then counts as one vertex. Nothing here recurses: a chain of a million is
as good as any other graph.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.int32]
_WIDE = 64
"""Layers at least this wide are worked off as arrays, narrower ones number by number: both are quick at theirs."""


@dataclass(frozen=True, kw_only=True)
class Adjacency:
    """Neighbours of vertex v: `ends[starts[v]:starts[v + 1]]`."""

    starts: Numbers
    ends: Numbers

    @cached_property
    def quick(self) -> tuple[array[int], array[int]]:
        """Both once more: Python reads single numbers from `array` twice as fast as from numpy."""
        return array("i", self.starts.tobytes()), array("i", self.ends.tobytes())

    @classmethod
    def of(cls, sources: Numbers, ends: Numbers, number: int) -> tuple[Adjacency, NDArray[np.int64]]:
        """From edges between `number` vertices, and the order in which the edges now stand."""
        order = np.argsort(sources, kind="stable")
        starts = np.zeros(number + 1, np.int32)
        np.cumsum(np.bincount(sources, minlength=number), out=starts[1:])
        return cls(starts=starts, ends=ends[order]), order

    def edges_from(self, vertices: Numbers) -> NDArray[np.int64]:
        """The places in `ends` of all edges that leave `vertices`."""
        first = self.starts[vertices].astype(np.int64)
        counts = self.starts[vertices + 1] - first
        before = np.cumsum(counts) - counts
        return np.repeat(first - before, counts) + np.arange(int(counts.sum()))

    def reached(self, vertices: Iterable[int]) -> list[int]:
        """`vertices` and all that can be reached from them, in no particular order."""
        starts, ends = self.quick
        layer = list(dict.fromkeys(vertices))
        found = list(layer)
        is_found = bytearray(len(starts) - 1)
        view = np.asarray(memoryview(is_found))
        view[np.array(layer, np.int64)] = 1
        while layer:
            if len(layer) >= _WIDE:
                reached = self.ends[self.edges_from(np.array(layer, np.int32))]
                layer = np.unique(reached[view[reached] == 0]).tolist()
                view[np.array(layer, np.int64)] = 1
            else:
                next_layer: list[int] = []
                for vertex in layer:
                    for other in ends[starts[vertex] : starts[vertex + 1]]:
                        if not is_found[other]:
                            is_found[other] = 1
                            next_layer.append(other)
                layer = next_layer
            found += layer
        return found


@dataclass(frozen=True, kw_only=True, slots=True)
class Order:
    """Vertices in order, in blocks: either a layer, whose children all lie in earlier blocks, or some circles that have
    nothing to do with each other.
    """

    vertices: Numbers
    blocks: Numbers
    """Where each block begins in `vertices`; one more than there are blocks."""
    is_circular: NDArray[np.bool_]
    """By block."""
    circles: tuple[tuple[int, int], ...]
    """First place and end of each circle in `vertices`."""


def ordered(children: Adjacency, parents: Adjacency) -> Order:
    """The order of the graph whose edges these are, in both directions."""
    number = len(children.starts) - 1
    vertices, begins = _peeled(parents, np.diff(children.starts))
    if len(vertices) == number:
        blocks = len(begins) - 1
        return Order(vertices=vertices, blocks=begins, is_circular=np.zeros(blocks, np.bool_), circles=())
    left = np.ones(number, np.bool_)
    left[vertices] = False
    circles = _circles(children, _core(children, parents, left))
    leader = np.arange(number, dtype=np.int32)
    for circle in circles:
        leader[circle] = circle[0]
    child = leader[np.repeat(np.arange(number, dtype=np.int32), np.diff(parents.starts))]
    parent = leader[parents.ends]
    outside = child != parent
    condensed, _ = Adjacency.of(child[outside], parent[outside], number)
    waiting = np.bincount(parent[outside], minlength=number)
    waiting[leader != np.arange(number)] = -1  # they come with their leader
    return _unfolded(*_peeled(condensed, waiting), circles)


def _unfolded(leaders: Numbers, begins: Numbers, circles: list[list[int]]) -> Order:
    """Layers in which some vertices stand for circles, as blocks of the one and of the other."""
    circle_of = {circle[0]: circle for circle in circles}
    vertices: array[int] = array("i")
    blocks, is_circular = array("i", [0]), []
    places: list[tuple[int, int]] = []
    one_by_one = leaders.tolist()
    for first, end in pairwise(begins.tolist()):
        plain = [vertex for vertex in one_by_one[first:end] if vertex not in circle_of]
        round_ones = [vertex for vertex in one_by_one[first:end] if vertex in circle_of]
        if plain:
            vertices.extend(plain)
            blocks.append(len(vertices))
            is_circular.append(False)
        for vertex in round_ones:
            places.append((len(vertices), len(vertices) + len(circle_of[vertex])))
            vertices.extend(circle_of[vertex])
        if round_ones:
            blocks.append(len(vertices))
            is_circular.append(True)
    return Order(
        vertices=np.array(vertices, np.int32),
        blocks=np.array(blocks, np.int32),
        is_circular=np.array(is_circular, np.bool_),
        circles=tuple(places),
    )


def _peeled(following: Adjacency, waiting_for: NDArray[Any]) -> tuple[Numbers, Numbers]:
    """Vertices in layers, each once all that it waits for have come, and where the layers begin and the last one ends.
    Those that wait for fewer than none never come.
    """
    waiting = array("i", waiting_for.astype(np.int32).tobytes())
    missing = np.asarray(memoryview(waiting))
    starts, ends = following.quick
    found, begins = array("i"), array("i", [0])
    layer = np.flatnonzero(missing == 0).tolist()
    while layer:
        found.extend(layer)
        begins.append(len(found))
        if len(layer) >= _WIDE:
            reached = following.ends[following.edges_from(np.array(layer, np.int32))]
            np.subtract.at(missing, reached, 1)
            layer = np.unique(reached[missing[reached] == 0]).tolist()
            continue
        next_layer: list[int] = []
        for vertex in layer:
            for other in ends[starts[vertex] : starts[vertex + 1]]:
                waiting[other] -= 1
                if not waiting[other]:
                    next_layer.append(other)
        next_layer.sort()
        layer = next_layer
    return np.array(found, np.int32), np.array(begins, np.int32)


def _core(children: Adjacency, parents: Adjacency, left: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Of the vertices `left`, all of which lie in circles or above some, those that have some above them too."""
    number = len(left)
    child = np.repeat(np.arange(number), np.diff(parents.starts))
    waiting = np.bincount(child[left[parents.ends]], minlength=number)
    waiting[~left] = -1
    above, _ = _peeled(children, waiting)
    core = left.copy()
    core[above] = False
    return core


def _circles(children: Adjacency, core: NDArray[np.bool_]) -> list[list[int]]:
    """Strongly connected groups within `core` that go round in a circle (Tarjan 1972, with a stack of its own)."""
    starts, ends = children.starts.tolist(), children.ends.tolist()
    number: dict[int, int] = {}
    low: dict[int, int] = {}
    open_vertices: list[int] = []
    is_open: set[int] = set()
    circles: list[list[int]] = []
    for root in np.flatnonzero(core).tolist():
        walk = [] if root in number else [(root, starts[root])]
        while walk:
            vertex, place = walk.pop()
            if vertex not in number:
                number[vertex] = low[vertex] = len(number)
                open_vertices.append(vertex)
                is_open.add(vertex)
            stop = starts[vertex + 1]
            while place < stop:
                child = ends[place]
                place += 1
                if child in is_open:
                    low[vertex] = min(low[vertex], number[child])
                elif core[child] and child not in number:
                    walk += [(vertex, place), (child, starts[child])]
                    break
            else:
                if walk:
                    low[walk[-1][0]] = min(low[walk[-1][0]], low[vertex])
                if low[vertex] == number[vertex]:
                    group = _cut_off(open_vertices, vertex)
                    is_open.difference_update(group)
                    if len(group) > 1 or vertex in ends[starts[vertex] : stop]:
                        circles.append(sorted(group))
    return circles


def _cut_off(open_vertices: list[int], vertex: int) -> list[int]:
    group = [open_vertices.pop()]
    while group[-1] != vertex:
        group.append(open_vertices.pop())
    return group
