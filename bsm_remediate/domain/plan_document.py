"""The plan as a document (`plan -o json`, `GET /api/v1/plan`), in the shape that outside checks rely on (DESIGN 6)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from hashlib import sha256
from json import dumps

from bsm_remediate.domain.alert import Alert
from bsm_remediate.domain.bundle import Bundle
from bsm_remediate.domain.decision import Decision
from bsm_remediate.domain.evaluation import Evaluation
from bsm_remediate.domain.event import Json
from bsm_remediate.domain.plan import Step
from bsm_remediate.domain.policy import Value
from bsm_remediate.domain.scaling import Adjustment
from bsm_remediate.domain.state import State

SCHEMA = "bsm-remediate/plan/v1"


def plan_document(evaluation: Evaluation, bundle: Bundle, *, considered: tuple[str, ...]) -> dict[str, Json]:
    """The plan of `evaluation`; `considered` names what it rests on."""
    plan, impact = evaluation.plan, evaluation.impact
    return {
        "schema": SCHEMA,
        "at": time_text(plan.at),
        "goal": plan.goal,
        "currency": bundle.currency,
        "bundle": plan.bundle,
        "max_mode": str(evaluation.situation.max_mode),
        "considered": list(considered),
        "loss_per_minute": _money(impact.loss_per_minute),
        "unrestored_loss_per_minute": _money(plan.unrestored_loss_per_minute),
        "expected_loss": _money(plan.expected_loss),
        "expected_money": _money(plan.expected_money),
        "lower_bound": _money(plan.lower_bound),
        "gap": round(plan.gap, 4),
        "is_proven": plan.is_proven,
        "kept": plan.kept,
        "services": [
            {
                "id": one.service,
                "state": one.state.value,
                "loss_per_minute": _money(one.loss_per_minute),
                "causes": list(one.causes),
            }
            for one in sorted(impact.services.values(), key=lambda one: (-one.loss_per_minute, one.service))
            if one.state is not State.OK
        ],
        "root_causes": [
            {
                "component": cause.component,
                "score": cause.score,
                "explains": list(cause.explains),
                "reason": cause.reason,
                "suspect": cause.suspect,
                "symptom": cause.symptom,
            }
            for cause in impact.root_causes
        ],
        "steps": [_step(step) for step in plan.steps],
        "shadow": [_step(step) for step in plan.shadow],
        "held": [_held(decision) for decision in plan.held],
        "unmapped": [
            {"fingerprint": alert.fingerprint, "labels": dict(alert.labels), "reason": reason}
            for alert, reason in evaluation.unmapped
        ],
    }


def saved_plan(document: dict[str, Json], alerts: tuple[Alert, ...]) -> dict[str, Json]:
    """`document` with the alerts that it rests on, so that `apply` can decide each step again, and its digest."""
    whole = {**document, "alerts": [alert_document(alert) for alert in alerts]}
    return {**whole, "digest": digest_of(whole)}


def digest_of(document: Mapping[str, Json]) -> str:
    """sha256 over the document without its own digest."""
    rest = {key: value for key, value in document.items() if key != "digest"}
    return "sha256:" + sha256(dumps(rest, sort_keys=True, ensure_ascii=True).encode()).hexdigest()


def alert_document(alert: Alert) -> dict[str, Json]:
    return {
        "source": alert.source,
        "fingerprint": alert.fingerprint,
        "status": alert.status.value,
        "labels": dict(alert.labels),
        "annotations": dict(alert.annotations),
        "startsAt": time_text(alert.starts_at),
        "endsAt": time_text(alert.ends_at) if alert.ends_at is not None else None,
    }


def time_text(moment: datetime) -> str:
    """RFC 3339 in UTC, to the second where there is no more."""
    there = moment.astimezone(UTC)
    return there.isoformat(timespec="milliseconds" if there.microsecond else "seconds").replace("+00:00", "Z")


def _step(step: Step) -> dict[str, Json]:
    return {
        "order": step.order,
        "component": step.decision.component,
        "host": step.host,
        "policy": step.decision.policy,
        "playbook": step.alternative.playbook,
        "vars": {name: _written(value) for name, value in step.alternative.vars.items()},
        "alternative": step.decision.alternative,
        "executor": step.executor,
        "start_s": round(step.start_s, 3),
        "expected_duration_s": round(step.expected_duration_s, 3),
        "success": round(step.success, 4),
        "written": {
            "expected_duration_s": round(step.written.duration.total_seconds(), 3),
            "success": step.written.success,
        },
        "learned_from": step.learned_from,
        "restores": list(step.restores),
        "verdict": step.decision.verdict.value,
        "reason": step.reason,
        "loss_stopped_per_minute_of_work": _money(step.loss_stopped_per_minute_of_work),
        "before_next": step.before_next,
        "flips": step.flips,
        **({"rebalances": _rebalances(step.rebalancing)} if step.rebalancing is not None else {}),
    }


def _rebalances(found: Adjustment) -> dict[str, Json]:
    weights = found.weights
    return {
        "pool": found.pool.id,
        "gain_per_minute": _money(found.gain.money),
        "weights": [{"name": name, "value": value} for name, value in weights.members.items()],
        "shed": [{"name": name, "value": value} for name, value in weights.shed.items()],
        **({"replicas": weights.replicas} if weights.replicas is not None else {}),
    }


def _held(decision: Decision) -> dict[str, Json]:
    return {
        "component": decision.component,
        "policy": decision.policy,
        "verdict": decision.verdict.value,
        "reason": decision.reason,
    }


def _written(value: Value) -> Json:
    """A variable as its author wrote it."""
    if value is None or isinstance(value, str | int | float | bool):
        return value
    if isinstance(value, Mapping):
        return {name: _written(one) for name, one in value.items()}
    if isinstance(value, tuple):
        return [_written(one) for one in value]
    return value.source


def _money(amount: float) -> float:
    return round(amount, 4)
