"""`apply`: carry out a saved plan."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import click

from bsm_remediate.cli.context import Deployment, pass_deployment
from bsm_remediate.cli.moments import parse_moment
from bsm_remediate.domain.bundle import Bundle
from bsm_remediate.domain.duration import format_duration
from bsm_remediate.domain.evaluation import Evaluator
from bsm_remediate.domain.ids import NodeId, PolicyId
from bsm_remediate.domain.plan_document import SCHEMA, digest_of
from bsm_remediate.domain.situation import Situation
from bsm_remediate.errors import PlanOutdated, WrongUsage

STALE = timedelta(minutes=15)


@click.command(epilog="Example: bsm-remediate plan --alerts alerts.json --out p.json && bsm-remediate apply p.json")
@click.argument("plan", type=click.Path(path_type=Path))
@click.option("--stale-ok", is_flag=True, help="Also when the plan is older than 15 minutes.")
@click.option("--check", is_flag=True, help="Only in Ansible's check mode, with diffs: nothing is changed.")
@pass_deployment
def command(deployment: Deployment, plan: Path, stale_ok: bool, check: bool) -> None:
    """Carry out a saved plan; each step is decided again with the guards as they are now.

    Exits with 5 when the bundle changed since, or the plan is too old; with 1 when a run failed.
    """
    from bsm_remediate.cli.dry_run import rehearse
    from bsm_remediate.cli.foreground import carry_out
    from bsm_remediate.engine.options import EngineOptions

    document = _read(plan)
    bundle = deployment.load_bundle(scrutinise=True)
    now = parse_moment(None)
    _require_fit(document, bundle, stale_ok=stale_ok)
    installation = deployment.installation()
    alerts = installation.senders.read_alerts(json.dumps(document["alerts"]).encode(), at=now)
    only = frozenset((NodeId(step["component"]), PolicyId(step["policy"])) for step in document["steps"])
    if check:
        situation = Situation(at=now, alerts=tuple(alerts), goal=document["goal"])
        if not rehearse(installation, bundle, Evaluator(bundle).evaluate(situation), only):
            raise SystemExit(1)
        return
    options = EngineOptions(goal=document["goal"], asks_age=False, begins_changes=False, only=only, tells=False)
    if not carry_out(installation, bundle, alerts, options):
        raise SystemExit(1)


def _read(file: Path) -> dict[str, Any]:
    try:
        document = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise WrongUsage(f"{file} cannot be read: {error}") from error
    if not isinstance(document, dict) or document.get("schema") != SCHEMA or "alerts" not in document:
        raise WrongUsage(f"{file} is no saved plan", hint="`plan --out FILE` writes one")
    if document.get("digest") != digest_of(document):
        raise PlanOutdated(f"{file} was changed after it was saved", hint="plan anew")
    return document


def _require_fit(document: dict[str, Any], bundle: Bundle, *, stale_ok: bool) -> None:
    if document["bundle"] != bundle.digest:
        raise PlanOutdated("the bundle has changed since the plan was made", hint="plan anew and compare")
    if document["goal"] not in bundle.goals:
        raise PlanOutdated(f"the goal {document['goal']} is gone", hint="plan anew")
    age = parse_moment(None) - parse_moment(document["at"])
    if age > STALE and not stale_ok:
        raise PlanOutdated(f"the plan is {format_duration(age)} old", hint="plan anew, or say --stale-ok")
