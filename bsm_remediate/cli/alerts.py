"""`alerts`: which alerts fire, and what is made of them; `alerts resolve` ends a stale one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from bsm_remediate.cli.completing import fingerprints
from bsm_remediate.cli.context import Deployment, pass_deployment
from bsm_remediate.cli.live import Row, live_of, url_option
from bsm_remediate.cli.output import emit, output_option
from bsm_remediate.cli.tables import plain, simple_table, state_text

if TYPE_CHECKING:
    from rich.console import Console


@click.group(invoke_without_command=True, epilog="Example: bsm-remediate alerts resolve 5ef0a7 --reason 'host is gone'")
@url_option
@output_option
@pass_deployment
@click.pass_context
def command(ctx: click.Context, deployment: Deployment, url: str | None, output: str) -> None:
    """List the alerts that fire, with what was decided about each."""
    ctx.meta["url"] = url
    if ctx.invoked_subcommand is None:
        found = live_of(deployment, url).rows("alerts")
        emit({"items": found, "next": None}, output, table=lambda console: _show(console, found))


@command.command()
@click.argument("fingerprint", shell_complete=fingerprints)
@click.option("--reason", required=True, help="Why; it is kept in the journal.")
@pass_deployment
@click.pass_context
def resolve(ctx: click.Context, deployment: Deployment, fingerprint: str, reason: str) -> None:
    """End an alert that will not end by itself."""
    from bsm_remediate.cli.asked import told
    from bsm_remediate.engine.asking import Request

    request = Request(verb="resolve", target=fingerprint, reason=reason)
    click.echo(told(request, live_of(deployment, ctx.meta.get("url")).ask(request)))


def _show(console: Console, alerts: list[Row]) -> None:
    if not alerts:
        console.print("No alert fires.")
        return
    table = simple_table("alert", "severity", "since", "component", "verdict", "because", "fingerprint")
    for alert in alerts:
        for number, signal in enumerate(alert["signals"] or [{}]):
            first = number == 0
            table.add_row(
                plain(alert["labels"].get("alertname", "")) if first else "",
                plain(alert["labels"].get("severity", "")) if first else "",
                alert["starts_at"] if first else "",
                plain(signal.get("component") or ""),
                state_text(signal.get("verdict", "")),
                plain(signal.get("reason", "")),
                plain(alert["fingerprint"]) if first else "",
            )
    console.print(table)
