"""`runs`: what was run, and how it went."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from bsm_remediate.cli.cap import cap_text, show_cap
from bsm_remediate.cli.completing import runs_that
from bsm_remediate.cli.context import Deployment, pass_deployment
from bsm_remediate.cli.dry_run import show_dry_run
from bsm_remediate.cli.live import Row, live_of, url_option
from bsm_remediate.cli.output import emit, output_option
from bsm_remediate.cli.tables import plain, simple_table, state_text

if TYPE_CHECKING:
    from rich.console import Console


@click.command(epilog="Example: bsm-remediate runs 7a2383b032df")
@click.argument("run_id", required=False, metavar="[ID]", shell_complete=runs_that())
@url_option
@output_option
@pass_deployment
def command(deployment: Deployment, run_id: str | None, url: str | None, output: str) -> None:
    """List the runs, newest first; or show one with all its events."""
    live = live_of(deployment, url)
    if run_id is None:
        found, max_mode = live.rows("runs"), live.max_mode()
        capped = {"max_mode": max_mode} if cap_text(max_mode) else {}
        emit({"items": found, "next": None, **capped}, output, table=lambda console: _show(console, found, max_mode))
    else:
        run, events = live.run(run_id)
        emit({**run, "events": events}, output, table=lambda console: show_run(console, run, events))


def _show(console: Console, runs: list[Row], max_mode: str) -> None:
    show_cap(console, max_mode)
    show_runs(console, runs)


def show_runs(console: Console, runs: list[Row]) -> None:
    if not runs:
        console.print("Nothing was run yet.")
        return
    table = simple_table("run", "component", "playbook", "state", "planned", "because", "outcome")
    for run in runs:
        table.add_row(
            run["id"],
            plain(run["component"]),
            plain(run["playbook"]),
            state_text(run["state"]),
            run["planned_at"],
            plain(run["reason"]),
            plain(run["outcome"]),
        )
    console.print(table)


def show_run(console: Console, run: Row, events: list[Row]) -> None:
    console.print(f"Run {run['id']}: {plain(run['playbook'])} on {plain(run['host'])} for {plain(run['component'])}")
    console.print(f"  {state_text(run['state'])}  {plain(run['outcome'])}")
    console.print(f"  because: {plain(run['reason'])}")
    if run["state"] == "awaiting_approval":
        console.print(f"  its plan is {run['digest']}")
    console.print()
    for event in events:
        console.print(f"{event['at'][11:23]}  {event['kind']:22}  {plain(told(event))}")
    dry_runs = [event["facts"] for event in events if event["kind"] == "run.dry_run_ended"]
    if dry_runs:
        console.print("\nIn check mode:")
        show_dry_run(console, dry_runs[-1])


def told(event: Row) -> str:
    """An event in words."""
    facts = event["facts"]
    if event["kind"] == "run.task":
        return f"{facts['status']:8} {facts.get('host') or ''}: {facts.get('task') or ''}"
    for name in ("outcome", "detail", "checks", "reason", "answer"):
        if facts.get(name):
            return str(facts[name])
    return ""
