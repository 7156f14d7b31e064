"""The sweep: levels and margins of a whole map from own levels, block by block, as operations on whole arrays."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from bsm_remediate.domain.compact import CompactMap, Weights
from bsm_remediate.domain.topology import Numbers

NARROW = 2**31
"""Totals below this fit into one half of a whole number of 64 bits: one pass does for both margins."""


class Sweep:
    """Made once per map."""

    def __init__(self, compact: CompactMap, up: Weights, fine: Weights) -> None:
        self._when_all_is_ok = (up, fine)
        self._ends = compact.children.ends
        self._starts = compact.children.starts.astype(np.int64)
        # What a child takes from the margins of its parent: from the second, and in the upper half from the first.
        self._lost = np.array(
            [weight * ((seen > 0) + ((seen == 2) << 32)) for weight, *rest in compact.kinds for seen in (0, *rest)],
            np.int64,
        )
        self._code = compact.edge_kind * 3 if len(compact.kinds) > 1 else None
        blocks = zip(pairwise(compact.order.blocks.tolist()), compact.order.is_circular.tolist(), strict=True)
        # Only the first block can hold vertices without children.
        self._blocks = [(first, end, is_circular) for (first, end), is_circular in blocks if self._starts[end]]

    def __call__(
        self,
        own: NDArray[np.uint8],
        level: NDArray[np.uint8],
        up: NDArray[np.int64],
        fine: NDArray[np.int64],
        settle: Callable[[Numbers, int], None],
    ) -> None:
        """Writes levels and margins from `own`. `settle` worsens members of circles, below a number, until they are
        as bad as their margins say.
        """
        level[:] = own
        up[:], fine[:] = self._when_all_is_ok
        for first, end, is_circular in self._blocks:
            starts = self._starts[first : end + 1]
            edges = slice(starts[0], starts[-1])
            code = level[self._ends[edges]] if self._code is None else level[self._ends[edges]] + self._code[edges]
            lost = np.add.reduceat(self._lost.take(code), starts[:-1] - starts[0])
            up[first:end] = self._when_all_is_ok[0][first:end] - (lost >> 32)
            fine[first:end] = self._when_all_is_ok[1][first:end] - (lost & 0xFFFFFFFF)
            is_down, is_worse = up[first:end] < 0, fine[first:end] < 0
            reached = np.maximum(is_down.view(np.uint8) << 1, is_worse.view(np.uint8))
            if is_circular:
                settle((np.flatnonzero(reached > level[first:end]) + first).astype(np.int32), end)
            else:
                np.maximum(level[first:end], reached, out=level[first:end])
