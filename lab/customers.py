"""The shop's customers: one real request for each business service four times a second. What they see is the truth that
the demo's outages are measured by.
"""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass

from lab.serving import Unavailable, fetch
from lab.topology import PORT, Network

_EVERY_S = 0.25
REQUESTS = {
    "checkout": ("lb1", "lb", "POST", "/checkout"),
    "catalogue": ("lb1", "lb", "GET", "/search"),
    "order-status": ("lb1", "lb", "GET", "/orders"),
    "production-line": ("plant2", "line", "POST", "/pieces"),
}
"""By service: host, kind of process, method and path."""


@dataclass(slots=True)
class Outage:
    """What the customers of one service have met."""

    is_served: bool = True
    seconds: float = 0.0
    """Time without service, since the demo began."""
    error: str = ""


class Customers:
    """Threads that end with the demo."""

    def __init__(self, network: Network) -> None:
        self._network = network
        self.outages = {service: Outage() for service in REQUESTS}

    def start(self) -> None:
        for service in REQUESTS:
            threading.Thread(target=self._come_and_go, args=(service,), daemon=True).start()

    def are_all_served(self) -> bool:
        return all(outage.is_served for outage in self.outages.values())

    def _come_and_go(self, service: str) -> None:
        outage = self.outages[service]
        since = time.monotonic()
        while True:
            error = self._request(service)
            now = time.monotonic()
            if error or not outage.is_served:
                outage.seconds += now - since  # from the last answer on: it failed somewhere between
            outage.is_served, outage.error = not error, error
            since = now
            time.sleep(_EVERY_S)

    def _request(self, service: str) -> str:
        host, kind, method, path = REQUESTS[service]
        try:
            answer = fetch(self._network.address(host), PORT[kind], path, method=method, timeout_s=3.0)
        except Unavailable as gone:
            return str(gone)
        return "" if answer.status == 200 else f"answers {answer.status}"
