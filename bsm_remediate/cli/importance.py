"""`importance`: which components matter most?"""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from bsm_remediate.cli.completing import goals
from bsm_remediate.cli.context import Deployment, pass_deployment
from bsm_remediate.cli.moments import known_goal, parse_moment
from bsm_remediate.cli.output import emit, output_option
from bsm_remediate.cli.progress import shown
from bsm_remediate.cli.tables import plain, simple_table
from bsm_remediate.domain.bundle import DEFAULT_GOAL
from bsm_remediate.domain.failure_loss import FailureLoss
from bsm_remediate.domain.importance import Importance, ranked
from bsm_remediate.domain.pairs import Pairs, worst_pairs
from bsm_remediate.domain.redundancy import Second, seconds
from bsm_remediate.domain.rollup import RollUp

if TYPE_CHECKING:
    from rich.console import Console

    from bsm_remediate.domain.event import Json

_SHOWN = 40
_SECONDS_SHOWN = 3
_MOST_PAIRS = 1000


@click.command(
    epilog="""\b
Examples:
  bsm-remediate importance --goal production-first
  bsm-remediate importance --pairs"""
)
@click.option("--pairs", "with_pairs", is_flag=True, help="Also rank pairs that cost more together than alone.")
@click.option("--at", metavar="TIME", help="At the prices of that time (default: now).")
@click.option("--goal", default=DEFAULT_GOAL, show_default=True, shell_complete=goals, help="Under that goal.")
@output_option
@pass_deployment
def command(deployment: Deployment, at: str | None, goal: str, output: str, *, with_pairs: bool) -> None:
    """Rank components by the loss per minute that their failure alone would cause.

    It also says of which component a second one would save most: one that needs nothing that the first needs, so that
    it helps when the first fails or anything that this stands on. What it saves is summed over the failures of one
    component at a time.
    """
    moment = parse_moment(at)
    bundle = deployment.load_bundle()
    known_goal(bundle, goal)
    losses = FailureLoss(bundle, RollUp(bundle.service_map), at=moment, goal=goal)
    with shown("failures of one") as progress:
        found = ranked(losses, progress)
    with shown("second ones") as progress:
        second_ones = seconds(bundle, found, at=moment, goal=goal, progress=progress)
    pairs = None
    if with_pairs:
        with shown("failures of two") as progress:
            pairs = worst_pairs(losses, most=_MOST_PAIRS, progress=progress)
    emit(
        _document(found, second_ones, pairs, bundle.currency),
        output,
        table=lambda console: _show(console, found, second_ones, pairs, bundle.currency),
    )


def _document(found: list[Importance], second_ones: list[Second], pairs: Pairs | None, currency: str) -> Json:
    document: dict[str, Json] = {
        "schema": "bsm-remediate/importance/v1",
        "currency": currency,
        "components": [
            {
                "id": one.component,
                "loss_per_minute": round(one.loss_per_minute, 4),
                "services": list(one.services),
                "single_point_of_failure": one.single_point_of_failure,
            }
            for one in found
        ],
        "redundancy": [
            {
                "component": one.component,
                "saves_per_minute": round(one.saves_per_minute, 4),
                "failures": list(one.failures),
            }
            for one in second_ones
        ],
    }
    if pairs is not None:
        document["pairs"] = [
            {
                "components": list(one.components),
                "loss_per_minute": round(one.loss_per_minute, 4),
                "extra_loss_per_minute": round(one.extra_loss_per_minute, 4),
                "services": list(one.services),
            }
            for one in pairs.worst
        ]
        document["pairs_left_out"] = pairs.left_out
        document["pairs_left_out_at_most"] = round(pairs.left_out_at_most, 4)
    return document


def _show(
    console: Console, found: list[Importance], second_ones: list[Second], pairs: Pairs | None, currency: str
) -> None:
    money = f"{currency}/min"
    table = simple_table("component", money, "alone", "services", right=(money,))
    for one in found[:_SHOWN]:
        alone = "single point of failure" if one.single_point_of_failure else ""
        table.add_row(plain(one.component), f"{one.loss_per_minute:,.2f}", alone, plain(", ".join(one.services[:6])))
    console.print(table)
    if len(found) > _SHOWN:
        console.print(f"… and {len(found) - _SHOWN} more (all with -o json)")
    single = sum(one.single_point_of_failure for one in found)
    console.print(f"{single} of {len(found)} components are single points of failure")
    for second in second_ones[:_SECONDS_SHOWN]:
        helped = ", ".join(second.failures[:4]) + (" …" if len(second.failures) > 4 else "")
        console.print(
            f"A second {plain(second.component)} would save {second.saves_per_minute:,.2f} {money} when {plain(helped)}"
            f" {'fails' if len(second.failures) == 1 else 'fail, one at a time, all together'}"
        )
    if pairs is not None:
        _show_pairs(console, pairs, money)


def _show_pairs(console: Console, pairs: Pairs, money: str) -> None:
    console.print()
    if not pairs.worst:
        console.print("No two components cost more together than alone.")
        return
    table = simple_table("pair", money, "more than alone", "services", right=(money, "more than alone"))
    for one in pairs.worst[:_SHOWN]:
        table.add_row(
            plain(" and ".join(one.components)),
            f"{one.loss_per_minute:,.2f}",
            f"{one.extra_loss_per_minute:,.2f}",
            plain(", ".join(one.services[:6])),
        )
    console.print(table)
    if len(pairs.worst) > _SHOWN:
        console.print(f"… and {len(pairs.worst) - _SHOWN} more (with -o json)")
    if pairs.left_out:
        most = f"{pairs.left_out_at_most:,.2f}"
        console.print(f"At most {pairs.left_out:,} further pairs cost more than alone, up to {most} more (weighted)")
