"""States of components and services, and how bad each is."""

from __future__ import annotations

from enum import StrEnum


class State(StrEnum):
    """ok < degraded < down; unknown and maintenance stand beside that order (DESIGN 5.1)."""

    OK = "ok"
    DEGRADED = "degraded"
    DOWN = "down"
    UNKNOWN = "unknown"
    MAINTENANCE = "maintenance"


Level = int
"""0 ok, 1 degraded, 2 down: the one order that formulas compute with."""

LEVELS: tuple[State, State, State] = (State.OK, State.DEGRADED, State.DOWN)
LEVEL_OF: dict[State, Level] = {State.OK: 0, State.DEGRADED: 1, State.DOWN: 2}
AT_BEST: dict[State, Level] = {**LEVEL_OF, State.UNKNOWN: 0, State.MAINTENANCE: 2}
"""Levels if the unknown turns out well; what is in maintenance doesn't serve."""
AT_WORST: dict[State, Level] = {**AT_BEST, State.UNKNOWN: 2}

_WORSE = {State.OK: 0, State.UNKNOWN: 1, State.DEGRADED: 2, State.DOWN: 3, State.MAINTENANCE: 4}


def worse(one: State, other: State) -> State:
    """Of two things said about one, what counts: maintenance is an order, and a failure is surer than not to know."""
    return other if _WORSE[other] > _WORSE[one] else one


SEVERITY_STATE: dict[str, State] = {
    **dict.fromkeys(("critical", "page", "error", "high", "disaster", "down"), State.DOWN),
    **dict.fromkeys(("warning", "minor", "medium", "low"), State.DEGRADED),
    **dict.fromkeys(("info", "none"), State.OK),
}
"""What an alert's severity says about its component; any other severity means degraded, with a warning."""
