"""The sweep: levels and margins of a whole map from own levels, block by block, as operations on whole arrays."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bsm_remediate.domain.compact import CompactMap
from bsm_remediate.domain.topology import Numbers


class Sweep:
    """Made once per map. `lost` says what a child takes from its parent's margins, by three times the kind of edge plus
    its level; `whole` the margins when all is ok. `machine_code`, that of `propagation.settle`, needs no blocks.
    """

    def __init__(
        self,
        compact: CompactMap,
        lost: NDArray[np.int64],
        whole: NDArray[np.int64],
        half: int,
        machine_code: Callable[..., None] | None,
    ) -> None:
        self._ends, self._lost, self._whole, self._half = compact.children.ends, lost, whole, half
        self._starts = compact.children.starts.astype(np.int64)
        self._code = compact.edge_kind * 3 if len(compact.kinds) > 1 else None
        self._settle = machine_code
        # Without a sign, machine code doesn't ask of each number whether it counts from the end.
        numbers = (compact.children.starts, compact.children.ends, compact.edge_kind)
        self._edges = (*(one.view(np.uint32) for one in numbers), lost, whole, half)
        blocks = zip(pairwise(compact.order.blocks.tolist()), compact.order.is_circular.tolist(), strict=True)
        # Only the first block can hold vertices without children.
        self._blocks = [(first, end, is_circular) for (first, end), is_circular in blocks if self._starts[end]]
        if machine_code is not None:
            self._blocks = _joined(self._blocks)

    def __len__(self) -> int:
        """How many pieces it does one after the other."""
        return len(self._blocks)

    def __call__(self, state: Any, settle_circles: Callable[[Numbers, int], None]) -> None:
        """Writes levels and margins into `state` (see `propagation`) from the own levels in it. `settle_circles`
        worsens members of circles, below a number, until they are as bad as their margins say.
        """
        own, level, margins, _, _ = state
        level[:] = own
        for first, end, is_circular in self._blocks:
            if self._settle is not None and not is_circular:
                self._settle(first, end, self._edges, state)
                continue
            starts = self._starts[first : end + 1]
            edges = slice(starts[0], starts[-1])
            code = level[self._ends[edges]] if self._code is None else level[self._ends[edges]] + self._code[edges]
            lost = np.add.reduceat(self._lost.take(code), starts[:-1] - starts[0])
            np.subtract(self._whole[first:end], lost, out=margins[first:end])
            reached = levels_of(margins[first:end], self._half)
            if is_circular:
                settle_circles((np.flatnonzero(reached > level[first:end]) + first).astype(np.int32), end)
            else:
                np.maximum(level[first:end], reached, out=level[first:end])


def levels_of(margins: NDArray[Any], half: int) -> NDArray[np.uint8]:
    """What margins say."""
    is_down, is_worse = margins < 0, (margins & half) == 0
    reached: NDArray[np.uint8] = np.maximum(is_down.astype(np.uint8) << 1, is_worse.astype(np.uint8))
    return reached


def _joined(blocks: list[tuple[int, int, bool]]) -> list[tuple[int, int, bool]]:
    """Blocks that are next to each other, and have no circles, as one."""
    joined: list[tuple[int, int, bool]] = []
    for first, end, is_circular in blocks:
        if joined and not is_circular and not joined[-1][2] and joined[-1][1] == first:
            joined[-1] = (joined[-1][0], end, False)
        else:
            joined.append((first, end, is_circular))
    return joined
