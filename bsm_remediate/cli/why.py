"""`why`: explain a component, a service, a run or a held step."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING

import click

from bsm_remediate.cli.cap import cap_text
from bsm_remediate.cli.completing import anything_explained
from bsm_remediate.cli.context import Deployment, pass_deployment
from bsm_remediate.cli.live import Live, Row, live_of, url_option
from bsm_remediate.cli.moments import parse_moment
from bsm_remediate.cli.output import emit, output_option
from bsm_remediate.cli.runs import told
from bsm_remediate.cli.tables import plain
from bsm_remediate.errors import UnknownId, WrongUsage

if TYPE_CHECKING:
    from rich.console import Console


@click.command(
    epilog="""\b
Examples:
  bsm-remediate why checkout
  bsm-remediate why --alert alert.json
  bsm-remediate why --alert - -o json < alert.json"""
)
@click.argument("name", metavar="[ID]", required=False, shell_complete=anything_explained)
@click.option("--alert", "alert_file", metavar="FILE", help="Explain these alerts by the bundle alone; - for stdin.")
@click.option("--at", metavar="TIME", help="With --alert: at that time (default: now).")
@url_option
@output_option
@pass_deployment
def command(
    deployment: Deployment, name: str | None, alert_file: str | None, at: str | None, url: str | None, output: str
) -> None:
    """Explain why a component or service is as it is, why a run was made or held, or what an alert means.

    With --alert it shows each rule and matcher that is tried on the alerts in FILE (as for `plan`), ✓ or ✗ with the
    value seen, and what follows. No server is asked then.
    """
    if (name is None) == (alert_file is None):
        raise WrongUsage("give either an ID or --alert FILE", hint="`-` reads standard input")
    if alert_file is not None:
        _explain_alerts(deployment, alert_file, at, output)
    elif name is not None:
        live = live_of(deployment, url)
        lines, document = _explained(live, name)
        emit({**document, "because": lines}, output, table=lambda console: _show(console, lines))


def _explain_alerts(deployment: Deployment, alert_file: str, at: str | None, output: str) -> None:
    from bsm_remediate.cli.alert_explained import document, show
    from bsm_remediate.domain.explanation import explain
    from bsm_remediate.domain.situation import Situation

    moment = parse_moment(at)
    bundle = deployment.load_bundle()
    alerts = deployment.installation().read_alert_file(alert_file, at=moment)
    if not alerts:
        raise WrongUsage(f"there is no firing alert in {alert_file}")
    explanations = explain(bundle, Situation(at=moment, alerts=tuple(alerts)))
    emit(document(explanations), output, table=lambda console: show(console, explanations))


def _explained(live: Live, name: str) -> tuple[list[str], Row]:
    services = {row["id"]: row for row in live.rows("services")}
    components = {row["id"]: row for row in live.rows("components")}
    plan = live.plan()
    cap = [cap_text(plan["max_mode"])] if cap_text(plan["max_mode"]) else []
    if name in services:
        return _service(services[name], plan) + cap, {"kind": "service", **services[name]}
    if name in components:
        return _component(components[name], plan) + cap, {"kind": "component", **components[name]}
    runs = {row["id"] for row in live.rows("runs")}
    if name in runs:
        run, events = live.run(name)
        return _run(run, events) + cap, {"kind": "run", **run}
    near = difflib.get_close_matches(name, [*services, *components, *runs], 1)
    raise UnknownId(f"nothing is called '{name}'", hint=f"did you mean '{near[0]}'?" if near else None)


def _service(row: Row, plan: Row) -> list[str]:
    lines = [f"{row['id']} is {row['state']} and costs {row['loss_per_minute']:,.2f} {plan['currency']}/min now"]
    for cause in plan["root_causes"]:
        if cause["component"] in row["causes"]:
            kind = "a suspect" if cause["suspect"] else f"a cause (score {cause['score']:.2f})"
            lines.append(f"{cause['component']} is {kind}: it {cause['reason']}")
    lines += [
        f"step {step['order']} restores it: {step['playbook']} on {step['component']}, {step['reason']}"
        for step in plan["steps"]
        if row["id"] in step["restores"]
    ]
    if row["at_risk"]:
        lines.append(f"one more failure of {', '.join(row['at_risk'])} would take it down")
    return lines


def _component(row: Row, plan: Row) -> list[str]:
    lines = [f"{row['id']} on host {row['host']} is {row['state']}"]
    lines.extend(
        f"alert {signal['alert']} since {signal['since']} says {signal['sets']} (found by {signal['how']})"
        for signal in row["signals"]
    )
    lines += [f"it is a cause: it {one['reason']}" for one in plan["root_causes"] if one["component"] == row["id"]]
    for step in plan["steps"]:
        if step["component"] == row["id"]:
            lines.append(
                f"step {step['order']} of the plan: {step['playbook']}, verdict {step['verdict']}, {step['reason']}"
            )
    for step in plan["shadow"]:
        if step["component"] == row["id"]:
            lines.append(f"{step['policy']}: {step['verdict']}, {step['reason']}")
    for held in plan["held"]:
        if held["component"] == row["id"]:
            lines.append(f"{held['policy'] or 'no policy'}: {held['verdict']}, {held['reason']}")
    return lines


def _run(run: Row, events: list[Row]) -> list[str]:
    lines = [f"{run['playbook']} was chosen for {run['component']} because it {run['reason']}"]
    if run["approved_by"]:
        lines.append(f"approved by {run['approved_by']}")
    if run["outcome"]:
        lines.append(f"it is {run['state']}: {run['outcome']}")
    lines.extend(f"{event['at']} {event['kind']}: {told(event)}" for event in events if event["kind"] != "run.task")
    return lines


def _show(console: Console, lines: list[str]) -> None:
    first, *rest = lines
    console.print(plain(first))
    for line in rest:
        console.print(f"  • {plain(line)}")
