"""Planned changes for programs: rows of the API, and the windows that were looked at."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from bsm_remediate.domain.change import Change, Slot, Word
from bsm_remediate.domain.change_objectives import Budget
from bsm_remediate.domain.change_window import Offer
from bsm_remediate.domain.event import Json
from bsm_remediate.domain.plan_document import time_text
from bsm_remediate.domain.planned_change import PlannedChange

SCHEMA = "bsm-remediate/change-windows/v1"


def change_row(change: Change, currency: str) -> dict[str, Json]:
    """Everything that is known of it; what its review looks at is `window` beside `result`."""
    trial, result = change.trial, change.result
    return {
        "id": change.id,
        "name": change.name,
        "title": change.title,
        "state": change.state.value,
        "is_over": change.is_over,
        "currency": currency,
        "proposed": _word(change.proposed),
        "not_before": time_text(change.earliest),
        "before": time_text(change.latest),
        "window": _slot(change.slot) if change.slot is not None else None,
        "digest": change.digest,
        "dry_run": {"sound": trial.is_sound, "detail": trial.words, "at": time_text(trial.at)} if trial else None,
        "approved": _word(change.approved) if change.approved is not None else None,
        "waits": change.waits,
        "run": change.run,
        "result": {
            "outcome": result.outcome.value,
            "detail": result.words,
            "started_at": _time(result.started_at),
            "ended_at": time_text(result.ended_at),
            "took_s": round(result.took_s, 3),
            "cost": round(result.cost, 4),
        }
        if result is not None
        else None,
        "closed": _word(change.closed) if change.closed is not None else None,
    }


def windows_document(
    planned: PlannedChange,
    offers: Sequence[Offer],
    chosen: Offer | None,
    *,
    services: Sequence[tuple[str, str]],
    currency: str,
    considered: Sequence[str],
) -> dict[str, Json]:
    """The windows of `planned`, and which is picked; `services`: which it takes to which state."""
    return {
        "schema": SCHEMA,
        "change": planned.name,
        "title": planned.title,
        "currency": currency,
        "considered": list(considered),
        "expected_duration_s": planned.do.duration.total_seconds(),
        "needs_s": planned.needs.total_seconds(),
        "success": planned.do.success,
        "services": [{"id": node, "state": state} for node, state in services],
        "chosen": _time(chosen.begin) if chosen is not None else None,
        "windows": [
            {
                "from": time_text(one.span.begin),
                "until": time_text(one.span.end),
                "begin": _time(one.begin),
                "expected_cost": round(one.cost.expected, 4) if one.cost is not None else None,
                "planned_cost": round(one.cost.planned, 4) if one.cost is not None else None,
                "risk_cost": round(one.cost.risk, 4) if one.cost is not None else None,
                "weighted_cost": round(one.cost.weighted, 4) if one.cost is not None else None,
                "objectives": [_budget(budget) for budget in one.budgets],
                "refusal": one.refusal,
            }
            for one in offers
        ],
    }


def _slot(slot: Slot) -> dict[str, Json]:
    return {
        "begin": time_text(slot.begin),
        "latest_begin": time_text(slot.latest),
        "closes_at": time_text(slot.closes_at),
        "expected_end": time_text(slot.begin + timedelta(seconds=slot.duration_s)),
        "expected_duration_s": slot.duration_s,
        "needs_s": slot.needs_s,
        "expected_cost": round(slot.expected, 4),
        "planned_cost": round(slot.planned, 4),
        "risk_cost": round(slot.risk, 4),
        "services": list(slot.services),
        "down": list(slot.down),
        "objectives": list(slot.budgets),
    }


def _budget(budget: Budget) -> dict[str, Json]:
    return {
        "service": budget.service,
        "objective": budget.objective,
        "window_s": budget.window.total_seconds(),
        "allowed_s": round(budget.allowed_s, 3),
        "used_s": round(budget.used_s, 3),
        "needs_s": round(budget.needs_s, 3),
        "left_s": round(budget.left_s, 3),
        "kept": budget.is_kept,
    }


def _word(word: Word) -> dict[str, Json]:
    return {"who": word.who, "at": time_text(word.at), "reason": word.reason}


def _time(moment: datetime | None) -> str | None:
    return time_text(moment) if moment is not None else None
