"""A notifier in memory: what people would have got, and a way to be away or to hang."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from bsm_remediate.ports import Clock


@dataclass(frozen=True, kw_only=True, slots=True)
class Received:
    """One message that arrived."""

    at: datetime
    address: str
    title: str
    body: str


class SimulatedNotifier:
    """Implements `Notifier`."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.received: list[Received] = []
        self.away: set[str] = set()
        """Addresses that refuse; `*` refuses all."""
        self.hangs_s = 0.0
        """How long it takes to answer."""
        self.calls = 0

    def send(self, address: str, title: str, body: str) -> str:
        self.calls += 1
        if self.hangs_s:
            self._clock.wait(self.hangs_s)
        if self.away & {address, "*"}:
            return "nobody answers"
        self.received.append(Received(at=self._clock.now(), address=address, title=title, body=body))
        return ""

    def objection(self, address: str) -> str:
        return "" if "://" in address else "no address"

    def to(self, address: str) -> list[Received]:
        return [one for one in self.received if one.address == address]
