"""`notify`: where people are told, whether that works, and what they were told."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from bsm_remediate.cli.completing import teams
from bsm_remediate.cli.context import Deployment, pass_deployment
from bsm_remediate.cli.live import Row, live_of, url_option
from bsm_remediate.cli.output import emit, output_option
from bsm_remediate.cli.tables import plain, simple_table
from bsm_remediate.errors import UnknownId

if TYPE_CHECKING:
    from datetime import datetime

    from rich.console import Console

    from bsm_remediate.domain.bundle import Bundle, Team
    from bsm_remediate.domain.event import Json
    from bsm_remediate.domain.route import Route, Rule

_TITLE = "A test of bsm-remediate"


@click.group(
    epilog="""\b
Examples:
  bsm-remediate notify routes
  bsm-remediate notify test payments
  bsm-remediate notify list"""
)
def command() -> None:
    """Show where people are told, test it, and list what they were told."""


@command.command(epilog="Example: bsm-remediate notify routes -o json")
@output_option
@pass_deployment
def routes(deployment: Deployment, output: str) -> None:
    """List the addresses of the bundle, what goes there, and who is on call; secrets stay hidden."""
    from bsm_remediate.app import now

    bundle, moment = deployment.load_bundle(), now()
    rows = [_rule_row(route, rule, bundle, moment) for route in bundle.routes for rule in route.rules]
    emit({"items": rows, "next": None}, output, table=lambda console: _show_routes(console, rows))


@command.command(epilog="Example: bsm-remediate notify test payments")
@click.argument("team", shell_complete=teams)
@output_option
@pass_deployment
def test(deployment: Deployment, team: str, output: str) -> None:
    """Send a test message to every address of TEAM and its members, whatever their calendars, and say each result.

    Exits with 1 when one couldn't be reached.
    """
    installation, bundle = deployment.installation(), deployment.load_bundle()
    known = bundle.teams.get(team)
    if known is None:
        raise UnknownId(f"there is no team '{team}'", hint=f"there are {', '.join(sorted(bundle.teams)) or 'none'}")
    found = [route for route in bundle.routes if any(_is_of(rule, known) for rule in route.rules)]
    notifier = installation.notifier()
    rows = [_tested(route, notifier.send(route.address, _TITLE, _body(team))) for route in found]
    emit({"items": rows, "next": None}, output, table=lambda console: _show_tested(console, rows, team))
    if not rows or any(row["failure"] for row in rows):
        raise SystemExit(1)


@command.command(name="list", epilog="Example: bsm-remediate notify list -o json")
@url_option
@output_option
@pass_deployment
def list_messages(deployment: Deployment, url: str | None, output: str) -> None:
    """List the latest message of each address, and those that haven't arrived."""
    rows = live_of(deployment, url).rows("notifications")
    emit({"items": rows, "next": None}, output, table=lambda console: show_messages(console, rows))


def undelivered(rows: list[Row]) -> list[Row]:
    """Those that could not be delivered yet, or were given up."""
    return [row for row in rows if row["failure"]]


def show_messages(console: Console, rows: list[Row]) -> None:
    if not rows:
        console.print("Nobody was told anything.")
        return
    table = simple_table("written", "to", "state", "tries", "what", "why not", right=("tries",))
    for row in rows:
        cells = (row["at"][:19], row["to"], row["state"], str(row["attempts"]), row["title"], row["failure"])
        table.add_row(*(plain(cell) for cell in cells))
    console.print(table)


def _is_of(rule: Rule, team: Team) -> bool:
    return rule.team == team.name or (bool(rule.person) and rule.person in team.members)


def _body(team: str) -> str:
    return f"Nothing has happened. Whoever reads this is told when something concerns the team {team}."


def _tested(route: Route, failure: str) -> dict[str, Json]:
    from bsm_remediate.domain.route import shown

    whom = sorted({rule.team or rule.person for rule in route.rules})
    return {"to": shown(route.address), "for": list(whom), "delivered": not failure, "failure": failure}


def _rule_row(route: Route, rule: Rule, bundle: Bundle, now: datetime) -> dict[str, Json]:
    from bsm_remediate.domain.notice import NoticeKind
    from bsm_remediate.domain.route import shown

    teams = [team for team in bundle.teams.values() if rule.person and rule.person in team.members]
    duty = [team.name for team in teams if team.on_call_person(now) == rule.person]
    return {
        "to": shown(route.address),
        "team": rule.team or None,
        "person": rule.person or None,
        "on_call_for": duty,
        "severity": str(rule.least),
        "kinds": sorted(rule.kinds) if rule.kinds != frozenset(NoticeKind) else "all",
        "about": "all" if rule.about_all else "own",
        "when": rule.when.name if rule.when is not None else None,
        "open": rule.is_open(now),
    }


def _show_routes(console: Console, rows: list[Row]) -> None:
    if not rows:
        console.print("Nobody is told anything: teams need `notify: [ADDRESS]`.", markup=False)
        return
    table = simple_table("to", "whom", "from", "kinds", "about", "when")
    for row in rows:
        duty = f" (on call for {', '.join(row['on_call_for'])})" if row["on_call_for"] else ""
        whom = f"team {row['team']}" if row["team"] else f"{row['person']}{duty}"
        kinds = row["kinds"] if isinstance(row["kinds"], str) else ", ".join(row["kinds"])
        now = "" if row["open"] else " (not now)"
        when = f"{row['when']}{now}" if row["when"] else "always"
        table.add_row(*(plain(cell) for cell in (row["to"], whom, row["severity"], kinds, row["about"], when)))
    console.print(table)


def _show_tested(console: Console, rows: list[Row], team: str) -> None:
    if not rows:
        console.print(f"Nobody is told what concerns {team}: it has no `notify`, nor have its members.", markup=False)
        return
    table = simple_table("to", "for", "result")
    for row in rows:
        result = f"failed: {row['failure']}" if row["failure"] else "taken"
        table.add_row(*(plain(cell) for cell in (row["to"], ", ".join(row["for"]), result)))
    console.print(table)
