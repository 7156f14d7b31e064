"""Moves drawn by chance, always the same ones for the same seed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

import numpy as np

_BLOCK = 4096
_T = TypeVar("_T")


class Draws:
    """Numbers of a seeded generator (PCG64), drawn in blocks: no state outside, so the domain stays pure."""

    def __init__(self, seed: int) -> None:
        self._generator = np.random.Generator(np.random.PCG64(seed))
        self._block: list[float] = []

    def share(self) -> float:
        """A number of [0, 1)."""
        if not self._block:
            self._block = self._generator.random(_BLOCK).tolist()
        return self._block.pop()

    def below(self, limit: int) -> int:
        """A whole number of 0 … limit - 1."""
        return int(self.share() * limit)

    def one_of(self, items: Sequence[_T]) -> _T:
        return items[self.below(len(items))]
