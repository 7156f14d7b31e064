"""`report`: what happened in a time, section by section."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import click

from bsm_remediate.cli.cap import cap_text
from bsm_remediate.cli.context import Deployment, pass_deployment
from bsm_remediate.cli.live import Row, live_of, url_option
from bsm_remediate.cli.moments import parse_moment
from bsm_remediate.cli.output import emit, output_option
from bsm_remediate.cli.tables import plain, simple_table

if TYPE_CHECKING:
    from rich.console import Console

_SHOWN = 50


@click.command(
    epilog="""\b
Examples:
  bsm-remediate report --shadow
  bsm-remediate report --shadow --from 2026-01-05 --to 2026-01-12 -o json"""
)
@click.option("--shadow", is_flag=True, help="Only what policies in shadow would have done and saved.")
@click.option("--from", "since", metavar="TIME", help="From then on  [default: a week before --to]")
@click.option("--to", "until", metavar="TIME", help="Up to then  [default: now]")
@url_option
@output_option
@pass_deployment
def command(
    deployment: Deployment, shadow: bool, since: str | None, until: str | None, url: str | None, output: str
) -> None:
    """Tell what happened: what would have run in shadow, and whether it would have helped.

    Minutes come first, then money with its assumption. Without an option all sections are shown.
    """
    begin = parse_moment(since) if since is not None else None
    end = parse_moment(until) if until is not None else None
    report = live_of(deployment, url).report(begin, end)
    chosen = {"shadow"} if shadow else set(SECTIONS)
    document = {name: value for name, value in report.items() if name not in SECTIONS or name in chosen}
    emit(document, output, table=lambda console: _show(console, document))


def _show(console: Console, report: Row) -> None:
    console.print(f"From {report['from']} to {report['to']}", markup=False)
    if cap_text(report["max_mode"]):
        console.print(cap_text(report["max_mode"]), markup=False)
    for name, show in SECTIONS.items():
        if name in report:
            console.print()
            show(console, report)


def _show_shadow(console: Console, report: Row) -> None:
    shadow, currency = report["shadow"], report["currency"]
    if not shadow["policies"]:
        console.print("No policy was in shadow.")
        return
    console.print("Policies in shadow:")
    for one in shadow["policies"]:
        console.print(f"  • {one['policy']} {one['verdict']}", markup=False)
    episodes = shadow["episodes"]
    if episodes:
        console.print()
        _show_episodes(console, episodes[-_SHOWN:], currency)
        if len(episodes) > _SHOWN:
            console.print(f"… and {len(episodes) - _SHOWN} earlier ones (all are in -o json)")
    console.print("\nThis assumes:")
    for one in shadow["assumptions"]:
        console.print(f"  • {one}", markup=False)


def _show_episodes(console: Console, episodes: list[Row], currency: str) -> None:
    right = ("min", currency)
    table = simple_table(
        "began", "component", "would run", "from", "until", "ended", *right, "what happened", right=right
    )
    for one in episodes:
        table.add_row(
            one["began_at"][:19],
            plain(one["component"]),
            plain(one["playbook"]),
            (one["would_start_at"] or "")[11:19],
            (one["would_end_at"] or "")[11:19],
            (one["ended_at"] or "")[11:19],
            f"{one['minutes_saved']:,.1f}",
            f"{one['money_saved']:,.2f}",
            plain(one["told"]),
        )
    console.print(table)


SECTIONS: dict[str, Callable[[Console, Row], None]] = {"shadow": _show_shadow}
"""By their names in the document, in the order in which they are shown; each has an option to see it alone."""
