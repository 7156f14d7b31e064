"""`run`: plan and execute once in the foreground."""

from __future__ import annotations

import sys

import click

from bsm_remediate.cli.completing import goals
from bsm_remediate.cli.context import Deployment, pass_deployment
from bsm_remediate.cli.moments import known_goal, parse_moment
from bsm_remediate.cli.output import console
from bsm_remediate.domain.bundle import DEFAULT_GOAL
from bsm_remediate.domain.evaluation import Evaluator
from bsm_remediate.domain.situation import Situation
from bsm_remediate.errors import WrongUsage


@click.command(epilog="Example: bsm-remediate run --alerts alerts.json --yes")
@click.option("--alerts", "alert_file", required=True, metavar="FILE", help="As for `plan`; - for stdin.")
@click.option("--goal", default=DEFAULT_GOAL, show_default=True, shell_complete=goals, help="Under that goal.")
@click.option("--executors", type=click.IntRange(1, 256), help="Playbooks at once (default: the bundle's).")
@click.option("--check", is_flag=True, help="Only in Ansible's check mode, with diffs: nothing is changed.")
@click.option("--yes", is_flag=True, help="Don't ask before anything is run.")
@pass_deployment
def command(deployment: Deployment, alert_file: str, goal: str, executors: int | None, check: bool, yes: bool) -> None:
    """Plan and execute once in the foreground, with live progress; then exit.

    Guards count as ever, and a person who starts this asks no age of the alerts. Exits with 1 when a run failed.
    """
    from bsm_remediate.cli.dry_run import rehearse
    from bsm_remediate.cli.foreground import carry_out
    from bsm_remediate.cli.plan import show_plan
    from bsm_remediate.engine.options import EngineOptions

    bundle = deployment.load_bundle(scrutinise=True)
    known_goal(bundle, goal)
    installation = deployment.installation()
    moment = parse_moment(None)
    alerts = installation.senders.read_alert_file(alert_file, at=moment)
    situation = Situation(at=moment, alerts=tuple(alerts), goal=goal, executors=executors)
    evaluation = Evaluator(bundle).evaluate(situation)
    show_plan(console(), evaluation, bundle)
    if not evaluation.plan.steps:
        return
    if check:
        if not rehearse(installation, bundle, evaluation):
            raise SystemExit(1)
        return
    if not yes:
        if not sys.stdin.isatty() or alert_file == "-":
            raise WrongUsage("nobody can be asked here", hint="say --yes")
        click.confirm("\nRun that?", abort=True)
    click.echo()
    options = EngineOptions(goal=goal, executors=executors, asks_age=False, begins_changes=False, tells=False)
    if not carry_out(installation, bundle, alerts, options):
        raise SystemExit(1)
