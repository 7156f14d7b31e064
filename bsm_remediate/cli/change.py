"""`change`: planned work, from its window to its review."""

from __future__ import annotations

import time
from datetime import datetime
from typing import TYPE_CHECKING

import click

from bsm_remediate.cli.change_tables import show_change, show_changes, show_windows
from bsm_remediate.cli.completing import changes_that, goals, planned_changes
from bsm_remediate.cli.context import Deployment, pass_deployment
from bsm_remediate.cli.controls import REASON
from bsm_remediate.cli.live import live_of, url_option
from bsm_remediate.cli.moments import known_goal, parse_moment
from bsm_remediate.cli.output import emit, output_option
from bsm_remediate.domain.bundle import DEFAULT_GOAL
from bsm_remediate.errors import NotReachable, UnknownId, WrongUsage

if TYPE_CHECKING:
    from bsm_remediate.domain.bundle import Bundle
    from bsm_remediate.domain.event import Json
    from bsm_remediate.records import Store

_LOOK_EVERY_S = 0.3
_WAITING = frozenset({"proposed", "dry_run_ok", "dry_run_failed", "missed"})
_NOT_BEFORE = click.option("--not-before", metavar="TIME", help="Begins no sooner, like 2026-01-10T00:00:00Z.")
_BEFORE = click.option("--before", metavar="TIME", help="Is over by then, its undoing included.")


@click.group(
    epilog="""\b
Examples:
  bsm-remediate change windows upgrade-db
  bsm-remediate change propose upgrade-db --reason 'PostgreSQL 17 is due'
  bsm-remediate change dry-run c1f3a5b7
  bsm-remediate change approve c1f3a5b7
  bsm-remediate change show c1f3a5b7
  bsm-remediate change review c1f3a5b7 --reason 'half the time that we thought'"""
)
def command() -> None:
    """Planned work: propose, dry run, approve, applied in the window that loses least, verified, reviewed."""


@command.command(epilog="Example: bsm-remediate change windows upgrade-db --before 2026-01-12T00:00:00Z")
@click.argument("name", shell_complete=planned_changes)
@_NOT_BEFORE
@_BEFORE
@click.option("--at", metavar="TIME", help="As if proposed then (default: now).")
@click.option("--goal", default=DEFAULT_GOAL, show_default=True, shell_complete=goals, help="Under that goal.")
@output_option
@pass_deployment
def windows(
    deployment: Deployment,
    name: str,
    not_before: str | None,
    before: str | None,
    at: str | None,
    goal: str,
    output: str,
) -> None:
    """Show the windows of a change: what each would cost, what it does to objectives, and which is picked. It needs no
    server; the local database, where there is one, tells what objectives have left.

    Exits with 1 when no window will do.
    """
    bundle = deployment.load_bundle()
    known_goal(bundle, goal)
    moments = (_moment(not_before), _moment(before), parse_moment(at))
    document = _windows(deployment, bundle, name, moments=moments, goal=goal)
    emit(document, output, table=lambda console: show_windows(console, document))
    if document["chosen"] is None:
        raise SystemExit(1)


def _windows(
    deployment: Deployment,
    bundle: Bundle,
    name: str,
    *,
    moments: tuple[datetime | None, datetime | None, datetime],
    goal: str,
) -> dict[str, Json]:
    from bsm_remediate.domain.change_document import windows_document
    from bsm_remediate.domain.rollup import RollUp
    from bsm_remediate.engine.change_office import limits
    from bsm_remediate.engine.change_planning import ChangePlanning

    planned = bundle.changes.get(name)
    if planned is None:
        known = ", ".join(sorted(bundle.changes)) or "none"
        raise UnknownId(f"there is no change '{name}'", hint=f"there are {known}")
    not_before, before, now = moments
    try:
        earliest, latest = limits(planned, not_before, before, now)
    except ValueError as error:
        raise WrongUsage(str(error)) from error
    store = _store(deployment)
    rollup = RollUp(bundle.service_map)
    planning = ChangePlanning(store, bundle=lambda: bundle, rollup=lambda: rollup, goal=lambda: goal)
    found = planning.windows(planned, earliest, latest, now=now)
    return windows_document(
        planned,
        found.offers,
        found.chosen,
        services=[(service.id, state.value) for service, state in planning.cost(planned).hit],
        currency=bundle.currency,
        considered=("bundle", "database") if store is not None else ("bundle",),
    )


def _store(deployment: Deployment) -> Store | None:
    """The local database; None where there is none, which a look must not make."""
    from bsm_remediate.cli.completing import has_database

    installation = deployment.installation()
    is_there = installation.settings.database_is_given or has_database(installation)
    return installation.open_store() if is_there else None


@command.command(epilog="Example: bsm-remediate change propose upgrade-db --reason 'PostgreSQL 17 is due'")
@click.argument("name", shell_complete=planned_changes)
@_NOT_BEFORE
@_BEFORE
@REASON
@url_option
@pass_deployment
def propose(
    deployment: Deployment, name: str, not_before: str | None, before: str | None, reason: str, url: str | None
) -> None:
    """Propose a change: the engine picks the window that loses least, or says why none will do (exit code 1)."""
    limits = {"not_before": _moment(not_before), "before": _moment(before)}
    details = {which: moment.isoformat() for which, moment in limits.items() if moment is not None}
    _ask(deployment, url, "change_propose", name, reason, details)


@command.command(name="list", epilog="Example: bsm-remediate change list -o json")
@url_option
@output_option
@pass_deployment
def list_changes(deployment: Deployment, url: str | None, output: str) -> None:
    """List the changes, newest first."""
    rows = live_of(deployment, url).changes()
    emit({"items": rows, "next": None}, output, table=lambda console: show_changes(console, rows))


@command.command(epilog="Example: bsm-remediate change show c1f3a5b7")
@click.argument("change", shell_complete=changes_that())
@url_option
@output_option
@pass_deployment
def show(deployment: Deployment, change: str, url: str | None, output: str) -> None:
    """Show one change: its window, its cost, who did what, and what came of it beside what was planned."""
    row = live_of(deployment, url).change(change)
    emit(row, output, table=lambda console: show_change(console, row))


@command.command(name="dry-run", epilog="Example: bsm-remediate change dry-run c1f3a5b7")
@click.argument("change", shell_complete=changes_that(_WAITING))
@REASON
@click.option("--wait", "within_s", type=click.FloatRange(0), default=600, show_default=True, help="Seconds, at most.")
@url_option
@output_option
@pass_deployment
def dry_run(deployment: Deployment, change: str, reason: str, within_s: float, url: str | None, output: str) -> None:
    """Run the change's playbook in Ansible's check mode on the real hosts, and show what it would change.

    Exits with 1 when it fails in check mode already: then it can't be approved.
    """
    from bsm_remediate.cli.dry_run import show_dry_run

    live = live_of(deployment, url)

    def ended() -> list[dict[str, Json]]:
        return [event["facts"] for event in live.change(change)["events"] if event["kind"] == "change.dry_run_ended"]

    before = len(ended())
    _ask(deployment, url, "change_check", change, reason, {}, quietly=True)
    end = time.monotonic() + within_s
    while len(found := ended()) <= before:
        if time.monotonic() > end:
            raise NotReachable(
                f"no result within {within_s:g} s", hint=f"`change show {change}` has it once it is there"
            )
        time.sleep(_LOOK_EVERY_S)
    facts = found[-1]
    emit({"change": change, **facts}, output, table=lambda console: show_dry_run(console, facts))
    if facts["playbook_outcome"] != "succeeded":
        raise SystemExit(1)


@command.command(epilog="Example: bsm-remediate change approve c1f3a5b7 --digest sha256:5e0c… --reason 'checked'")
@click.argument("change", shell_complete=changes_that(_WAITING))
@click.option("--digest", metavar="DIGEST", help="Of what you looked at (`change show`); refused when it changed.")
@REASON
@url_option
@pass_deployment
def approve(deployment: Deployment, change: str, digest: str | None, reason: str, url: str | None) -> None:
    """Let a change begin in its window. Only members of its approving teams may; above its limit not who proposed it.

    Without `--url` you are who you logged in as.
    """
    _ask(deployment, url, "change_approve", change, reason, {"digest": digest} if digest is not None else {})


def _one(verb: str, name: str, what: str, states: frozenset[str], example: str) -> None:
    @command.command(name=name, help=what, epilog=f"Example: {example}")
    @click.argument("change", shell_complete=changes_that(states))
    @REASON
    @url_option
    @pass_deployment
    def asking(deployment: Deployment, change: str, reason: str, url: str | None) -> None:
        _ask(deployment, url, verb, change, reason, {})


_one(
    "change_reject",
    "reject",
    "Refuse a change that hasn't begun.",
    _WAITING | {"scheduled"},
    "bsm-remediate change reject c1f3a5b7 --reason 'not in that week'",
)
_one(
    "change_withdraw",
    "withdraw",
    "Take back a change that hasn't begun.",
    _WAITING | {"scheduled"},
    "bsm-remediate change withdraw c1f3a5b7 --reason 'the vendor called'",
)
_one(
    "change_review",
    "review",
    "Close a change with what its review found; --reason says it.",
    frozenset({"awaiting_review"}),
    "bsm-remediate change review c1f3a5b7 --reason 'half the time that we thought'",
)


def _ask(
    deployment: Deployment,
    url: str | None,
    verb: str,
    target: str,
    reason: str,
    details: dict[str, str],
    *,
    quietly: bool = False,
) -> None:
    from bsm_remediate.cli.asked import told
    from bsm_remediate.engine.asking import Request

    request = Request(verb=verb, target=target, reason=reason, details=details)
    click.echo(told(request, live_of(deployment, url).ask(request)), err=quietly)


def _moment(text: str | None) -> datetime | None:
    return parse_moment(text) if text is not None else None
