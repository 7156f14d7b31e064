"""`dry-run`: what a run that waits for approval would change; the rehearsal of `run --check` and `apply --check`."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import click

from bsm_remediate.cli.completing import runs_that
from bsm_remediate.cli.context import Deployment, pass_deployment
from bsm_remediate.cli.live import Live, Row, live_of, url_option
from bsm_remediate.cli.output import console, emit, output_option
from bsm_remediate.cli.tables import plain
from bsm_remediate.errors import NotReachable

if TYPE_CHECKING:
    from collections.abc import Container

    from rich.console import Console

    from bsm_remediate.app import Installation
    from bsm_remediate.domain.bundle import Bundle
    from bsm_remediate.domain.evaluation import Evaluation
    from bsm_remediate.domain.ids import NodeId, PolicyId

_LOOK_EVERY_S = 0.3


@click.command(epilog="Example: bsm-remediate dry-run 1f3a")
@click.argument("run", shell_complete=runs_that(frozenset({"awaiting_approval"})))
@click.option("--reason", default="", help="Why; it is kept in the journal.")
@click.option("--wait", "within_s", type=click.FloatRange(0), default=600, show_default=True, help="Seconds, at most.")
@url_option
@output_option
@pass_deployment
def command(deployment: Deployment, run: str, reason: str, within_s: float, url: str | None, output: str) -> None:
    """Show what a run that waits for approval would change: its playbook in Ansible's check mode, with diffs, on the
    real hosts, carried out by the engine.

    Commands are not run in check mode, so what they would do isn't shown. The result stays with the run (`runs ID`).
    Exits with 1 when the playbook fails in check mode already.
    """
    from bsm_remediate.cli.asked import told
    from bsm_remediate.engine.asking import Request

    live = live_of(deployment, url)
    known = len(_ended(live, run))
    asked = Request(verb="check", target=run, reason=reason)
    click.echo(told(asked, live.ask(asked)), err=True)
    end = time.monotonic() + within_s
    while len(found := _ended(live, run)) <= known:
        if time.monotonic() > end:
            raise NotReachable(f"no result within {within_s:g} s", hint=f"`runs {run}` shows it once it is there")
        time.sleep(_LOOK_EVERY_S)
    facts = found[-1]["facts"]
    emit({"run": run, **facts}, output, table=lambda shown: show_dry_run(shown, facts))
    if facts["playbook_outcome"] != "succeeded":
        raise SystemExit(1)


def _ended(live: Live, run: str) -> list[Row]:
    return [event for event in live.run(run)[1] if event["kind"] == "run.dry_run_ended"]


def show_dry_run(shown: Console, facts: Row) -> None:
    """What one found, for people."""
    shown.print(plain(facts["detail"]))
    for change in facts["changes"]:
        shown.print(f"  {plain(change['host'])}: {plain(change['task'])}")
        for line in str(change["diff"]).splitlines():
            style = "green" if line.startswith("+") else "red" if line.startswith("-") else "dim"
            shown.print(f"    [{style}]{plain(line)}[/]")
    if facts["changes_left_out"]:
        shown.print(f"  and {facts['changes_left_out']} more")


def rehearse(
    installation: Installation,
    bundle: Bundle,
    evaluation: Evaluation,
    only: Container[tuple[NodeId | None, PolicyId | None]] | None = None,
) -> bool:
    """Every step of the plan (or those of `only`) in check mode, in its order; whether all came to their end. Nothing
    is changed, nothing written to the database.
    """
    from bsm_remediate.domain.run import RunState
    from bsm_remediate.domain.work_order import work_order
    from bsm_remediate.engine.dispatcher import run_of_step
    from bsm_remediate.engine.dry_run import dry_run

    executor = installation.executor()
    alerts = {alert.key: alert for alert in evaluation.situation.alerts}
    is_sound = True
    for step in evaluation.plan.steps:
        if only is not None and (step.decision.component, step.decision.policy) not in only:
            continue
        run = run_of_step(step, evaluation.situation, RunState.QUEUED, bundle.digest)
        click.echo(f"\n{run.component}, step {step.order}:")
        if not bundle.policies[run.policy].do[run.alternative].check:
            click.echo(f"{run.playbook} can't run in check mode, says policy {run.policy} (`check: false`)")
            continue
        about = tuple(alerts[key] for key in run.alerts if key in alerts)
        order = work_order(run, bundle=bundle, impact=evaluation.impact, alerts=about)
        if order is not None:
            found = dry_run(executor, run, order, cancelled=lambda: False)
            show_dry_run(console(), found.facts())
            is_sound &= found.is_sound
    return is_sound
