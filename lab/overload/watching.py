"""What somebody sees who watches a shop: the load of each server, the weights, who fails, and what that costs."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from lab.overload.customers import ANSWERED, FAILED, TURNED_AWAY
from lab.overload.scenario import TIDE, WEBS
from lab.overload.site import Site

_OVER_S = 3.0
"""Rates are of so long."""
_OUTCOMES = (ANSWERED, TURNED_AWAY, FAILED)
_NOBODY: Mapping[str, int] = dict.fromkeys(_OUTCOMES, 0)


@dataclass(frozen=True, kw_only=True, slots=True)
class Server:
    """One web server at one moment."""

    is_alive: bool
    rate: float = 0.0
    """Requests per second that reach it."""
    queue: int = 0
    """Requests that wait for a worker."""
    weight: float = 0.0
    """Share of the traffic that HAProxy gives it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Moment:
    """A shop, so many seconds after its doors opened."""

    at_s: float
    servers: Mapping[str, Server]
    customers: Mapping[str, Mapping[str, int]]
    """Service → how many were answered, turned away and failed so far."""
    loss_per_minute: float
    """By what customers met of late: a service costs its part of those who weren't served."""
    shed: Mapping[str, float] = field(default_factory=dict)
    """Service → share that HAProxy turns away on purpose."""
    runs: tuple[Mapping[str, Any], ...] = ()
    """The engine's, oldest first."""
    is_over: bool = False

    def failed(self, service: str) -> int:
        return self.customers[service][FAILED]

    def weights(self) -> dict[str, float]:
        return {name: round(one.weight, 3) for name, one in self.servers.items()}


class Watcher:
    """Looks at one shop again and again."""

    def __init__(self, site: Site, prices: Mapping[str, float]) -> None:
        """`prices`: service → loss per minute while nobody is served."""
        self.site = site
        self._prices = prices
        self._arrived: dict[str, deque[tuple[float, float]]] = {name: deque() for name in WEBS}
        self._counts: deque[tuple[float, Mapping[str, Mapping[str, int]]]] = deque()
        self._weights = dict.fromkeys(WEBS, 0.0)

    def look(self, at_s: float) -> Moment:
        told = self.site.customers()
        customers = told.get("services") or {service: dict(_NOBODY) for service in TIDE.services}
        weights = {name: one["weight"] for name, one in self.site.status().items()}
        whole = sum(weights.values())
        if whole:
            self._weights = {name: weights[name] / whole for name in WEBS}
        return Moment(
            at_s=at_s,
            servers={name: self._server(name, at_s) for name in WEBS},
            customers=customers,
            loss_per_minute=self._loss(at_s, customers),
            shed=self.site.shed(),
            runs=tuple(self.site.runs()),
            is_over=bool(told.get("is_over")),
        )

    def _server(self, name: str, at_s: float) -> Server:
        figures, weight = self.site.figures(name), self._weights[name]
        seen = self._arrived[name]
        if not figures:
            seen.clear()
            return Server(is_alive=self.site.is_alive(name), weight=weight)
        seen.append((at_s, figures["web_requests_total"]))
        _forget(seen, at_s)
        (since, before), (now, count) = seen[0], seen[-1]
        rate = (count - before) / (now - since) if now > since else 0.0
        return Server(is_alive=True, rate=rate, queue=int(figures["web_queue"]), weight=weight)

    def _loss(self, at_s: float, customers: Mapping[str, Mapping[str, int]]) -> float:
        self._counts.append((at_s, customers))
        _forget(self._counts, at_s)
        before = self._counts[0][1]
        loss = 0.0
        for service, counts in customers.items():
            came = {how: counts[how] - before[service][how] for how in _OUTCOMES}
            whole = sum(came.values())
            loss += self._prices[service] * (whole - came[ANSWERED]) / whole if whole else 0.0
        return loss


def _forget(seen: deque[Any], at_s: float) -> None:
    """What is older than the time that rates are of, save one to compare with."""
    while len(seen) > 2 and at_s - seen[1][0] >= _OVER_S:
        seen.popleft()
