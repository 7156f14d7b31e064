"""`why`: explain a component, a service, a run or a held step."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from bsm_remediate.cli.completing import anything_explained
from bsm_remediate.cli.context import Deployment, pass_deployment
from bsm_remediate.cli.explaining import explained
from bsm_remediate.cli.live import live_of, url_option
from bsm_remediate.cli.moments import parse_moment
from bsm_remediate.cli.output import emit, output_option
from bsm_remediate.cli.tables import plain
from bsm_remediate.errors import WrongUsage

if TYPE_CHECKING:
    from rich.console import Console

    from bsm_remediate.cli.live import Picture


@click.command(
    epilog="""\b
Examples:
  bsm-remediate why checkout
  bsm-remediate why checkout --alerts alerts.json
  bsm-remediate why --alert alert.json
  bsm-remediate why --alert - -o json < alert.json"""
)
@click.argument("name", metavar="[ID]", required=False, shell_complete=anything_explained)
@click.option("--alert", "alert_file", metavar="FILE", help="Explain these alerts by the bundle alone; - for stdin.")
@click.option("--alerts", "world_file", metavar="FILE", help="Explain ID as if these alerts were all; - for stdin.")
@click.option("--at", metavar="TIME", help="With --alert or --alerts: at that time (default: now).")
@url_option
@output_option
@pass_deployment
def command(
    deployment: Deployment,
    name: str | None,
    alert_file: str | None,
    world_file: str | None,
    at: str | None,
    url: str | None,
    output: str,
) -> None:
    """Explain why a component or service is as it is, why a run was made or held, or what an alert means.

    ID is a component, a service, a run, or a policy (why it acts or is held, wherever it speaks). With --alerts it is
    explained by the bundle and the alerts in FILE (as for `plan`) alone. With --alert it shows each rule and matcher
    that is tried on the alerts in FILE, ✓ or ✗ with the value seen, and what follows. No server is asked then.
    """
    if (name is None) == (alert_file is None):
        raise WrongUsage("give either an ID or --alert FILE", hint="`-` reads standard input")
    if alert_file is not None:
        _explain_alerts(deployment, alert_file, at, output)
    elif name is not None:
        picture = _picture(deployment, world_file, at) if world_file is not None else live_of(deployment, url)
        lines, document = explained(picture, name)
        emit({**document, "because": lines}, output, table=lambda console: _show(console, lines))


def _picture(deployment: Deployment, world_file: str, at: str | None) -> Picture:
    """What is if the alerts of that file are all there are."""
    from bsm_remediate.cli.live import Evaluated
    from bsm_remediate.domain.evaluation import Evaluator
    from bsm_remediate.domain.situation import Situation

    moment = parse_moment(at)
    bundle = deployment.load_bundle()
    alerts = deployment.installation().senders.read_alert_file(world_file, at=moment)
    return Evaluated(bundle, Evaluator(bundle).evaluate(Situation(at=moment, alerts=tuple(alerts))))


def _explain_alerts(deployment: Deployment, alert_file: str, at: str | None, output: str) -> None:
    from bsm_remediate.cli.alert_explained import document, show
    from bsm_remediate.domain.explanation import explain
    from bsm_remediate.domain.situation import Situation

    moment = parse_moment(at)
    bundle = deployment.load_bundle()
    alerts = deployment.installation().senders.read_alert_file(alert_file, at=moment)
    if not alerts:
        raise WrongUsage(f"there is no firing alert in {alert_file}")
    explanations = explain(bundle, Situation(at=moment, alerts=tuple(alerts)))
    emit(document(explanations), output, table=lambda console: show(console, explanations))


def _show(console: Console, lines: list[str]) -> None:
    first, *rest = lines
    console.print(plain(first))
    for line in rest:
        console.print(f"  • {plain(line)}")
