"""`services`: how each service is."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from bsm_remediate.cli.context import Deployment, pass_deployment
from bsm_remediate.cli.live import Row, live_of, url_option
from bsm_remediate.cli.output import emit, output_option
from bsm_remediate.cli.tables import loss_text, plain, simple_table, state_text

if TYPE_CHECKING:
    from rich.console import Console


@click.command(epilog="Example: bsm-remediate services -o json")
@url_option
@output_option
@pass_deployment
def command(deployment: Deployment, url: str | None, output: str) -> None:
    """List the services, costliest first."""
    found = live_of(deployment, url).rows("services")
    emit({"items": found, "next": None}, output, table=lambda console: show_services(console, found))


def show_services(console: Console, services: list[Row]) -> None:
    table = simple_table("service", "function", "state", "loss/min", "because of", "at risk from", right=("loss/min",))
    for one in services:
        table.add_row(
            plain(one["id"]),
            plain(one.get("function") or ""),
            state_text(one["state"]),
            loss_text(one["loss_per_minute"], one.get("loss_range") or [one["loss_per_minute"]]),
            plain(", ".join(one["causes"])),
            plain(", ".join(one.get("at_risk", []))),
        )
    console.print(table)
