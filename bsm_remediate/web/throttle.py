"""Who guesses tokens has to wait."""

from __future__ import annotations

import time
from collections import OrderedDict, deque
from collections.abc import Callable
from ipaddress import IPv6Address, ip_address

MOST_FAILURES = 10
WITHIN_S = 60.0
_MOST_ADDRESSES = 10_000


class FailedAttempts:
    """Failed authentications by address, in this process."""

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._failures: OrderedDict[str, deque[float]] = OrderedDict()

    def count(self, address: str) -> int:
        """One more failure; how many that makes within the last minute."""
        place, now = _place(address), self._monotonic()
        known = self._failures.setdefault(place, deque(maxlen=MOST_FAILURES))
        known.append(now)
        self._failures.move_to_end(place)
        if len(self._failures) > _MOST_ADDRESSES:
            self._failures.popitem(last=False)  # whoever was quiet for longest
        return sum(now - at < WITHIN_S for at in known)

    def must_wait_s(self, address: str) -> float:
        """For how long nothing from there is looked at; 0: it is."""
        known = self._failures.get(_place(address))
        if known is None or len(known) < MOST_FAILURES:
            return 0.0
        return max(0.0, WITHIN_S - (self._monotonic() - known[0]))


def _place(address: str) -> str:
    """One customer of a provider has a whole /64 of IPv6 addresses."""
    try:
        parsed = ip_address(address)
    except ValueError:
        return address
    if not isinstance(parsed, IPv6Address):
        return address
    if parsed.ipv4_mapped is not None:
        return str(parsed.ipv4_mapped)
    return parsed.exploded[:19]
