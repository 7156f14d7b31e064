"""The numbers of the story."""

from __future__ import annotations

from lab.overload.tide import Tide, Turn

WEBS = ("web-1", "web-2", "web-3")
WORKERS, SERVICE_S = 8, 0.2
MOST = WORKERS / SERVICE_S
"""Requests per second that a server's workers can serve; with more it falls over, sooner or later."""
REQUESTS = 40
"""For so many at once it has memory."""
GOOD = 34
"""Requests per second that it still serves well: its capacity in the bundle."""
WEIGHTS_AT_FIRST = {"web-1": 50, "web-2": 50, "web-3": 100}
"""In haproxy.cfg: web-3 was to become a bigger machine, which it never did."""
SEED = 1

_CHECKOUT = 24.0


def _at(at_s: float, search: float) -> Turn:
    return Turn(at_s, {"checkout": _CHECKOUT, "search": search})


TIDE = Tide(
    (
        _at(0, 20),
        _at(2, 20),
        _at(28, 72),  # 96 of 120 in all: enough for everybody, if web-3 didn't get half of it
        _at(36, 72),
        _at(46, 102),  # 126: there isn't enough for everybody
        _at(53, 102),
        _at(55, 16),
        _at(66, 16),
    )
)
