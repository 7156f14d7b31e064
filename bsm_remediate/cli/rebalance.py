"""`rebalance`: the weights of a pool that would lose least."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from bsm_remediate.cli.completing import components, goals, pools, several
from bsm_remediate.cli.context import Deployment, pass_deployment
from bsm_remediate.cli.moments import known_goal, known_node, parse_moment
from bsm_remediate.cli.output import emit, output_option
from bsm_remediate.cli.scaling import scaling_document, show_scaling
from bsm_remediate.cli.tables import plain, simple_table
from bsm_remediate.domain.bundle import DEFAULT_GOAL
from bsm_remediate.domain.loss import Prices
from bsm_remediate.domain.pool_load import load_named
from bsm_remediate.domain.pool_rates import rates_of
from bsm_remediate.domain.rebalancing_task import rebalance
from bsm_remediate.domain.rebalancing_words import rebalancing_words
from bsm_remediate.domain.scaling import scale
from bsm_remediate.errors import UnknownId, WrongUsage

if TYPE_CHECKING:
    from datetime import datetime

    from rich.console import Console
    from rich.table import Table

    from bsm_remediate.domain.bundle import Bundle
    from bsm_remediate.domain.event import Json
    from bsm_remediate.domain.ids import NodeId
    from bsm_remediate.domain.pool import Pool
    from bsm_remediate.domain.rebalancing import Rebalancing

_SHOWN = 40


@click.command(
    epilog="""\b
Examples:
  bsm-remediate rebalance web --load load.json
  bsm-remediate rebalance web --load - --down web-2 -o json
\b
The load is a JSON object of numbers in the unit of the members' capacities:
  {"web-1": 110, "web-2": 20}       by member: all services of the pool share it, and lose alike
  {"checkout": 90, "search": 40}    by service: it is taken to lie by capacity now
  both together                     services say how much there is, members where it lies now
A pool that scales is asked how many replicas should run:
  bsm-remediate rebalance mailers --load load.json --replicas 3"""
)
@click.argument("pool", shell_complete=pools)
@click.option(
    "--load",
    type=click.Path(path_type=Path),
    help="JSON object of member or service to its load; - for stdin; without it the Prometheus is asked.",
)
@click.option(
    "--replicas", type=click.IntRange(min=0), metavar="N", help="With --load, of a pool that scales: how many run now."
)
@click.option("--down", default="", metavar="A,B", shell_complete=several(components), help="Members that get nothing.")
@click.option("--at", metavar="TIME", help="At the prices of that time (default: now).")
@click.option("--goal", default=DEFAULT_GOAL, show_default=True, shell_complete=goals, help="Under that goal.")
@output_option
@pass_deployment
def command(
    deployment: Deployment,
    pool: str,
    load: Path | None,
    replicas: int | None,
    down: str,
    at: str | None,
    goal: str,
    output: str,
) -> None:
    """Show the weights of a pool that would lose least, or how many replicas of it, what they gain, and why; nothing is
    set.

    When not everything fits, the service worth most per unit of load is served first, and it says what share of the
    others must be turned away. Beside each member stands what one more unit of its capacity would save per minute.
    """
    moment = parse_moment(at)
    bundle = deployment.load_bundle()
    known_goal(bundle, goal)
    known = _known_pool(bundle, pool)
    if load is not None:
        lies = load_named(known, _read(load), replicas=replicas)
    else:
        lies = deployment.installation().figures.pool_load(known, bundle, at=parse_moment(None))
    rates = rates_of(known, bundle, Prices(bundle.calendars, moment), goal)
    unavailable = _unavailable(bundle, known, down)
    if known.replicas is not None:
        scaling = scale(known, lies, rates=rates, share=known.comfortable)
        scaled = scaling_document(scaling, bundle, moment, goal)
        emit(scaled, output, table=lambda console: show_scaling(console, scaling, bundle.currency))
        return
    found = rebalance(known, lies, rates=rates, unavailable=unavailable)
    emit(document(found, bundle, moment, goal), output, table=lambda console: _show(console, found, bundle.currency))


def _known_pool(bundle: Bundle, name: str) -> Pool:
    if name in bundle.pools:
        return bundle.pools[name]
    if name in bundle.sets:
        raise WrongUsage(f"the members of '{name}' have no capacities", hint="members: {web-1: {capacity: 100}}")
    raise UnknownId(f"there is no pool '{name}'", hint=f"there are {', '.join(sorted(bundle.pools)) or 'none'}")


def _read(load: Path) -> dict[str, float]:
    try:
        text = sys.stdin.read() if str(load) == "-" else load.read_text(encoding="utf-8")
        found = json.loads(text, object_pairs_hook=_once)
    except (OSError, ValueError, RecursionError) as error:
        raise WrongUsage(f"{load} cannot be read: {error}") from error
    is_number = isinstance(found, dict) and all(
        isinstance(one, int | float) and not isinstance(one, bool) for one in found.values()
    )
    if not is_number:
        raise WrongUsage(f"{load} must be a JSON object of member or service to a number")
    try:
        return {name: float(number) for name, number in found.items()}
    except OverflowError:
        raise WrongUsage(f"{load} has a number that is too large") from None


def _once(pairs: list[tuple[str, Json]]) -> dict[str, Json]:
    names = [name for name, _ in pairs]
    doubled = next((name for name in names if names.count(name) > 1), None) if len({*names}) < len(names) else None
    if doubled is not None:
        raise ValueError(f"'{doubled}' is written twice")
    return dict(pairs)


def _unavailable(bundle: Bundle, pool: Pool, down: str) -> dict[NodeId, str]:
    members = {one.id for one in pool.members}
    found = {}
    for name in filter(None, (part.strip() for part in down.split(","))):
        node = known_node(bundle, name)
        if node not in members:
            raise WrongUsage(f"{node} is no member of pool {pool.id}")
        found[node] = "down"
    return found


def document(found: Rebalancing, bundle: Bundle, at: datetime, goal: str) -> Json:
    """What would be set and what it would bring. Loads and capacities in their own unit, losses per minute."""
    return {
        "schema": "bsm-remediate/rebalance/v1",
        "pool": found.pool.id,
        "at": at.isoformat().replace("+00:00", "Z"),
        "goal": goal,
        "currency": bundle.currency,
        "helps": found.helps,
        "reason": rebalancing_words(found, bundle.currency),
        "loss_per_minute": _money(found.now.money),
        "loss_per_minute_after": _money(found.after.money),
        "loss_per_minute_unshed": _money(found.unshed.money),
        "gain_per_minute": _money(found.gain.money),
        "weighted_gain_per_minute": _money(found.gain.weighted),
        "moved": round(found.moved, 6),
        "weights": [{"name": name, "value": value} for name, value in found.weights.members.items()],
        "members": [
            {
                "id": one.member,
                "capacity": one.capacity,
                "unavailable": one.unavailable,
                "load": round(one.load, 6),
                "load_after": round(one.load_after, 6),
                "weight": round(one.weight, 6),
                "weight_after": one.weight_after,
                "worth_per_unit": _money(one.worth_per_unit),
            }
            for one in found.members
        ],
        "services": [
            {
                "ids": list(one.services),
                "load": round(one.load, 6),
                "served": round(one.served, 6),
                "served_after": round(one.served_after, 6),
                "shed": round(one.shed, 6),
                "loss_per_minute_if_unserved": _money(one.rate.money),
                "weights": {
                    member.member: weight for member, weight in zip(found.members, one.weights_after, strict=True)
                },
            }
            for one in found.traffic
        ],
    }


def _money(number: float) -> float:
    return round(number, 4) + 0.0  # no -0.0


def _show(console: Console, found: Rebalancing, currency: str) -> None:
    money = f"{currency}/min"
    columns = ("member", "capacity", "load", "then", "use", "then ", "weight", "then  ", "one more unit saves", "")
    table = simple_table(*columns, right=columns[1:-1])
    for one in found.members[:_SHOWN]:
        table.add_row(
            plain(one.member),
            _amount(one.capacity),
            _amount(one.load),
            _amount(one.load_after),
            f"{one.use:.0%}",
            f"{one.use_after:.0%}",
            f"{one.weight:.1%}",
            f"{one.weight_after:.1%}",
            f"{one.worth_per_unit:,.2f}",
            plain(one.unavailable),
        )
    console.print(table)
    if len(found.members) > _SHOWN:
        console.print(f"… and {len(found.members) - _SHOWN} more (all with -o json)")
    console.print()
    console.print(_services(found, money))
    reason = plain(rebalancing_words(found, currency))
    console.print(f"Losing {found.now.money:,.2f} {money} now, {found.after.money:,.2f} then: {reason}")
    if found.unshed.money > found.after.money + 0.005:
        console.print(f"If nothing is turned away it is {found.unshed.money:,.2f} {money}: all would suffer alike")


def _amount(load: float) -> str:
    return f"{load:,.0f}" if load >= 1000 else f"{load:,.1f}".removesuffix(".0")


def _services(found: Rebalancing, money: str) -> Table:
    columns = ("service", "load", "served", "then", f"{money} if unserved", "turned away")
    table = simple_table(*columns, right=columns[1:])
    for one in found.traffic:
        table.add_row(
            plain(one.name),
            _amount(one.load),
            _amount(one.served),
            _amount(one.served_after),
            f"{one.rate.money:,.2f}",
            f"{one.shed:.1%}",
        )
    return table
