"""How many replicas of a pool should run, as `rebalance` shows it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bsm_remediate.cli.tables import plain, simple_table
from bsm_remediate.domain.scaling import adjustment_words

if TYPE_CHECKING:
    from datetime import datetime

    from rich.console import Console

    from bsm_remediate.domain.bundle import Bundle
    from bsm_remediate.domain.event import Json
    from bsm_remediate.domain.scaling import Scaling


def scaling_document(found: Scaling, bundle: Bundle, at: datetime, goal: str) -> Json:
    """What would be set and what it would bring. Loads and capacities in their own unit, losses per minute."""
    return {
        "schema": "bsm-remediate/scaling/v1",
        "pool": found.pool.id,
        "at": at.isoformat().replace("+00:00", "Z"),
        "goal": goal,
        "currency": bundle.currency,
        "helps": found.helps,
        "reason": adjustment_words(found, bundle.currency),
        "replicas": found.wanted,
        "running": found.running,
        "at_least": found.replicas.least,
        "at_most": found.replicas.most,
        "capacity": found.replicas.capacity,
        "load": round(found.load, 6),
        "loss_per_minute": round(found.now.money, 4),
        "loss_per_minute_after": round(found.after.money, 4),
        "gain_per_minute": round(found.gain.money, 4),
        "weighted_gain_per_minute": round(found.gain.weighted, 4),
        "cost_per_minute": round(found.cost, 4),
        "worth_of_one_more": round(found.worth_of_one_more, 4),
        "services": [
            {
                "ids": list(one.services),
                "load": round(one.load, 6),
                "served": round(one.served, 6),
                "served_after": round(one.served_after, 6),
                "shed": round(one.shed, 6),
                "loss_per_minute_if_unserved": round(one.rate.money, 4),
            }
            for one in found.demands
        ],
    }


def show_scaling(console: Console, found: Scaling, currency: str) -> None:
    """Now and then, and what becomes of each service."""
    money = f"{currency}/min"
    columns = ("", "replicas", "room", "load", "use", f"lost {money}", f"cost {money}")
    table = simple_table(*columns, right=columns[1:])
    for name, count, loss in (("now", found.running, found.now), ("then", found.wanted, found.after)):
        table.add_row(
            name,
            str(count),
            f"{count * found.replicas.capacity:,.6g}",
            f"{found.load:,.6g}",
            f"{found.use(count):.0%}" if count else "",
            f"{loss.money:,.2f}",
            f"{count * found.replicas.cost_per_minute:,.2f}",
        )
    console.print(table)
    console.print()
    of_service = ("service", "load", "served", "then", f"{money} if unserved", "without room")
    table = simple_table(*of_service, right=of_service[1:])
    for one in found.demands:
        amounts = (f"{amount:,.6g}" for amount in (one.load, one.served, one.served_after))
        table.add_row(plain(one.name), *amounts, f"{one.rate.money:,.2f}", f"{one.shed:.1%}")
    console.print(table)
    console.print(plain(adjustment_words(found, currency)))
    if found.wanted < found.replicas.most:
        console.print(f"One more would save {found.worth_of_one_more:,.2f} a minute, as the goal weighs it.")
