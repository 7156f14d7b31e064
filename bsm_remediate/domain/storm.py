"""The storm brake's eyes: how much began to signal at once; monitoring that has gone wrong must not restart everything
(DESIGN 5.7).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from datetime import datetime, timedelta

from bsm_remediate.domain.board import Heard
from bsm_remediate.domain.bundle import Bundle, StormLimit
from bsm_remediate.domain.duration import format_duration
from bsm_remediate.domain.ids import NodeId


def storms_of(heard: Mapping[NodeId, Heard], bundle: Bundle) -> tuple[str, dict[str, str]]:
    """What people are told of a storm over everything (empty: there is none), and of those in one set or pool, by its
    name. A storm lasts while its signals do.
    """
    limit = bundle.settings.storm
    onsets = {node: one.onset for node, one in heard.items() if one.onset is not None}
    number = len(bundle.service_map.components)
    whole = _storm(onsets.values(), number, limit.share, limit, "components")
    if len(onsets) < limit.at_least:
        return whole, {}
    by_set: dict[str, list[datetime]] = {}
    for node, onset in onsets.items():
        for name in bundle.sets_of.get(node, ()):
            by_set.setdefault(name, []).append(onset)
    of_sets = {
        name: _storm(begun, len(bundle.sets[name]), limit.set_share, limit, f"in {name}")
        for name, begun in sorted(by_set.items())
    }
    return whole, {name: seen for name, seen in of_sets.items() if seen}


def _storm(onsets: Collection[datetime], number: int, share: float, limit: StormLimit, what: str) -> str:
    if len(onsets) < limit.at_least:
        return ""
    most = most_at_once(onsets, limit.within)
    if most < limit.at_least or most <= share * number:
        return ""
    within = format_duration(limit.within)
    return f"{most} of {number} {what} began to signal within {within}, the limit is {share:.0%}"


def most_at_once(onsets: Iterable[datetime], within: timedelta) -> int:
    """The largest number of `onsets` that lie no further apart than `within`."""
    begun = sorted(onsets)
    first = most = 0
    for last, onset in enumerate(begun):
        while onset - begun[first] > within:
            first += 1
        most = max(most, last - first + 1)
    return most
