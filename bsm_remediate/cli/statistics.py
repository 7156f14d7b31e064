"""`statistics`: whether what reports read is what the journal says, and make it anew."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import click

from bsm_remediate.cli.context import Deployment, pass_deployment
from bsm_remediate.cli.output import emit, output_option
from bsm_remediate.cli.tables import plain

if TYPE_CHECKING:
    from rich.console import Console

    from bsm_remediate.cli.live import Row


@click.group()
def command() -> None:
    """Compare the statistics with the journal; make them anew from it.

    The engine keeps them up by itself. They outlast the journal: what it no longer has stays as it was kept.
    """


@command.command(
    epilog="""\b
Examples:
  bsm-remediate statistics check
  bsm-remediate statistics check -o json"""
)
@output_option
@pass_deployment
def check(deployment: Deployment, output: str) -> None:
    """Fold the journal anew and compare. Exits with 1 at a difference and tells the first.

    It changes nothing, needs no engine and may run beside one.
    """
    from bsm_remediate.engine.statistics_keeper import compare

    store = deployment.installation().open_store()
    began = time.monotonic()
    found = compare(store)
    waiting = store.latest_position() - found.through
    store.close()
    document: Row = {
        "schema": "bsm-remediate/statistics-check/v1",
        "same": not found.difference,
        "difference": found.difference or None,
        "after": found.after,
        "through": found.through,
        "compared": found.compared,
        "seconds": round(time.monotonic() - began, 3),
    }

    def show(console: Console) -> None:
        if found.difference:
            console.print(f"[bold red]different[/] at {plain(found.difference)}")
            console.print("`statistics rebuild` makes them anew.", markup=False)
        else:
            console.print(
                f"[green]the same[/]: {found.compared} entries of the statistics are what the journal says after entry"
                f" {found.after} up to {found.through}."
            )
        if waiting:
            console.print(f"{waiting} later ones aren't read yet; reports take them from the journal.")

    emit(document, output, table=show)
    if found.difference:
        raise SystemExit(1)


@command.command(
    epilog="""\b
Examples:
  bsm-remediate statistics rebuild
  bsm-remediate statistics rebuild -o json"""
)
@output_option
@pass_deployment
def rebuild(deployment: Deployment, output: str) -> None:
    """Make the statistics anew from what the journal has, and tell what that came to.

    What the journal has dropped stays as it was kept. An engine may be at work meanwhile, and reports are always whole;
    one that dies in the middle is gone on with by the engine, or by the next call.
    """
    from bsm_remediate.engine.statistics_keeper import rebuild

    store = deployment.installation().open_store()
    began = time.monotonic()
    found = rebuild(store)
    store.close()
    seconds = time.monotonic() - began
    document: Row = {
        "schema": "bsm-remediate/statistics-rebuild/v1",
        "after": found.after,
        "through": found.through,
        "kept": found.kept,
        "seconds": round(seconds, 3),
    }

    def show(console: Console) -> None:
        console.print(
            f"Read the journal's entries after {found.after} up to {found.through} in {seconds:.1f} s; the statistics"
            f" have {found.kept} entries."
        )
        if found.after:
            console.print("What lies before isn't in the journal any more, and stays as it was kept.")

    emit(document, output, table=show)
