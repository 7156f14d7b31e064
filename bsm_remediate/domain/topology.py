"""Topology: an order of a directed graph in which children come before their parents, in whole arrays.

Layer by layer first (Kahn 1962); what lies in cycles or above them is left over and put into strongly connected groups
(Tarjan 1972). Nothing here recurses: a chain of a million is as good as any other graph.
"""

from __future__ import annotations

from array import array
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.int32]
_WIDE = 64
"""Layers at least this wide are worked off as arrays, narrower ones number by number: both are quick at theirs."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Adjacency:
    """Neighbours of vertex v: `ends[starts[v]:starts[v + 1]]`."""

    starts: Numbers
    ends: Numbers

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


@dataclass(frozen=True, kw_only=True, slots=True)
class Order:
    """Vertices in order: layers (children of each lie in earlier layers), then the strongly connected groups."""

    vertices: Numbers
    layers: Numbers
    """Where each layer begins in `vertices`, and where the last one ends; from there on it is groups."""
    groups: tuple[tuple[int, int], ...]
    """First place and end of each group that goes round in a circle."""


def ordered(children: Adjacency, parents: Adjacency) -> Order:
    """The order of the graph whose edges these are, in both directions."""
    number = len(children.starts) - 1
    vertices, layers = _layers(children, parents)
    left = np.ones(number, np.bool_)
    left[vertices] = False
    groups: list[tuple[int, int]] = []
    if left.any():
        tail: list[int] = []
        for group, is_circle in _groups(children, left):
            if is_circle:
                groups.append((len(vertices) + len(tail), len(vertices) + len(tail) + len(group)))
            tail += group
        vertices = np.concatenate((vertices, np.array(tail, np.int32)))
    return Order(vertices=vertices, layers=layers, groups=tuple(groups))


def _layers(children: Adjacency, parents: Adjacency) -> tuple[Numbers, Numbers]:
    waiting = array("i", np.diff(children.starts).astype(np.int32).tobytes())
    missing = np.asarray(memoryview(waiting))
    starts, ends = array("i", parents.starts.tobytes()), array("i", parents.ends.tobytes())
    layer = np.flatnonzero(missing == 0).tolist()
    found: array[int] = array("i")
    begins = array("i", [0])
    while layer:
        found.extend(layer)
        begins.append(len(found))
        if len(layer) >= _WIDE:
            reached = parents.ends[parents.edges_from(np.array(layer, np.int32))]
            np.subtract.at(missing, reached, 1)
            layer = np.unique(reached[missing[reached] == 0]).tolist()
            continue
        following: list[int] = []
        for vertex in layer:
            for parent in ends[starts[vertex] : starts[vertex + 1]]:
                waiting[parent] -= 1
                if not waiting[parent]:
                    following.append(parent)
        following.sort()
        layer = following
    return np.array(found, np.int32), np.array(begins, np.int32)


def _groups(children: Adjacency, left: NDArray[np.bool_]) -> list[tuple[list[int], bool]]:
    """Strongly connected groups among the vertices `left`, children first, and whether each goes round in a circle."""
    starts, ends = children.starts.tolist(), children.ends.tolist()
    number: dict[int, int] = {}
    low: dict[int, int] = {}
    open_vertices: list[int] = []
    is_open: set[int] = set()
    groups: list[tuple[list[int], bool]] = []
    for root in np.flatnonzero(left).tolist():
        if root in number:
            continue
        walk = [(root, starts[root])]
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
                elif left[child] and child not in number:
                    walk += [(vertex, place), (child, starts[child])]
                    break
            else:
                if walk:
                    low[walk[-1][0]] = min(low[walk[-1][0]], low[vertex])
                if low[vertex] == number[vertex]:
                    cut = _place_of(open_vertices, vertex)
                    group = sorted(open_vertices[cut:])
                    del open_vertices[cut:]
                    is_open.difference_update(group)
                    own = ends[starts[vertex] : stop]
                    groups.append((group, len(group) > 1 or vertex in own))
    return groups


def _place_of(open_vertices: list[int], vertex: int) -> int:
    place = len(open_vertices) - 1
    while open_vertices[place] != vertex:
        place -= 1
    return place
