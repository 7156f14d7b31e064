"""Brakes: everything that keeps the engine from acting now, beside what it says of each signal; so that a person on
call sees at a glance why nothing is done (`status`, `GET /api/v1/guards`).
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from bsm_remediate.domain.approval import approvers_of
from bsm_remediate.domain.breaker_state import Breaker, open_breakers
from bsm_remediate.domain.bundle import Bundle
from bsm_remediate.domain.decision import Verdict
from bsm_remediate.domain.evaluation import Evaluation
from bsm_remediate.domain.event import Json
from bsm_remediate.domain.ids import PolicyId
from bsm_remediate.domain.plan_document import time_text
from bsm_remediate.domain.run import Run, RunState
from bsm_remediate.domain.situation import Hold, MaintenanceWindow, Pause
from bsm_remediate.domain.standing_orders import covered_by, in_force, is_open, is_over

SCHEMA = "bsm-remediate/guards/v1"
_TOLD_BY_SIGNAL = (Verdict.FLAPPING, Verdict.QUARANTINED)
"""Guards over single components that a person must lift, or mend the cause of."""


def brakes_document(evaluation: Evaluation, bundle: Bundle) -> dict[str, Json]:
    """What is in force at the moment of `evaluation`."""
    situation = evaluation.situation
    now = situation.at
    breakers = open_breakers(situation.runs, now, situation.closed)
    return {
        "schema": SCHEMA,
        "at": time_text(now),
        "max_mode": str(situation.max_mode),
        "pauses": [_pause(one) for one in situation.pauses if in_force(one.until, now)],
        "holds": [_hold(one) for one in situation.holds if in_force(one.until, now)],
        "maintenance": maintenance_rows(situation.maintenance, bundle, now),
        "freezes": list(bundle.freezes(now)),
        "storm": evaluation.storm,
        "storms": dict(evaluation.storms),
        "doubt": situation.doubt,
        "breakers": [_breaker(policy, one, now) for policy, one in sorted(breakers.items())],
        **{
            verdict.value: [
                {"component": one.component, "policy": one.policy, "reason": one.reason}
                for one in evaluation.decisions
                if one.verdict is verdict
            ]
            for verdict in _TOLD_BY_SIGNAL
        },
        "approvals": [_approval(run, bundle) for run in situation.runs if run.state is RunState.AWAITING_APPROVAL],
    }


def maintenance_rows(windows: Iterable[MaintenanceWindow], bundle: Bundle, now: datetime) -> list[Json]:
    """Those of `windows` that aren't over, the first to begin first."""
    return [
        {
            "id": one.id,
            "target": one.target,
            "covers": list(covered_by(one.target, bundle)),
            "in_force": is_open(one, bundle, now),
            "who": one.who,
            "reason": one.reason,
            "since": time_text(one.since),
            "until": _time(one.until),
            "calendar": one.calendar,
        }
        for one in sorted(windows, key=lambda one: one.since)
        if not is_over(one, now)
    ]


def _pause(pause: Pause) -> Json:
    return {
        "scope": pause.scope,
        "who": pause.who,
        "reason": pause.reason,
        "since": time_text(pause.since),
        "until": _time(pause.until),
    }


def _hold(hold: Hold) -> Json:
    return {
        "target": hold.target,
        "who": hold.who,
        "reason": hold.reason,
        "since": time_text(hold.since),
        "until": _time(hold.until),
    }


def _breaker(policy: PolicyId, breaker: Breaker, now: datetime) -> Json:
    is_resting = now < breaker.rests_until
    return {
        "policy": policy,
        "state": "open" if is_resting else "half_open",
        "failures": breaker.failures,
        "failed_at": time_text(breaker.failed_at),
        "rests_until": time_text(breaker.rests_until),
        "trying": breaker.trying.id if breaker.trying is not None else None,
    }


def _approval(run: Run, bundle: Bundle) -> Json:
    return {
        "run": run.id,
        "component": run.component,
        "policy": run.policy,
        "playbook": run.playbook,
        "digest": run.digest,
        "approvers": list(approvers_of(run, bundle)),
        "since": time_text(run.planned_at),
        "approved_by": run.approved_by,
        "escalated_at": _time(run.escalated_at),
    }


def _time(moment: datetime | None) -> str | None:
    return time_text(moment) if moment is not None else None
