"""`report`: what happened in a time, section by section."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from bsm_remediate.cli.cap import cap_text
from bsm_remediate.cli.context import Deployment, pass_deployment
from bsm_remediate.cli.live import Row, live_of, url_option
from bsm_remediate.cli.moments import parse_moment
from bsm_remediate.cli.output import console, document_text, written
from bsm_remediate.cli.report_csv import report_csv
from bsm_remediate.cli.report_tables import (
    show_assumptions,
    show_avoided,
    show_loss,
    show_metrics,
    show_objectives,
    show_outages,
    show_playbooks,
    show_response,
)
from bsm_remediate.cli.tables import plain, simple_table
from bsm_remediate.domain.report_brief import report_brief
from bsm_remediate.errors import WrongUsage

if TYPE_CHECKING:
    from rich.console import Console

_SHOWN = 50


@click.command(
    epilog="""\b
Examples:
  bsm-remediate report
  bsm-remediate report --from 2026-01-05 --to 2026-01-12 -o html --out week.html
  bsm-remediate report --brief
  bsm-remediate report --shadow"""
)
@click.option("--shadow", is_flag=True, help="Only what policies in shadow would have done and saved.")
@click.option("--brief", is_flag=True, help="At most forty lines of plain text, the worst first: for a weekly mail.")
@click.option("--from", "since", metavar="TIME", help="From then on  [default: a week before --to]")
@click.option("--to", "until", metavar="TIME", help="Up to then  [default: now]")
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE", help="Write it there.")
@url_option
@click.option(
    "-o",
    "--output",
    type=click.Choice(["table", "json", "yaml", "csv", "html"]),
    default="table",
    show_default=True,
    help="How to print it; html is one page with plots, csv has a figure a line.",
)
@pass_deployment
def command(
    deployment: Deployment,
    shadow: bool,
    brief: bool,
    since: str | None,
    until: str | None,
    out: Path | None,
    url: str | None,
    output: str,
) -> None:
    """Tell what happened: what was lost to which causes, objectives, times to restore, what was avoided, playbooks that
    don't pay, and what would have run in shadow.

    Money comes with its assumptions. Without an option all sections are shown.
    """
    if brief and (shadow or output != "table"):
        raise WrongUsage("--brief is a text of its own", hint="leave out --shadow and -o")
    begin = parse_moment(since) if since is not None else None
    end = parse_moment(until) if until is not None else None
    report = live_of(deployment, url).report(begin, end)
    if shadow:
        if output in {"csv", "html"}:
            raise WrongUsage(f"-o {output} has no section on shadows; leave out --shadow, or take -o json")
        report = {name: value for name, value in report.items() if name not in STATISTICS}
    written(report_brief(report) if brief else _text(report, output), out)


def _text(report: Row, output: str) -> str:
    if output == "csv":
        return report_csv(report)
    if output == "html":
        from bsm_remediate.web.report_page import report_page

        return report_page(report)
    if output == "table":
        shown = console()
        with shown.capture() as captured:
            _show(shown, report)
        return captured.get()
    return document_text(report, output)


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


SECTIONS: dict[str, Callable[[Console, Row], None]] = {
    "loss": show_loss,
    "avoided": show_avoided,
    "objectives": show_objectives,
    "outages": show_outages,
    "response": show_response,
    "playbooks": show_playbooks,
    "metrics": show_metrics,
    "assumptions": show_assumptions,
    "shadow": _show_shadow,
}
"""By their names in the document, in the order in which they are shown."""
STATISTICS = frozenset(SECTIONS) - {"shadow"} | {"recorded_since", "components", "goals"}
"""All but what is about shadows."""
