"""`audit`: whether the journal is what was sealed, and what to note of it elsewhere."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import click

from bsm_remediate.cli.context import Deployment, pass_deployment
from bsm_remediate.cli.output import emit, output_option
from bsm_remediate.cli.progress import shown
from bsm_remediate.cli.tables import plain
from bsm_remediate.errors import WrongUsage

if TYPE_CHECKING:
    from rich.console import Console

    from bsm_remediate.cli.live import Row
    from bsm_remediate.domain.seal import Mark


@click.group()
def command() -> None:
    """Verify the sealed journal; tell its head, to be noted elsewhere."""


@command.command(
    epilog="""\b
Examples:
  bsm-remediate audit verify
  bsm-remediate audit verify --head "$(cat /mnt/elsewhere/journal.head)"
  bsm-remediate audit verify --from 4000000 -o json"""
)
@click.option("--head", metavar="MARK", help="A head that was noted earlier: shows also whether the end was cut.")
@click.option(
    "--from", "first", type=click.IntRange(1), metavar="POSITION", help="Take what stands before that entry as given."
)
@output_option
@pass_deployment
def verify(deployment: Deployment, head: str | None, first: int | None, output: str) -> None:
    """Follow the journal's chain from its begin to its head and name the first entry that isn't what was sealed.

    It needs the database and the key (BSM_JOURNAL_KEY_FILE), no engine. Exits with 1 when the chain is broken.
    """
    from bsm_remediate.engine.audit import verify

    installation = deployment.installation()
    anchor = _mark(head) if head is not None else None
    keys = installation.journal_keys()
    store = installation.open_store()
    began = time.monotonic()
    with shown("verifying") as told:
        verdict = verify(store, keys, first=first, anchor=anchor, told=told)
    took = time.monotonic() - began
    store.close()
    entries = verdict.reached.position - verdict.first + 1
    broken = verdict.broken
    document: Row = {
        "schema": "bsm-remediate/audit/v1",
        "unbroken": broken is None,
        "entries": entries,
        "first": verdict.first,
        "head": str(verdict.reached) if verdict.reached.position else None,
        "anchor": str(anchor) if anchor is not None else None,
        "dropped_through": verdict.seals.begin.position,
        "waiting": verdict.seals.waiting,
        "broken": None
        if broken is None
        else {"position": broken.position, "fault": broken.fault.value, "detail": broken.detail},
        "seconds": round(took, 3),
    }
    emit(document, output, table=lambda console: _show(console, document))
    if broken is not None:
        raise SystemExit(1)


@command.command()
@output_option
@pass_deployment
def head(deployment: Deployment, output: str) -> None:
    """Tell the journal's head: the last sealed entry and its link.

    Noted where nobody who can write to the database can change it, it later shows whether the journal's end was cut
    (`audit verify --head`). `serve` writes it to the log every hour.
    """
    store = deployment.installation().open_store()
    seals = store.seals()
    store.close()
    mark = str(seals.head) if seals.head.position else None
    document: Row = {"schema": "bsm-remediate/audit-head/v1", "head": mark, "waiting": seals.waiting}
    emit(document, output, table=lambda console: console.print(mark or "Nothing is sealed yet.", soft_wrap=True))


def _mark(text: str) -> Mark:
    from bsm_remediate.domain.seal import Mark

    try:
        return Mark.of(text)
    except ValueError as error:
        raise WrongUsage(str(error), hint="as `audit head` prints it and the log has it, after journal.head") from None


def _show(console: Console, found: Row) -> None:
    broken = found["broken"]
    if broken is not None:
        console.print(f"[bold red]broken[/] at entry {broken['position']}: {plain(broken['detail'])}")
        if found["entries"]:
            console.print(f"Entries {found['first']} to {broken['position'] - 1} are what was sealed.")
        return
    if not found["entries"]:
        console.print("Nothing is sealed yet.")
    else:
        last = found["first"] + found["entries"] - 1
        console.print(f"[green]unbroken[/]: entries {found['first']} to {last} are what was sealed.")
        console.print(f"Head: {found['head']}", soft_wrap=True)
    if found["dropped_through"]:
        console.print(f"Entries up to {found['dropped_through']} were dropped by retention.")
    if found["waiting"]:
        console.print(f"{found['waiting']} more are written and not sealed yet.")
    if found["anchor"] is None and found["entries"]:
        console.print("Without --head nobody can tell whether entries were cut off at the end.")
