"""Stand-ins: where the failure of one vertex is the failure of exactly one other and no more, asking about that one
answers for both. Along a chain everything is thus worked out once, at its upper end.
"""

from __future__ import annotations

from bsm_remediate.domain.failure_loss import FailureLoss


def stand_ins(losses: FailureLoss) -> list[int]:
    """By vertex: the highest one whose failure alone costs the same, itself where there is none."""
    compact, level = losses.compact, losses.live.level
    starts, ends = compact.parents.quick
    kinds, kind_of = compact.kinds, compact.parent_edge_kind
    circle_of = compact.circle_of
    found = list(range(len(compact)))
    for vertex in range(len(compact) - 1, -1, -1):
        first, last = starts[vertex], starts[vertex + 1]
        if last - first != 1 or losses.is_service(vertex):
            continue
        parent = ends[first]
        weight, *seen = kinds[kind_of[first]]
        if (
            circle_of[parent] != circle_of[vertex]
            and seen[1] == 2
            and (0, *seen)[level[vertex]] < 2
            and level[parent] < 2
            and weight > losses.margin(parent, 2)
        ):
            found[vertex] = found[parent]
    return found
