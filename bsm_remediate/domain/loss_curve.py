"""Loss curves: what an outage costs by the time it ends, as straight lines between moments (DESIGN 5.2)."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from itertools import pairwise
from typing import NamedTuple


class LossCurve(NamedTuple):  # made by the ten thousand
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

    @property
    def is_nothing(self) -> bool:
        return self.rate == 0 and self.lost[-1] == 0

    @property
    def is_straight(self) -> bool:
        """Whether `rate` says all."""
        return len(self.seconds) == 1 and self.lost[0] == 0

    def plus(self, other: LossCurve) -> LossCurve:
        """Both together."""
        if len(self.seconds) == len(other.seconds) == 1:
            return LossCurve(self.rate + other.rate, lost=(self.lost[0] + other.lost[0],))
        seconds = sorted({*self.seconds, *other.seconds})
        jumps = {one for curve in (self, other) for one, next_ in pairwise(curve.seconds) if one == next_}
        # At a jump both values count: the one before it, and the one after.
        moments = [(one, after) for one in seconds for after in ((False, True) if one in jumps else (True,))]
        lost = tuple(
            sum(curve.until(one) if after else curve.just_before(one) for curve in (self, other))
            for one, after in moments
        )
        return LossCurve(self.rate + other.rate, tuple(one for one, _ in moments), lost)

    def just_before(self, second: float) -> float:
        """Lost when the outage ends right before the jump at `second`, if there is one there."""
        place = bisect_left(self.seconds, second)
        is_jump = self.seconds[place : place + 2] == (second, second)
        return self.lost[place] if is_jump else self.until(second)

    def times(self, factor: float) -> LossCurve:
        """The same, `factor` (from 0) times as much."""
        return LossCurve(self.rate * factor, self.seconds, tuple(one * factor for one in self.lost))
