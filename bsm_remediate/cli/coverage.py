"""`coverage`: which alerts find a component and a policy, and what share of the loss that is."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import click

from bsm_remediate.cli.alert_input import alert_options, read_alerts
from bsm_remediate.cli.context import Deployment, pass_deployment
from bsm_remediate.cli.moments import parse_moment
from bsm_remediate.cli.output import emit, output_option
from bsm_remediate.cli.tables import plain, simple_table
from bsm_remediate.domain.coverage import Cover, Coverage, Reach, measure

if TYPE_CHECKING:
    from rich.console import Console

    from bsm_remediate.domain.event import Json

_SHOWN = 15
_READABLE = {
    Reach.OPEN: "depends on the alert",
    Reach.ONE: "one component",
    Reach.SEVERAL: "several components",
    Reach.SERVICE: "a service",
    Reach.NONE: "nothing known",
}
_COVERS = {
    Cover.AUTO: "auto",
    Cover.APPROVE: "approve",
    Cover.SHADOW: "shadow",
    Cover.NO_PLAYBOOK: "a policy without playbook",
    Cover.OPEN: "depends on the alert",
    Cover.NONE: "no policy",
}


@click.command(
    epilog="""\b
Examples:
  bsm-remediate coverage --from alertmanager=http://127.0.0.1:9093
  bsm-remediate coverage --alerts last-month.json --rules http://127.0.0.1:9090"""
)
@alert_options
@click.option(
    "--rules", metavar="URL|FILE", multiple=True, help="Look at these alert rules too: a Prometheus, a file, a folder."
)
@click.option("--at", metavar="TIME", help="At the prices of that time (default: now).")
@output_option
@pass_deployment
def command(
    deployment: Deployment,
    alert_file: str | None,
    live: str | None,
    rules: tuple[str, ...],
    at: str | None,
    output: str,
) -> None:
    """Show how many alerts find a component and a policy, and what share of the loss has one.

    The loss of a service is divided equally among the kinds of alert on each component that it stands on. The worst
    gaps come first, with what to add.
    """
    moment = parse_moment(at)
    bundle = deployment.load_bundle()
    installation = deployment.installation()
    found = read_alerts(installation, alert_file, live, at=moment)
    known = [rule for one in rules for rule in installation.senders.read_rules(one)]
    coverage = measure(bundle, found.alerts, known, at=moment)
    emit(_document(coverage, bundle.currency), output, table=lambda console: _show(console, coverage, bundle.currency))


def _document(coverage: Coverage, currency: str) -> dict[str, Json]:
    return {
        "schema": "bsm-remediate/coverage/v1",
        "currency": currency,
        "alerts": _counts([(one.reach, one.cover) for one in coverage.alerts]),
        "rules": _counts([(one.reach, one.cover) for one in coverage.rules]),
        "loss_per_minute": round(coverage.loss_per_minute, 4),
        "loss": {
            **{cover.value: round(coverage.loss[cover], 4) for cover in Cover if cover is not Cover.OPEN},
            "unseen": round(coverage.loss[None], 4),
        },
        "share_with_policy": round(_with_policy(coverage), 4),
        "gaps": [
            {
                "kind": one.kind,
                "name": one.name,
                "count": one.count,
                "loss_per_minute": None if one.loss_per_minute is None else round(one.loss_per_minute, 4),
                "about": one.about,
                "hint": one.hint,
            }
            for one in coverage.gaps
        ],
    }


def _counts(pairs: list[tuple[Reach, Cover]]) -> dict[str, Json]:
    reaches, covers = Counter(reach for reach, _ in pairs), Counter(cover for _, cover in pairs)
    return {
        "total": len(pairs),
        "about": {reach.value: reaches[reach] for reach in Reach},
        "policies": {cover.value: covers[cover] for cover in Cover},
    }


def _with_policy(coverage: Coverage) -> float:
    return coverage.share(*(cover for cover in Cover if cover.is_policy))


# --- for people ------------------------------------------------------------------------------------------------------


def _show(console: Console, coverage: Coverage, currency: str) -> None:
    table = simple_table("", "alerts", "rules", right=("alerts", "rules"))
    alerts, rules = coverage.alerts, coverage.rules
    table.add_row("all", str(len(alerts)), str(len(rules)))
    for reach, text in _READABLE.items():
        numbers = [sum(one.reach is reach for one in alerts), sum(one.reach is reach for one in rules)]
        if any(numbers):
            table.add_row(f"about {text}" if reach is not Reach.OPEN else f"about what {text}", *map(str, numbers))
    for cover, text in _COVERS.items():
        numbers = [sum(one.cover is cover for one in alerts), sum(one.cover is cover for one in rules)]
        if any(numbers):
            table.add_row(text if cover is not Cover.OPEN else f"policy {text}", *map(str, numbers))
    console.print(table)
    _show_loss(console, coverage, currency)
    if not coverage.gaps:
        console.print("No gaps.")
        return
    console.print()
    unit = f"{currency}/min"
    gaps = simple_table("gap", "of", "alerts", unit, "about", "what to do", right=("alerts", unit))
    for one in coverage.gaps[:_SHOWN]:
        loss = "?" if one.loss_per_minute is None else f"{one.loss_per_minute:,.2f}"
        gaps.add_row(
            one.kind.replace("_", " "), plain(one.name), str(one.count), loss, plain(one.about), plain(one.hint)
        )
    console.print(gaps)
    if len(coverage.gaps) > _SHOWN:
        console.print(f"… and {len(coverage.gaps) - _SHOWN} more (all with -o json)")


def _show_loss(console: Console, coverage: Coverage, currency: str) -> None:
    parts = [f"{coverage.share(cover):.0%} {text}" for cover, text in _COVERS.items() if coverage.loss[cover]]
    if coverage.loss[None]:
        parts.append(f"{coverage.share(None):.0%} no alert")
    console.print(
        f"Of {coverage.loss_per_minute:,.2f} {currency}/min that services can lose, {_with_policy(coverage):.0%} has a "
        f"policy with a playbook: {', '.join(parts) or 'there is no service'}."
    )
