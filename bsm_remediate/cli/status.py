"""`status`: how is the business?"""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from bsm_remediate.cli.brakes import show_brakes
from bsm_remediate.cli.cap import show_cap
from bsm_remediate.cli.context import Deployment, pass_deployment
from bsm_remediate.cli.live import Row, live_of, url_option
from bsm_remediate.cli.notify import show_messages, undelivered
from bsm_remediate.cli.output import emit, output_option
from bsm_remediate.cli.runs import show_runs
from bsm_remediate.cli.services import show_services
from bsm_remediate.cli.tables import plain, simple_table, state_text

if TYPE_CHECKING:
    from rich.console import Console

_SHOWN = 20


@click.command(epilog="Example: BSM_URL=http://engine:8470 BSM_TOKEN=… bsm-remediate status")
@url_option
@output_option
@pass_deployment
def command(deployment: Deployment, url: str | None, output: str) -> None:
    """Show what the business is losing now and why, what is being done, and what is held."""
    live = live_of(deployment, url)
    plan, services, runs = live.plan(), live.rows("services"), live.rows("runs")
    document = {
        "schema": "bsm-remediate/status/v1",
        "goal": plan["goal"],
        "max_mode": plan["max_mode"],
        "currency": plan["currency"],
        "loss_per_minute": plan["loss_per_minute"],
        "services": services,
        "runs": [run for run in runs if run["ended_at"] is None],
        "steps": plan["steps"],
        "shadow": plan["shadow"],
        "held": plan["held"],
        "guards": live.guards(),
        "unmapped": plan["unmapped"],
        "undelivered": undelivered(live.rows("notifications")),
    }
    emit(document, output, table=lambda console: _show(console, document, runs))


def _show(console: Console, status: Row, runs: list[Row]) -> None:
    show_cap(console, status["max_mode"])
    unit = f"{status['currency']}/min"
    bad = [one for one in status["services"] if one["state"] != "ok"]
    if bad:
        console.print(
            f"The business is losing [bold red]{status['loss_per_minute']:,.2f} {unit}[/] (goal {status['goal']})\n"
        )
        show_services(console, bad)
    else:
        console.print(f"[green]All {len(status['services'])} services are ok[/] (goal {status['goal']})")
    show_brakes(console, status["guards"])
    if status["undelivered"]:
        console.print("\n[bold red]People who could not be told:[/]")
        show_messages(console, status["undelivered"])
    if status["runs"]:
        console.print("\nUnder way or waiting:")
        show_runs(console, status["runs"])
    if status["shadow"]:
        table = simple_table("in shadow", "would run", "because")
        for one in status["shadow"][:_SHOWN]:
            table.add_row(plain(one["component"]), plain(one["playbook"]), plain(one["reason"]))
        console.print()
        console.print(table)
        if len(status["shadow"]) > _SHOWN:
            console.print(f"… and {len(status['shadow']) - _SHOWN} more")
    held = status["held"]
    if held:
        table = simple_table("held", "verdict", "because")
        for one in held[:_SHOWN]:
            table.add_row(plain(one["component"] or ""), state_text(one["verdict"]), plain(one["reason"]))
        console.print()
        console.print(table)
        if len(held) > _SHOWN:
            console.print(f"… and {len(held) - _SHOWN} more")
    if status["unmapped"]:
        console.print(f"\n{len(status['unmapped'])} alerts fit nothing (see `alerts`)")
    ended = [run for run in runs if run["ended_at"] is not None][:5]
    if ended:
        console.print("\nLately:")
        show_runs(console, ended)
