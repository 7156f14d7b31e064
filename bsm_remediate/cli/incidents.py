"""`incidents`: outages that hang together."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from bsm_remediate.cli.context import Deployment, pass_deployment
from bsm_remediate.cli.live import Row, live_of, url_option
from bsm_remediate.cli.moments import parse_moment
from bsm_remediate.cli.output import emit, output_option
from bsm_remediate.cli.tables import plain, simple_table

if TYPE_CHECKING:
    from rich.console import Console

_SHOWN = 50
_NAMED = 3


@click.command(
    epilog="""\b
Examples:
  bsm-remediate incidents
  bsm-remediate incidents --from 2026-01-05 --to 2026-01-12 -o json"""
)
@click.option("--from", "since", metavar="TIME", help="From then on  [default: a week before --to]")
@click.option("--to", "until", metavar="TIME", help="Up to then  [default: now]")
@url_option
@output_option
@pass_deployment
def command(deployment: Deployment, since: str | None, until: str | None, url: str | None, output: str) -> None:
    """List the incidents of a time, newest first: outages that overlap in time and share causes.

    `review ID` writes what happened in one.
    """
    begin = parse_moment(since) if since is not None else None
    end = parse_moment(until) if until is not None else None
    found = live_of(deployment, url).incidents(begin, end)
    emit(found, output, table=lambda console: _show(console, found))


def _show(console: Console, found: Row) -> None:
    rows, currency = found["items"], found["currency"]
    if not rows:
        console.print("No incident in this time.")
        return
    table = simple_table("incident", "began", "ended", "services", "causes", currency, "runs", right=(currency, "runs"))
    for one in rows[:_SHOWN]:
        table.add_row(
            plain(one["id"]),
            one["began_at"][:19],
            one["ended_at"][:19] if one["ended_at"] is not None else "lasts",
            _names(one["services"]) or "none",
            _names(one["causes"]) or "unexplained",
            f"{one['lost']:,.2f}",
            str(len(one["runs"])),
        )
    console.print(table)
    if len(rows) > _SHOWN:
        console.print(f"… and {len(rows) - _SHOWN} earlier ones (all are in -o json)")


def _names(names: list[str]) -> str:
    more = len(names) - _NAMED
    return plain(", ".join(names[:_NAMED]) + (f" and {more} more" if more > 0 else ""))
