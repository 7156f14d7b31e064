"""`maintenance`: windows in which somebody works on something, so that it costs nothing and starts nothing."""

from __future__ import annotations

import click

from bsm_remediate.cli.brakes import show_maintenance
from bsm_remediate.cli.completing import maintained
from bsm_remediate.cli.context import Deployment, pass_deployment
from bsm_remediate.cli.controls import REASON, WHY
from bsm_remediate.cli.live import live_of, url_option
from bsm_remediate.cli.moments import parse_moment
from bsm_remediate.cli.output import emit, output_option


@click.group(
    invoke_without_command=True,
    epilog="""\b
Examples:
  bsm-remediate maintenance add db-1 --for 2h --reason 'new disks'
  bsm-remediate maintenance add web-pool --from 2026-01-05T22:00:00Z --for 4h --reason 'kernel'
  bsm-remediate maintenance add reports --calendar nights --reason 'nightly builds'
  bsm-remediate maintenance list
  bsm-remediate maintenance end m7 --reason 'done early'""",
)
@url_option
@output_option
@pass_deployment
@click.pass_context
def command(ctx: click.Context, deployment: Deployment, url: str | None, output: str) -> None:
    """Order, list and end maintenance: what is under it starts no runs and costs nothing.

    It does not serve meanwhile either: for a redundant set it counts as down, so that its siblings are spared.
    """
    ctx.meta["url"] = url
    if ctx.invoked_subcommand is None:
        _list(deployment, url, output)


@command.command(epilog="Example: bsm-remediate maintenance add db-1 --for 2h --reason 'new disks'")
@click.argument("target", shell_complete=maintained)
@click.option("--from", "begins", metavar="TIME", help="When it begins, like 2026-01-05T22:00:00Z  [default: now]")
@click.option("--for", "length", default="", metavar="TIME", help="For so long, like 2h.")
@click.option("--until", metavar="TIME", help="Until then.")
@click.option("--calendar", default="", metavar="NAME", help="While that calendar is in force, again and again.")
@WHY
@url_option
@pass_deployment
@click.pass_context
def add(
    ctx: click.Context,
    deployment: Deployment,
    target: str,
    begins: str | None,
    length: str,
    until: str | None,
    calendar: str,
    reason: str,
    url: str | None,
) -> None:
    """A window on TARGET: a component, set, pool, host or service (with what nothing else needs)."""
    from bsm_remediate.cli.asked import told
    from bsm_remediate.engine.asking import Request

    if not (length or until or calendar):
        raise click.UsageError("say when it ends: --for, --until or --calendar")
    request = Request(
        verb="maintain",
        target=target,
        reason=reason,
        length=length,
        until=parse_moment(until) if until is not None else None,
        begins=parse_moment(begins) if begins is not None else None,
        details={"calendar": calendar} if calendar else {},
    )
    click.echo(told(request, live_of(deployment, url or ctx.meta.get("url")).ask(request)))


@command.command(name="list", epilog="Example: bsm-remediate maintenance list -o json")
@url_option
@output_option
@pass_deployment
@click.pass_context
def list_windows(ctx: click.Context, deployment: Deployment, url: str | None, output: str) -> None:
    """List the windows that are in force or ahead: whose they are, and why."""
    _list(deployment, url or ctx.meta.get("url"), output)


@command.command(epilog="Example: bsm-remediate maintenance end db-1 --reason 'done early'")
@click.argument("window", metavar="ID|TARGET")
@REASON
@url_option
@pass_deployment
@click.pass_context
def end(ctx: click.Context, deployment: Deployment, window: str, reason: str, url: str | None) -> None:
    """End a window, or all on a target."""
    from bsm_remediate.cli.asked import told
    from bsm_remediate.engine.asking import Request

    request = Request(verb="end_maintenance", target=window, reason=reason)
    click.echo(told(request, live_of(deployment, url or ctx.meta.get("url")).ask(request)))


def _list(deployment: Deployment, url: str | None, output: str) -> None:
    windows = live_of(deployment, url).maintenance()
    emit({"items": windows, "next": None}, output, table=lambda console: show_maintenance(console, windows))
