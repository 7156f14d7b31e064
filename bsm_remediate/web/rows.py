"""Rows of the listings, in the shapes that outside checks rely on (DESIGN 7)."""

from __future__ import annotations

from collections import defaultdict
from datetime import datetime

from bsm_remediate.domain.alert import Alert, AlertKey
from bsm_remediate.domain.bundle import Bundle
from bsm_remediate.domain.decision import Decision
from bsm_remediate.domain.evaluation import Evaluation
from bsm_remediate.domain.event import Event, Json
from bsm_remediate.domain.ids import NodeId
from bsm_remediate.domain.message import Message
from bsm_remediate.domain.plan_document import time_text
from bsm_remediate.domain.run import Run

Row = dict[str, Json]
_SHOWN_NOTICES = 50


def alert_rows(evaluation: Evaluation, first: int, limit: int) -> list[Row]:
    """Alerts that fire, newest first, `limit` of them from the place `first` on, with what was decided about each."""
    alerts = sorted(evaluation.situation.alerts, key=lambda alert: alert.starts_at, reverse=True)
    page = alerts[first : first + limit]
    decided: dict[AlertKey, list[Decision]] = {alert.key: [] for alert in page}
    for decision in evaluation.decisions:
        for key in decision.alerts:
            if key in decided:
                decided[key].append(decision)
    return [_alert(alert, decided[alert.key]) for alert in page]


def _alert(alert: Alert, decisions: list[Decision]) -> Row:
    return {
        "id": f"{alert.source}:{alert.fingerprint}",
        "source": alert.source,
        "fingerprint": alert.fingerprint,
        "status": alert.status.value,
        "labels": dict(alert.labels),
        "annotations": dict(alert.annotations),
        "starts_at": time_text(alert.starts_at),
        "ends_at": _time(alert.ends_at),
        "received_at": time_text(alert.received_at),
        "signals": [
            {"component": one.component, "policy": one.policy, "verdict": one.verdict.value, "reason": one.reason}
            for one in decisions
        ],
    }


def service_rows(bundle: Bundle, evaluation: Evaluation) -> list[Row]:
    """All services, costliest first."""
    rows: list[Row] = []
    for node, service in bundle.service_map.services.items():
        found = evaluation.impact.services.get(node)
        rows.append(
            {
                "id": node,
                "title": service.title,
                "function": service.function,
                "state": evaluation.impact.state(node).value,
                "loss_per_minute": round(found.loss_per_minute, 4) if found is not None else 0.0,
                "loss_range": [round(end, 4) for end in found.loss_range] if found is not None else [0.0, 0.0],
                "causes": list(found.causes) if found is not None else [],
                "at_risk": list(found.at_risk) if found is not None else [],
            }
        )
    return sorted(rows, key=lambda row: (-float(str(row["loss_per_minute"])), str(row["id"])))


def component_rows(bundle: Bundle, evaluation: Evaluation) -> list[Row]:
    """All components."""
    signals: dict[NodeId, list[Json]] = defaultdict(list)
    since: dict[NodeId, datetime] = {}
    for signal in evaluation.signals:
        signals[signal.component].append(
            {
                "alert": signal.alert.name,
                "fingerprint": signal.alert.fingerprint,
                "sets": signal.sets.value,
                "since": time_text(signal.since),
                "how": signal.how,
            }
        )
        since[signal.component] = min(since.get(signal.component, signal.since), signal.since)
    return [
        {
            "id": node,
            "host": component.host,
            "state": evaluation.impact.state(node).value,
            "since": _time(since.get(node)),
            "signals": signals[node],
        }
        for node, component in bundle.service_map.components.items()
    ]


def run_row(run: Run) -> Row:
    return {
        "id": run.id,
        "component": run.component,
        "host": run.host,
        "policy": run.policy,
        "playbook": run.playbook,
        "state": run.state.value,
        "attempt": run.attempt,
        "reason": run.reason,
        "outcome": run.outcome,
        "end": run.end.value if run.end is not None else None,
        "alternative": run.alternative,
        "remediation": run.remediation,
        "approved_by": run.approved_by,
        "escalated_at": _time(run.escalated_at),
        "bundle": run.bundle,
        "digest": run.digest,
        "expected_duration_s": run.expected_duration_s,
        "planned_at": time_text(run.planned_at),
        "started_at": _time(run.started_at),
        "passed_at": _time(run.passed_at),
        "ended_at": _time(run.ended_at),
    }


def message_row(message: Message) -> Row:
    """Its title only: what the message says of alerts is for those whom it was sent to."""
    return {
        "id": message.id,
        "kind": message.kind.value,
        "to": message.to,
        "title": message.title,
        "severity": str(message.severity),
        "state": message.state.value,
        "attempts": message.attempts,
        "failure": message.failure,
        "notices": sorted(message.told)[:_SHOWN_NOTICES],
        "at": time_text(message.at),
        "next_try": time_text(message.next_try) if message.waits else None,
        "settled_at": _time(message.settled_at),
    }


def event_row(event: Event) -> Row:
    return {
        "position": event.position,
        "at": time_text(event.at),
        "kind": event.kind,
        "subject": event.subject,
        "actor": event.actor,
        "facts": dict(event.facts),
    }


def _time(moment: datetime | None) -> str | None:
    return time_text(moment) if moment is not None else None
