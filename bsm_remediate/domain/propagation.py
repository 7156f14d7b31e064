"""Propagation: what a changed state changes above it, edge by edge.

Each vertex keeps two margins: the weight of its children that are not down, less what it needs, and that of its ok
children, less what it is comfortable with; below nought it is down, or degraded. A child that changes moves the margins
of its parents, so a parent with a thousand children costs no more than one with two.

*Worsening* may go on in any order: from levels that are too good, as long as something is worse than its level, it is
lowered, and what remains is the greatest fixed point, circles included. *Mending* goes by rising numbers, so that each
vertex finds everything below settled; a circle is first taken as ok and then worsened by what holds from outside.

The two functions are plain Python over anything with indices. `compiled` gives the same two as machine code when numba
is there (the extra `fast`).
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from heapq import heapify, heappop, heappush
from typing import Any

UNCHANGED = 255
"""In `before`, of vertices that this change has not touched."""

Loop = Callable[..., int]
"""Of seeds, the map's arrays, the state's arrays, how many vertices are logged already, and how many may be at most.
Returns how many are logged; when more than that, it was broken off halfway.

The map's arrays: the edges from children to parents (where those of each vertex start, the parents, the kinds), the
change of either margin by kind of edge and change of level, the first member of each vertex's circle, and where that
circle ends. The state's: own levels, levels, both margins, levels before the change, and a log of what changed.
"""


def worsen(seeds: Any, edges: Any, state: Any, logged: int, most: int, end: int) -> int:
    """Lower `seeds`, and all above them with numbers below `end`, to what their own states and margins say."""
    starts, ends, kinds, up_change, fine_change, _, _ = edges
    own, level, up, fine, before, log = state
    stack = [int(vertex) for vertex in seeds]
    while stack:
        vertex = stack.pop()
        reached = 2 if up[vertex] < 0 else 1 if fine[vertex] < 0 else 0
        reached = max(reached, int(own[vertex]))
        old = int(level[vertex])
        if reached <= old:
            continue
        level[vertex] = reached
        if before[vertex] == UNCHANGED:
            before[vertex] = old
            log[logged] = vertex
            logged += 1
            if logged > most:
                return logged
        step = old * 3 + reached
        for place in range(starts[vertex], starts[vertex + 1]):
            parent = ends[place]
            change = kinds[place] * 9 + step
            up[parent] += up_change[change]
            fine[parent] += fine_change[change]
            if parent < end and level[parent] < 2 and (up[parent] < 0 or (fine[parent] < 0 and level[parent] == 0)):
                stack.append(parent)
    return logged


def mend(seeds: Any, edges: Any, state: Any, logged: int, most: int) -> int:  # noqa: PLR0915 - compiled as one
    """Raise `seeds`, and all above, to what their own states and margins allow; nothing has become worse."""
    starts, ends, kinds, up_change, fine_change, group_of, circle_end = edges
    own, level, up, fine, before, log = state
    heap = [int(group_of[vertex]) for vertex in seeds]
    heapify(heap)
    last = -1
    while heap:
        first = heappop(heap)
        if first == last:
            continue
        last = first
        end = max(int(circle_end[first]), first + 1)
        was = [int(level[vertex]) for vertex in range(first, end)]
        if circle_end[first] > 0:
            for vertex in range(first, end):
                step = int(level[vertex]) * 3
                level[vertex] = 0
                for place in range(starts[vertex], starts[vertex + 1]):
                    parent = ends[place]
                    if first <= parent < end:
                        up[parent] += up_change[kinds[place] * 9 + step]
                        fine[parent] += fine_change[kinds[place] * 9 + step]
            stack = [int(vertex) for vertex in range(first, end)]
            while stack:
                vertex = stack.pop()
                reached = 2 if up[vertex] < 0 else 1 if fine[vertex] < 0 else 0
                reached = max(reached, int(own[vertex]))
                step = int(level[vertex]) * 3 + reached
                if reached <= level[vertex]:
                    continue
                level[vertex] = reached
                for place in range(starts[vertex], starts[vertex + 1]):
                    parent = ends[place]
                    if first <= parent < end:
                        up[parent] += up_change[kinds[place] * 9 + step]
                        fine[parent] += fine_change[kinds[place] * 9 + step]
                        stack.append(parent)
        else:
            reached = 2 if up[first] < 0 else 1 if fine[first] < 0 else 0
            level[first] = min(max(reached, int(own[first])), was[0])
        for vertex in range(first, end):
            old, reached = was[vertex - first], int(level[vertex])
            if reached == old:
                continue
            if before[vertex] == UNCHANGED:
                before[vertex] = old
                log[logged] = vertex
                logged += 1
            step = old * 3 + reached
            for place in range(starts[vertex], starts[vertex + 1]):
                parent = ends[place]
                if first <= parent < end and circle_end[first] > 0:
                    continue
                up[parent] += up_change[kinds[place] * 9 + step]
                fine[parent] += fine_change[kinds[place] * 9 + step]
                if level[parent] > own[parent]:
                    heappush(heap, int(group_of[parent]))
        if logged > most:
            return logged
    return logged


@cache
def compiled() -> tuple[Loop, Loop] | None:
    """`worsen` and `mend` as machine code; None without numba. Importing numba takes about a second, once, and the
    machine code is kept beside the module or in the user's cache.
    """
    try:
        from numba import njit
    except ImportError:
        return None
    try:
        return njit(cache=True)(worsen), njit(cache=True)(mend)
    except RuntimeError:  # nowhere to keep it
        return njit(worsen), njit(mend)
