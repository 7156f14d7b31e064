"""`importance`: which components matter most?"""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from bsm_remediate.cli.completing import goals
from bsm_remediate.cli.context import Deployment, pass_deployment
from bsm_remediate.cli.moments import known_goal, parse_moment
from bsm_remediate.cli.output import emit, output_option
from bsm_remediate.cli.tables import plain, simple_table
from bsm_remediate.domain.bundle import DEFAULT_GOAL
from bsm_remediate.domain.importance import Importance, rank
from bsm_remediate.domain.rollup import RollUp

if TYPE_CHECKING:
    from rich.console import Console

_SHOWN = 40


@click.command(epilog="Example: bsm-remediate importance --goal production-first")
@click.option("--at", metavar="TIME", help="At the prices of that time (default: now).")
@click.option("--goal", default=DEFAULT_GOAL, show_default=True, shell_complete=goals, help="Under that goal.")
@output_option
@pass_deployment
def command(deployment: Deployment, at: str | None, goal: str, output: str) -> None:
    """Rank components by the loss per minute that their failure alone would cause."""
    moment = parse_moment(at)
    bundle = deployment.load_bundle()
    ranked = rank(bundle, RollUp(bundle.service_map), at=moment, goal=known_goal(bundle, goal))
    emit(
        {
            "schema": "bsm-remediate/importance/v1",
            "currency": bundle.currency,
            "components": [
                {
                    "id": one.component,
                    "loss_per_minute": round(one.loss_per_minute, 4),
                    "services": list(one.services),
                    "single_point_of_failure": one.single_point_of_failure,
                }
                for one in ranked
            ],
        },
        output,
        table=lambda console: _show(console, ranked, bundle.currency),
    )


def _show(console: Console, ranked: list[Importance], currency: str) -> None:
    table = simple_table("component", f"{currency}/min", "alone", "services", right=(f"{currency}/min",))
    for one in ranked[:_SHOWN]:
        alone = "single point of failure" if one.single_point_of_failure else ""
        table.add_row(plain(one.component), f"{one.loss_per_minute:,.2f}", alone, plain(", ".join(one.services[:6])))
    console.print(table)
    if len(ranked) > _SHOWN:
        console.print(f"… and {len(ranked) - _SHOWN} more (all with -o json)")
    single = sum(one.single_point_of_failure for one in ranked)
    console.print(f"{single} of {len(ranked)} components are single points of failure")
