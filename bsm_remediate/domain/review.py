"""The review of an incident as a document: the facts (`review -o json`) that its page is written from."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any

from bsm_remediate.domain.account import Account
from bsm_remediate.domain.duration import format_duration
from bsm_remediate.domain.event import Json
from bsm_remediate.domain.experience import taken_s
from bsm_remediate.domain.ids import NodeId
from bsm_remediate.domain.incident import Incident, lost_in, node_of
from bsm_remediate.domain.ledger import ServiceEntry
from bsm_remediate.domain.plan_document import time_text
from bsm_remediate.domain.review_causes import cause_rows, ranking_rows
from bsm_remediate.domain.review_findings import findings
from bsm_remediate.domain.review_people import people_rows, question_rows
from bsm_remediate.domain.run import Run, RunEnd
from bsm_remediate.domain.state import State
from bsm_remediate.domain.statistics import Outage, seconds_by_state

SCHEMA = "bsm-remediate/review/v1"
_MOST_ROWS = 100
"""Causes, runs and services told in detail."""
_MOST_NAMED = 5

ASSUMPTIONS = (
    "times are the engine's: an outage begins when it saw it, and its alerts began before",
    "money counts from when the engine saw an outage, at the prices then in force, whatever the goal weighs",
    "what a service lost is shared evenly among the causes that were named at the time",
    "a cause is what services came back with: of the causes named to the end, those that ended with the outage",
    "alerts are read by the bundle in force now, as teams and objectives are",
)


def incident_row(incident: Incident, runs: Iterable[Run], *, now: datetime) -> dict[str, Json]:
    """An incident as listings have it."""
    end = incident.end
    return {
        "id": incident.id,
        "alert_began_at": time_text(incident.alert_began),
        "began_at": time_text(incident.begin),
        "ended_at": time_text(end) if end is not None and end <= now else None,
        "services": sorted({node_of(one) for one in incident.services}),
        "components": sorted({node_of(one) for one in incident.components}),
        "causes": list(incident.causes),
        "lost": _money(incident.lost(now)),
        "runs": [run.id for run in incident.runs(runs)],
    }


def review_document(account: Account) -> dict[str, Json]:
    """All that its page tells."""
    incident, bundle = account.incident, account.bundle
    impact = _impact(account)
    causes = cause_rows(account)
    found = findings(account)
    lines, left_out = account.timeline.lines()
    return {
        "schema": SCHEMA,
        "incident": incident_row(incident, account.runs, now=account.now),
        "written_at": time_text(account.now),
        "currency": bundle.currency,
        "summary": [_harm(impact, account), _course(causes, account)],
        "impact": impact[:_MOST_ROWS],
        "impact_left_out": max(len(impact) - _MOST_ROWS, 0),
        "timeline": [
            {
                "at": time_text(one.at),
                "after_s": round((one.at - incident.alert_began).total_seconds(), 3),
                "until": time_text(one.until) if one.until is not None else None,
                "count": one.count,
                "told": one.text,
            }
            for one in lines
        ],
        "timeline_left_out": left_out,
        "causes": causes[:_MOST_ROWS],
        "causes_left_out": max(len(causes) - _MOST_ROWS, 0),
        "affected": len({node_of(one) for one in incident.affected}),
        "rankings": ranking_rows(account),
        "runs": [_run(run, account) for run in account.runs[:_MOST_ROWS]],
        "runs_left_out": max(len(account.runs) - _MOST_ROWS, 0),
        "findings": [one.row() for one in found],
        "people": people_rows(account),
        "questions": question_rows(found, account),
        "assumptions": list(ASSUMPTIONS),
    }


# --- what was lost ---------------------------------------------------------------------------------------------------


def _impact(account: Account) -> list[dict[str, Any]]:
    """By service, the costliest first."""
    by_service: dict[NodeId, list[Outage[ServiceEntry]]] = {}
    for outage in account.incident.services:
        by_service.setdefault(node_of(outage), []).append(outage)
    rows = [_hit(service, outages, account) for service, outages in by_service.items()]
    return sorted(rows, key=lambda one: (-one["lost"], -one["down_s"], one["service"]))


def _hit(service: NodeId, outages: Sequence[Outage[ServiceEntry]], account: Account) -> dict[str, Any]:
    states = seconds_by_state((span for one in outages for span in one.spans), account.incident.begin, account.until)
    known = account.bundle.service_map.services.get(service)
    objective = known.availability if known is not None else None
    window = known.window if known is not None else timedelta(0)
    down = states.get(State.DOWN, 0.0)
    budget_s = (1 - objective / 100) * window.total_seconds() if objective is not None else 0.0
    return {
        "service": service,
        "title": known.title if known is not None else "",
        "outages": len(outages),
        "down_s": round(down, 3),
        "degraded_s": round(states.get(State.DEGRADED, 0.0), 3),
        "lost": _money(sum(lost_in(one, account.until) for one in outages)),
        "objective": objective,
        "window": format_duration(window) if objective is not None else None,
        "budget_used": round(down / budget_s, 4) if budget_s > 1e-9 else None,
        "is_over": all(one.end is not None and one.end <= account.now for one in outages),
    }


def _harm(impact: Sequence[dict[str, Any]], account: Account) -> str:
    """What customers lost."""
    currency, tense = account.bundle.currency, "was" if account.incident.end is not None else "has been"
    if not impact:
        names = _few(sorted({node_of(one) for one in account.incident.components}))
        return f"No service was lost, while {names} failed: nothing that customers would have noticed."
    parts = []
    for one in impact[:3]:
        states = [(one["down_s"], "down"), (one["degraded_s"], "degraded")]
        said = " and ".join(f"{state} for {_length(seconds)}" for seconds, state in states if seconds)
        parts.append(f"{one['service']} {tense} {said or 'impaired'} ({one['lost']:,.2f} {currency})")
    more = len(impact) - 3
    others = f" and {more} other service{'s' if more > 1 else ''} failed too" if more > 0 else ""
    if len(impact) == 1:
        return f"{parts[0]}."
    total = sum(one["lost"] for one in impact)
    return f"{'; '.join(parts)}{others}: {total:,.2f} {currency} were lost in all."


def _course(causes: Sequence[dict[str, Any]], account: Account) -> str:
    """Why, and what restored it."""
    incident = account.incident
    mended = [one["component"] for one in causes if one["mended"]]
    named = mended or list(incident.causes)
    why = f"The cause was {_few(named)}" if named else "No cause is known"
    if len(named) > 1:
        why = f"The causes were {_few(named)}"
    if incident.end is None:
        under_way = [run.id for run in account.runs if not run.state.is_over]
        doing = f"; under way: run {_few(under_way)}" if under_way else "; no run is under way"
        return f"{why}, as far as is known; it lasts{doing}."
    length = _length((incident.end - incident.alert_began).total_seconds())
    fixed = [run for run in account.runs if run.end is RunEnd.RESTORED and (not mended or run.component in mended)]
    if not fixed:
        return f"{why}; no run of the engine restored it: it was over, by people or by itself, {length} after it began."
    how = _few([f"{run.playbook} on {run.host} (run {run.id})" for run in fixed])
    return f"{why}; {how} restored {'them' if len(named) > 1 else 'it'}, and all was ok again {length} after it began."


# --- what was done ---------------------------------------------------------------------------------------------------


def _run(run: Run, account: Account) -> dict[str, Json]:
    promise, wait = account.promises.get(run.id), account.waits.get(run.id)
    took = taken_s(run) if run.attempt else None
    waited = min(wait.until or account.now, account.now) - wait.since if wait is not None else None
    restores = promise.restores if promise is not None else ()
    return {
        "id": run.id,
        "component": run.component,
        "host": run.host,
        "policy": run.policy,
        "playbook": run.playbook,
        "planned_at": time_text(run.planned_at),
        "order": promise.order if promise is not None else None,
        "reason": run.reason,
        "promised": list(restores),
        "gain_per_minute": _money(_rate(restores, run.planned_at, account)) if promise is not None else None,
        "expected_s": round(run.expected_duration_s, 3),
        "taken_s": round(took, 3) if took is not None else None,
        "waited_s": round(waited.total_seconds(), 3) if waited is not None else None,
        "approved_by": run.approved_by,
        "attempts": run.attempt,
        "state": run.state.value,
        "end": run.end.value if run.end is not None else None,
        "outcome": run.outcome,
        "rollback": account.rollbacks.get(run.id),
    }


def _rate(services: Iterable[NodeId], moment: datetime, account: Account) -> float:
    """What these lost per minute then."""
    wanted = frozenset(services)
    return sum(
        span.entry.loss_per_minute
        for outage in account.incident.services
        if node_of(outage) in wanted
        for span in outage.spans
        if span.begin <= moment and (span.end is None or moment < span.end)
    )


def _few(names: Sequence[str]) -> str:
    more = len(names) - _MOST_NAMED
    shown = list(names[:_MOST_NAMED])
    if more > 0:
        return f"{', '.join(shown)} and {more:,} others"
    return " and ".join(part for part in (", ".join(shown[:-1]), shown[-1]) if part) if shown else ""


def _length(seconds: float) -> str:
    return format_duration(timedelta(seconds=round(seconds, 1)))


def _money(money: float) -> float:
    return round(money, 2) + 0.0
