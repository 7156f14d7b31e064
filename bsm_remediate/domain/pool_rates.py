"""What the services of a pool are worth to the business at one moment, under one goal."""

from __future__ import annotations

from bsm_remediate.domain.bundle import Bundle
from bsm_remediate.domain.ids import NodeId
from bsm_remediate.domain.loss import Prices
from bsm_remediate.domain.pool import Pool
from bsm_remediate.domain.rebalancing import Rate


def rates_of(pool: Pool, bundle: Bundle, prices: Prices, goal: str) -> dict[NodeId, Rate]:
    """Per minute, while it is down."""
    found = {}
    for node in pool.serves:
        service = bundle.service_map.services[node]
        money = prices.full(service)
        found[node] = Rate(money, money * bundle.goals[goal].weight(service.function))
    return found
