"""On call: whose turn it is, and who is told when nobody answers."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo


@dataclass(frozen=True, kw_only=True, slots=True)
class OnCall:
    """People in turn. Turns change by the wall clock of the zone: at 09:00 in summer and in winter."""

    rotation: tuple[str, ...]
    every: timedelta
    start: datetime
    """When the first turn begins."""
    timezone: str = "UTC"

    def turn(self, now: datetime) -> int:
        """The number of the turn at `now` (aware), from 0; 0 before the first."""
        zone = ZoneInfo(self.timezone)
        begin = self.start.astimezone(zone).replace(tzinfo=None)
        number = (now.astimezone(zone).replace(tzinfo=None) - begin) // self.every
        # An hour that the clock goes through twice, or leaves out, can put the number off by what fits into it.
        while self._begin(number + 1) <= now:
            number += 1
        while number > 0 and self._begin(number) > now:
            number -= 1
        return max(number, 0)

    def _begin(self, turn: int) -> datetime:
        """When that turn begins; of an hour that comes twice the first counts."""
        zone = ZoneInfo(self.timezone)
        local = self.start.astimezone(zone).replace(tzinfo=None) + turn * self.every
        return local.replace(tzinfo=zone).astimezone(UTC)

    def person(self, now: datetime) -> str:
        return self.rotation[self.turn(now) % len(self.rotation)]


def people_to_tell(
    members: Collection[str],
    on_call: OnCall | None,
    reachable: Collection[str],
    *,
    since: datetime,
    until: datetime,
    after: timedelta,
) -> frozenset[str]:
    """Who of a team is to know by `until` of what has needed a person since `since`, and nobody has answered.

    First who was on call; each time that `after` has passed, the next of the rotation; once all have been told, every
    member. Who takes over the duty meanwhile is told then. Those without an address (`reachable`) take no turn. A team
    without a rotation is told as a whole at once.
    """
    everybody = frozenset(one for one in members if one in reachable)
    if on_call is None:
        return everybody
    first, last = on_call.turn(since), on_call.turn(until)
    rotation, length = on_call.rotation, len(on_call.rotation)
    in_order = [rotation[(first + step) % length] for step in range(length)]
    order = list(dict.fromkeys(one for one in in_order if one in reachable))
    stage = max((until - since) // after, 0)
    if stage >= len(order):
        return everybody | frozenset(order)
    on_duty = {rotation[turn % length] for turn in range(first, min(last, first + length) + 1)}
    return frozenset(order[: stage + 1]) | (on_duty & set(order))
