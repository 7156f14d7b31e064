"""Propagation: what a changed state changes above it, edge by edge.

Each vertex keeps two margins: the weight of its children that are not down, less what it needs; and that of its ok
children, less what it is comfortable with. Below nought it is down, or degraded. A child that changes moves the margins
of its parents, so a parent with a thousand children costs no more than one with two. Both margins stand in one number,
the first in its upper half, the second, plus `half`, in its lower half: so one addition moves both, the number is
negative when the first is, and lacks the bit of `half` when the second is negative.

*Worsening* may go on in any order: from levels that are too good, as long as something is worse than its level, it is
lowered, and what remains is the greatest fixed point, circles included. *Mending* goes by rising numbers, so that each
vertex finds everything below settled; a circle is first taken as ok and then worsened by what holds from outside.

These functions are plain Python over anything with indices. `compiled` gives the same ones as machine code when numba
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
change of the margins by kind of edge and change of level, the first member of each vertex's circle, where that circle
ends, and `half`. The state's: own levels, levels, margins, levels before the change, and a log of what changed.
"""


def worsen(seeds: Any, edges: Any, state: Any, logged: int, most: int, end: int) -> int:
    """Lower `seeds`, and all above them with numbers below `end`, to what their own states and margins say."""
    starts, ends, kinds, changes, _, _, half = edges
    own, level, margins, before, log = state
    stack = [int(vertex) for vertex in seeds]
    while stack:
        vertex = stack.pop()
        reached = 2 if margins[vertex] < 0 else 0 if margins[vertex] & half else 1
        old = level[vertex]
        if own[vertex] > reached:  # noqa: PLR1730 - a call of `max` would take a tenth of all the time
            reached = own[vertex]
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
            margin = margins[parent] + changes[kinds[place] * 9 + step]
            margins[parent] = margin
            if parent < end and level[parent] < (2 if margin < 0 else 0 if margin & half else 1):
                stack.append(parent)
    return logged


def mend(seeds: Any, edges: Any, state: Any, logged: int, most: int) -> int:  # noqa: PLR0915 - compiled as one
    """Raise `seeds`, and all above, to what their own states and margins allow; nothing has become worse."""
    starts, ends, kinds, changes, circle_of, circle_end, half = edges
    own, level, margins, before, log = state
    heap = [int(circle_of[vertex]) for vertex in seeds]
    heapify(heap)
    last = -1
    while heap:
        first = heappop(heap)
        if first == last:
            continue
        last = first
        end = first + 1
        inside = first  # from here to `end` edges stay within the circle
        was = [level[first]]
        if circle_end[first] > 0:
            end = circle_end[first]
            inside = end
            was = [level[vertex] for vertex in range(first, end)]
            for vertex in range(first, end):
                step = level[vertex] * 3
                level[vertex] = 0
                for place in range(starts[vertex], starts[vertex + 1]):
                    if first <= ends[place] < end:
                        margins[ends[place]] += changes[kinds[place] * 9 + step]
            stack = [vertex for vertex in range(first, end)]  # noqa: C416 - numba knows no list(range())
            while stack:
                vertex = stack.pop()
                reached = 2 if margins[vertex] < 0 else 0 if margins[vertex] & half else 1
                if own[vertex] > reached:  # noqa: PLR1730
                    reached = own[vertex]
                step = level[vertex] * 3 + reached
                if reached <= level[vertex]:
                    continue
                level[vertex] = reached
                for place in range(starts[vertex], starts[vertex + 1]):
                    if first <= ends[place] < end:
                        margins[ends[place]] += changes[kinds[place] * 9 + step]
                        stack.append(ends[place])
        else:
            reached = 2 if margins[first] < 0 else 0 if margins[first] & half else 1
            if own[first] > reached:  # noqa: PLR1730
                reached = own[first]
            if reached < level[first]:  # noqa: PLR1730
                level[first] = reached
        for vertex in range(first, end):
            old = was[vertex - first]
            if level[vertex] == old:
                continue
            if before[vertex] == UNCHANGED:
                before[vertex] = old
                log[logged] = vertex
                logged += 1
            step = old * 3 + level[vertex]
            for place in range(starts[vertex], starts[vertex + 1]):
                parent = ends[place]
                if first <= parent < inside:
                    continue
                margin = margins[parent] + changes[kinds[place] * 9 + step]
                margins[parent] = margin
                if level[parent] > (2 if margin < 0 else 0 if margin & half else 1):
                    heappush(heap, circle_of[parent])
                elif level[parent] > own[parent] and circle_end[circle_of[parent]] > 0:
                    heappush(heap, circle_of[parent])  # what holds it down may be itself
        if logged > most:
            return logged
    return logged


def settle(first: int, end: int, edges: Any, state: Any) -> None:
    """Levels and margins of the vertices from `first` to `end`, none of them in a circle, from those below. `edges` are
    those from parents to children, what each kind takes from the margins by level, the margins when all is ok, `half`.
    """
    starts, ends, kinds, lost, whole, half = edges
    own, level, margins, _, _ = state
    for vertex in range(first, end):
        margin = whole[vertex]
        for place in range(starts[vertex], starts[vertex + 1]):
            margin -= lost[kinds[place] * 3 + level[ends[place]]]
        margins[vertex] = margin
        # Without branches: in a storm no processor can guess them.
        level[vertex] = max((margin < 0) * 2, ((margin & half) == 0) * 1, int(own[vertex]))


@cache
def compiled() -> tuple[Loop, Loop, Callable[..., None]] | None:
    """`worsen`, `mend` and `settle` as machine code; None without numba. Importing numba takes about a second, once,
    and the machine code is kept beside the module or in the user's cache.
    """
    try:
        from numba import njit
    except ImportError:
        return None
    try:
        return njit(cache=True)(worsen), njit(cache=True)(mend), njit(cache=True)(settle)
    except RuntimeError:  # nowhere to keep it
        return njit(worsen), njit(mend), njit(settle)
