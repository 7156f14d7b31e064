"""Blame: what makes each failing node fail, directly or through others; and the other way round, what it explains."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

import numpy as np
from numpy.typing import NDArray

from bsm_remediate.domain.compact import CompactMap
from bsm_remediate.domain.ids import NodeId
from bsm_remediate.domain.live_levels import LiveLevels
from bsm_remediate.domain.suspicion import Links
from bsm_remediate.domain.topology import Adjacency


class Blame(Mapping[NodeId, frozenset[NodeId]]):
    """Each node that isn't ok → everything below it that makes it so. What fails beside it without a part in it (behind
    redundancy, or a soft dependency) is left out.

    The direct part, who is to blame for what, is worked out at once for all; what follows from it when it is asked for.
    `links` has beside it what would make a node fail too, though less badly.
    """

    def __init__(self, compact: CompactMap, live: LiveLevels, is_component: NDArray[np.bool_]) -> None:
        level = live.level
        vertices = np.flatnonzero(level).astype(np.int32)
        counts = compact.children.starts[vertices + 1] - compact.children.starts[vertices]
        edges = compact.children.edges_from(vertices)
        owners = np.repeat(np.arange(len(vertices), dtype=np.int32), counts)
        ends = compact.children.ends[edges]
        seen = compact.seen[edges, level[ends]]
        said = live.formula_levels(vertices)[owners]
        has_part = (seen > 0) & (said > 0)
        owners, ends, seen, said = owners[has_part], ends[has_part], seen[has_part], said[has_part]
        ends = np.searchsorted(vertices, ends).astype(np.int32)
        self.links = Links(
            number=len(vertices),
            owners=owners,
            ends=ends,
            share=np.minimum(1.0, seen / said),
            is_component=is_component[vertices],
        )
        guilty = seen >= said
        owners, ends = owners[guilty], ends[guilty]
        self._below, _ = Adjacency.of(owners, ends, len(vertices))
        self._above, _ = Adjacency.of(ends, owners, len(vertices))
        self._names = [compact.names[vertex] for vertex in vertices.tolist()]
        self._place_of = {name: place for place, name in enumerate(self._names) if name}

    def place(self, node: NodeId) -> int | None:
        """The place of `node` in `links`; None when it is ok."""
        return self._place_of.get(node)

    def __getitem__(self, node: NodeId) -> frozenset[NodeId]:
        return frozenset(self._reached(self._below, self._place_of[node]))

    def __iter__(self) -> Iterator[NodeId]:
        return iter(self._place_of)

    def __len__(self) -> int:
        return len(self._place_of)

    def explained_by(self, causes: Iterable[NodeId]) -> dict[NodeId, tuple[NodeId, ...]]:
        """Each of `causes` → the failing nodes that it has a part in, by id; costs what is found."""
        return {
            cause: tuple(sorted(self._reached(self._above, place)))
            if (place := self._place_of.get(cause)) is not None
            else ()
            for cause in causes
        }

    def _reached(self, edges: Adjacency, place: int) -> list[NodeId]:
        found = edges.reached([place])
        return [name for one in found if one != place and (name := self._names[one])]
