"""The customers: each comes when the tide says, whatever became of those before, and tells how it went.

Every half second a line of JSON says, by service, how many were answered, turned away on purpose, and failed.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import time
from collections import Counter
from collections.abc import Mapping

from lab.overload.scenario import SEED, TIDE
from lab.overload.tide import Tide
from lab.overload.wire import ask
from lab.serving import die_with_parent, endpoint

PATIENCE_S = 5.0
"""A customer who has waited so long is gone."""
ANSWERED, TURNED_AWAY, FAILED = "answered", "turned_away", "failed"
_TELL_EVERY_S = 0.5


class Customers:
    """All of one shop."""

    def __init__(self, tide: Tide, doors: Mapping[str, tuple[str, int]]) -> None:
        """`doors`: service → where it is asked for."""
        self._tide = tide
        self._doors = doors
        self._count = {service: Counter({ANSWERED: 0, TURNED_AWAY: 0, FAILED: 0}) for service in doors}
        self._why: Counter[str] = Counter()
        self._slowest_s = dict.fromkeys(doors, 0.0)
        self._here: set[asyncio.Task[None]] = set()

    async def come(self, begin_at: float, seed: int) -> None:
        """From `begin_at` on (of the monotonic clock) until all have been."""
        telling = asyncio.create_task(self._tell(begin_at))
        for arrival in self._tide.arrivals(seed):
            await asyncio.sleep(max(begin_at + arrival.at_s - time.monotonic(), 0.0))
            task = asyncio.create_task(self._ask(arrival.service))
            self._here.add(task)
            task.add_done_callback(self._here.discard)
        while self._here:
            await asyncio.wait(list(self._here))
        telling.cancel()
        self._say(begin_at, is_over=True)

    async def _ask(self, service: str) -> None:
        began = time.monotonic()
        try:
            async with asyncio.timeout(PATIENCE_S):
                reply = await ask(*self._doors[service], f"/{service}")
            how = ANSWERED if reply.status == 200 else TURNED_AWAY if reply.is_turned_away else FAILED
            why = str(reply.status)
        except TimeoutError:
            how, why = FAILED, "timed out"
        except OSError as error:
            how, why = FAILED, type(error).__name__
        self._count[service][how] += 1
        if how == FAILED:
            self._why[f"{service}: {why}"] += 1
        if how == ANSWERED:
            self._slowest_s[service] = max(self._slowest_s[service], time.monotonic() - began)

    async def _tell(self, begin_at: float) -> None:
        while True:
            await asyncio.sleep(_TELL_EVERY_S)
            self._say(begin_at, is_over=False)

    def _say(self, begin_at: float, *, is_over: bool) -> None:
        told = {
            "at_s": round(time.monotonic() - begin_at, 3),
            "is_over": is_over,
            "services": self._count,
            "slowest_s": {name: round(slowest, 3) for name, slowest in self._slowest_s.items()},
            "why": self._why,
        }
        sys.stdout.write(json.dumps(told) + "\n")
        sys.stdout.flush()


def main() -> None:
    options = argparse.ArgumentParser(description=str(__doc__).partition("\n")[0])
    options.add_argument("--begin-at", type=float, required=True, help="time of the monotonic clock")
    for service in TIDE.services:
        options.add_argument(f"--{service}", type=endpoint, required=True, metavar="ADDRESS:PORT")
    given = options.parse_args()
    die_with_parent()
    doors = {service: getattr(given, service) for service in TIDE.services}
    asyncio.run(Customers(TIDE, doors).come(given.begin_at, SEED))


if __name__ == "__main__":
    main()
