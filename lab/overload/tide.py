"""How many customers come, and when each of them: lines between turning points, the same for the same seed."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

_STEP_S = 0.001


class Turn(NamedTuple):
    """From one to the next rates change evenly."""

    at_s: float
    rates: Mapping[str, float]
    """Service → requests per second."""


class Arrival(NamedTuple):
    at_s: float
    service: str


@dataclass(frozen=True)
class Tide:
    """Of all services."""

    turns: Sequence[Turn]

    @property
    def services(self) -> list[str]:
        return sorted({name for turn in self.turns for name in turn.rates})

    @property
    def ends_s(self) -> float:
        return self.turns[-1].at_s

    def rate(self, service: str, at_s: float) -> float:
        """Requests per second then; 0 before the first turn and after the last."""
        for before, after in pairwise(self.turns):
            if before.at_s <= at_s < after.at_s:
                part = (at_s - before.at_s) / (after.at_s - before.at_s)
                return before.rates.get(service, 0.0) * (1 - part) + after.rates.get(service, 0.0) * part
        return 0.0

    def arrivals(self, seed: int) -> list[Arrival]:
        """Each request, in order. Within its turn of the queue each comes early or late by chance."""
        return sorted(one for service in self.services for one in self._of(service, random.Random(f"{seed} {service}")))

    def _of(self, service: str, chance: random.Random) -> Iterator[Arrival]:
        come, due = 0.0, chance.random()
        number = 0
        for step in range(int(self.ends_s / _STEP_S)):
            at_s = step * _STEP_S
            come += self.rate(service, at_s) * _STEP_S
            while come >= due:
                yield Arrival(at_s, service)
                number += 1
                due = number + chance.random()
