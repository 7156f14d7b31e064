"""`what-if`: what would it cost?"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from bsm_remediate.cli.completing import components, goals, several
from bsm_remediate.cli.context import Deployment, pass_deployment
from bsm_remediate.cli.moments import known_goal, known_node, parse_moment
from bsm_remediate.cli.output import emit, output_option
from bsm_remediate.cli.plan import show_plan
from bsm_remediate.cli.progress import shown
from bsm_remediate.cli.tables import loss_text, plain, simple_table, state_text
from bsm_remediate.domain.assessment import assess
from bsm_remediate.domain.bundle import DEFAULT_GOAL, Bundle
from bsm_remediate.domain.evaluation import Evaluation, Evaluator
from bsm_remediate.domain.failure_loss import FailureLoss
from bsm_remediate.domain.loss import Prices
from bsm_remediate.domain.plan_document import plan_document
from bsm_remediate.domain.rollup import RollUp
from bsm_remediate.domain.situation import Situation
from bsm_remediate.domain.state import State
from bsm_remediate.domain.supposed import supposed_alerts
from bsm_remediate.domain.worst_failures import WorstFailures, worst_failures
from bsm_remediate.errors import WrongUsage

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from rich.console import Console

    from bsm_remediate.domain.event import Json
    from bsm_remediate.domain.ids import NodeId
    from bsm_remediate.domain.impact import Impact


@click.command(
    epilog="""\b
Examples:
  bsm-remediate what-if --down db-1,web-1 --at 2026-01-05T09:00:00Z
  bsm-remediate what-if --down db-1 --plan
  bsm-remediate what-if --worst 2"""
)
@click.option("--down", default="", metavar="A,B", shell_complete=several(components), help="Components that are down.")
@click.option(
    "--degraded", default="", metavar="C", shell_complete=several(components), help="Components that are degraded."
)
@click.option("--states", type=click.Path(path_type=Path), help="JSON object of component to state; - for stdin.")
@click.option("--plan", "with_plan", is_flag=True, help="Also the plan it would lead to, if policies' alerts came.")
@click.option("--worst", type=click.IntRange(1, 6), metavar="K", help="Also the worst failures of up to K components.")
@click.option("--at", metavar="TIME", help="At the prices of that time (default: now).")
@click.option("--goal", default=DEFAULT_GOAL, show_default=True, shell_complete=goals, help="Under that goal.")
@output_option
@pass_deployment
def command(
    deployment: Deployment,
    down: str,
    degraded: str,
    states: Path | None,
    worst: int | None,
    at: str | None,
    goal: str,
    output: str,
    *,
    with_plan: bool,
) -> None:
    """Show states and loss of everything if certain components were down or degraded.

    With --plan also what would be done about it: as if for each of them the alerts came that policies with playbooks
    wait for. With --worst also which failures of up to K further components would cost most; components that the
    failure of another takes down are left out of these.
    """
    moment = parse_moment(at)
    bundle = deployment.load_bundle()
    known_goal(bundle, goal)
    own = _stated(bundle, down, degraded, states)
    impact = assess(
        bundle, RollUp(bundle.service_map), own=own, signals={}, prices=Prices(bundle.calendars, moment), goal=goal
    )
    shown_document = document(bundle, impact)
    evaluation = _planned(bundle, own, moment, goal) if with_plan else None
    if evaluation is not None:
        shown_document["plan"] = plan_document(evaluation, bundle, considered=("supposed alerts", "bundle"))
    found = _worst(bundle, own, moment, goal, worst) if worst is not None else None
    if found is not None:
        shown_document |= _worst_document(found)

    def show(console: Console) -> None:
        if own or found is None:
            _show(console, bundle, impact)
        if evaluation is not None:
            console.print()
            show_plan(console, evaluation, bundle)
        if found is not None:
            _show_worst(console, bundle, found)

    emit(shown_document, output, table=show)


def _planned(bundle: Bundle, own: Mapping[NodeId, State], at: datetime, goal: str) -> Evaluation:
    alerts = supposed_alerts(bundle, own, at)
    return Evaluator(bundle).evaluate(Situation(at=at, alerts=alerts, stated=own, goal=goal))


def _worst(bundle: Bundle, own: Mapping[NodeId, State], at: datetime, goal: str, up_to: int) -> WorstFailures:
    losses = FailureLoss(bundle, RollUp(bundle.service_map), at=at, goal=goal, own=own)
    with shown("failures") as progress:
        return worst_failures(losses, up_to, progress=progress)


def _worst_document(found: WorstFailures) -> dict[str, Json]:
    return {
        "worst": [
            {
                "components": list(one.components),
                "loss_per_minute": round(one.loss_per_minute, 4),
                "services": list(one.services),
            }
            for one in found.worst
        ],
        "worst_is_proven": found.is_proven,
        "worst_at_most": round(found.at_most, 4),
    }


def _show_worst(console: Console, bundle: Bundle, found: WorstFailures) -> None:
    money = f"{bundle.currency}/min"
    table = simple_table("failures at once", money, "services", right=(money,))
    for one in found.worst:
        table.add_row(
            plain(", ".join(one.components)), f"{one.loss_per_minute:,.2f}", plain(", ".join(one.services[:6]))
        )
    console.print(table)
    if not found.is_proven:
        console.print(f"There may be worse ones, costing up to {found.at_most:,.2f} {money} (weighted)")


def _stated(bundle: Bundle, down: str, degraded: str, states: Path | None) -> dict[NodeId, State]:
    own: dict[NodeId, State] = {}
    for names, state in ((degraded, State.DEGRADED), (down, State.DOWN)):
        for name in filter(None, (part.strip() for part in names.split(","))):
            own[known_node(bundle, name)] = state
    for name, text in _read_states(states).items():
        try:
            own[known_node(bundle, name)] = State(text)
        except ValueError:
            raise WrongUsage(f"'{text}' of {name} is no state", hint=f"one of {', '.join(State)}") from None
    return own


def _read_states(states: Path | None) -> dict[str, str]:
    if states is None:
        return {}
    try:
        found = json.loads(sys.stdin.read() if str(states) == "-" else states.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise WrongUsage(f"{states} cannot be read: {error}") from error
    if not isinstance(found, dict) or not all(isinstance(value, str) for value in found.values()):
        raise WrongUsage(f"{states} must be a JSON object of component to state")
    return found


def document(bundle: Bundle, impact: Impact) -> dict[str, Json]:
    """The contract's what-if document: all services, and the components that are not ok."""
    services: dict[str, Json] = {}
    for node in bundle.service_map.services:
        found = impact.services.get(node)
        services[node] = {
            "state": impact.state(node).value,
            "loss_per_minute": round(found.loss_per_minute, 4) if found is not None else 0.0,
            "loss_range": [round(end, 4) for end in found.loss_range] if found is not None else [0.0, 0.0],
            "causes": list(found.causes) if found is not None else [],
            "at_risk": list(found.at_risk) if found is not None else [],
        }
    return {
        "schema": "bsm-remediate/what-if/v1",
        "currency": bundle.currency,
        "loss_per_minute": round(impact.loss_per_minute, 4),
        "services": services,
        "components": {node: {"state": impact.state(node).value} for node in bundle.service_map.components},
    }


def _show(console: Console, bundle: Bundle, impact: Impact) -> None:
    table = simple_table("service", "state", f"{bundle.currency}/min", "causes", right=(f"{bundle.currency}/min",))
    hit = [one for one in impact.services.values() if one.state is not State.OK]
    for one in sorted(hit, key=lambda one: (-one.loss_per_minute, one.service)):
        loss = loss_text(one.loss_per_minute, one.loss_range)
        table.add_row(plain(one.service), state_text(one.state), loss, plain(", ".join(one.causes)))
    if hit:
        console.print(table)
    at_risk = [one for one in impact.services.values() if one.state is State.OK and one.at_risk]
    for one in at_risk:
        console.print(
            f"{plain(one.service)} is at risk: one more failure of {plain(', '.join(one.at_risk))} takes it down"
        )
    number = len(bundle.service_map.services)
    console.print(f"{len(hit)} of {number} services hit, losing {impact.loss_per_minute:,.2f} {bundle.currency}/min")
