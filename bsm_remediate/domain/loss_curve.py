"""Loss curves: what an outage costs by the time it ends, as straight lines between moments (DESIGN 5.2)."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class LossCurve:
    """Money (or points) lost by an outage that goes on from now until some second.

    `lost[i]` is lost by `seconds[i]`, straight lines in between, and `rate` more per second after the last; it never
    falls. Two equal `seconds` are a jump, which counts once it is passed.
    """

    rate: float
    seconds: tuple[float, ...] = (0.0,)
    """Ascending, from 0."""
    lost: tuple[float, ...] = (0.0,)

    def until(self, second: float) -> float:
        """Lost when the outage ends at `second` (finite, from 0)."""
        place = bisect_right(self.seconds, second) - 1
        if place + 1 < len(self.seconds):
            width = self.seconds[place + 1] - self.seconds[place]
            slope = (self.lost[place + 1] - self.lost[place]) / width
        else:
            slope = self.rate
        return self.lost[place] + slope * (second - self.seconds[place])

    def times(self, factor: float) -> LossCurve:
        """The same, `factor` (from 0) times as much."""
        return LossCurve(self.rate * factor, self.seconds, tuple(one * factor for one in self.lost))


NOTHING = LossCurve(0.0)
