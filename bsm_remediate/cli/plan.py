"""`plan`: what would be done, in what order, and why?"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from bsm_remediate.cli.alert_input import alert_options, read_alerts
from bsm_remediate.cli.cap import show_cap
from bsm_remediate.cli.completing import goals
from bsm_remediate.cli.context import Deployment, pass_deployment
from bsm_remediate.cli.moments import known_goal, parse_moment
from bsm_remediate.cli.output import emit, output_option
from bsm_remediate.cli.tables import plain, seconds_text, simple_table, state_text
from bsm_remediate.domain.bundle import DEFAULT_GOAL, Bundle
from bsm_remediate.domain.evaluation import Evaluation, Evaluator
from bsm_remediate.domain.plan_document import plan_document, saved_plan
from bsm_remediate.domain.policy import Mode
from bsm_remediate.domain.situation import Situation
from bsm_remediate.domain.state import State

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from bsm_remediate.domain.plan import Step

STEPS_EXIT_CODE = 10


@click.command(
    epilog="""\b
Examples:
  bsm-remediate plan --alerts alerts.json
  bsm-remediate plan --from alertmanager=http://127.0.0.1:9093
  bsm-remediate plan --alerts - -o json < alerts.json
  bsm-remediate plan --alerts alerts.json --out tonight.plan && bsm-remediate apply tonight.plan"""
)
@alert_options
@click.option("--at", metavar="TIME", help="At that time (default: now).")
@click.option("--goal", default=DEFAULT_GOAL, show_default=True, shell_complete=goals, help="Under that goal.")
@click.option("--executors", type=click.IntRange(1, 256), help="Playbooks at once (default: the bundle's).")
@click.option("--assume", type=click.Choice(["approve", "auto"]), help="Show shadow policies as if they had that mode.")
@click.option("--exact", is_flag=True, help="Prove the order best, or say how far from it; may take some ten seconds.")
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), help="Save the plan for `apply`.")
@click.option("--exit-code", is_flag=True, help="Exit with 10 when there are steps.")
@output_option
@pass_deployment
def command(
    deployment: Deployment,
    alert_file: str | None,
    live: str | None,
    at: str | None,
    goal: str,
    executors: int | None,
    assume: str | None,
    exact: bool,
    out: Path | None,
    exit_code: bool,
    output: str,
) -> None:
    """Show what would be done about alerts, in what order and why. Nothing is run.

    It looks at the alerts and the bundle alone; with --database also at cooldowns and unfinished runs there.
    """
    moment = parse_moment(at)
    bundle = deployment.load_bundle()
    known_goal(bundle, goal)
    installation = deployment.installation()
    found = read_alerts(installation, alert_file, live, at=moment)
    situation = Situation(
        at=moment,
        alerts=found.alerts,
        suppressed=found.suppressed,
        goal=goal,
        executors=executors,
        assume=Mode[assume.upper()] if assume else None,
        exact=exact,
    )
    considered: tuple[str, ...] = ("alerts", "bundle")
    if deployment.database is not None:
        situation = installation.with_history(situation)
        considered = (*considered, "database")
    evaluation = Evaluator(bundle).evaluate(situation)
    document = plan_document(evaluation, bundle, considered=considered)
    if out is not None:
        out.write_text(json.dumps(saved_plan(document, situation.alerts), indent=2) + "\n", encoding="utf-8")
    emit(document, output, table=lambda console: show_plan(console, evaluation, bundle))
    if exit_code and evaluation.plan.steps:
        raise SystemExit(STEPS_EXIT_CODE)


def show_plan(console: Console, evaluation: Evaluation, bundle: Bundle) -> None:
    """Impact first, then what would be done, then what wouldn't and why."""
    show_cap(console, str(evaluation.situation.max_mode))
    show_impact(console, evaluation, bundle)
    plan = evaluation.plan
    if plan.steps:
        console.print(_steps_table("", plan.steps))
        money = f"{plan.expected_money:,.2f} {bundle.currency}"
        best = "no order loses less" if plan.is_proven else f"at most {plan.gap:.1%} above the best order"
        console.print(f"Expected loss until all that is restored: {money}; {best}")
        if plan.kept:
            console.print(plan.kept[:1].upper() + plan.kept[1:])
    else:
        console.print("Nothing to run.")
    if plan.shadow:
        console.print()
        console.print(_steps_table("In shadow (recorded, not run)", plan.shadow))
    if plan.held:
        console.print()
        table = simple_table("held", "policy", "verdict", "because")
        for one in plan.held:
            verdict = state_text(one.verdict)
            table.add_row(plain(one.component or ""), plain(one.policy or ""), verdict, plain(one.reason))
        console.print(table)
    if evaluation.unmapped:
        console.print()
        table = simple_table("unmapped alert", "because")
        for alert, reason in evaluation.unmapped:
            table.add_row(plain(alert.name or alert.fingerprint), plain(reason))
        console.print(table)


def show_impact(console: Console, evaluation: Evaluation, bundle: Bundle) -> None:
    impact = evaluation.impact
    unit = f"{bundle.currency}/min"
    hit = [one for one in impact.services.values() if one.state is not State.OK]
    if not hit:
        console.print("All services are ok.\n")
        return
    table = simple_table("service", "state", unit, "because of", right=(unit,))
    for one in sorted(hit, key=lambda one: (-one.loss_per_minute, one.service)):
        causes = plain(", ".join(one.causes))
        table.add_row(plain(one.service), state_text(one.state), f"{one.loss_per_minute:,.2f}", causes)
    console.print(table)
    console.print(f"The business is losing [bold]{impact.loss_per_minute:,.2f} {unit}[/].\n")


def _steps_table(title: str, steps: tuple[Step, ...]) -> Table:
    table = simple_table("#", "component", "playbook", "start", "takes", "restores", "verdict", "because", right=("#",))
    table.title, table.title_justify = title or None, "left"
    for step in steps:
        table.add_row(
            str(step.order),
            plain(step.decision.component or ""),
            plain(step.alternative.playbook),
            seconds_text(step.start_s),
            seconds_text(step.expected_duration_s),
            plain(", ".join(step.restores)),
            state_text(step.decision.verdict),
            plain(step.reason),
        )
    return table
