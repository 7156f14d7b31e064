"""The causes of an incident: who was named and ranked at the time, and what turned out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from bsm_remediate.domain.account import Account
from bsm_remediate.domain.event import Json
from bsm_remediate.domain.ids import NodeId
from bsm_remediate.domain.incident import Incident, node_of
from bsm_remediate.domain.ledger import ComponentEntry, ServiceEntry
from bsm_remediate.domain.plan_document import time_text
from bsm_remediate.domain.statistics import Outage, lost

_AT_ONCE = timedelta(seconds=2)
"""What ends within one look, or two."""
_MOST_RANKINGS = 5


def restorers(outage: Outage[ServiceEntry], incident: Incident) -> tuple[NodeId, ...]:
    """The causes whose restoration mended it: of those that were named to the end the ones that ended with it; where
    none did, all that were named.
    """
    end = outage.end
    if end is None:
        return ()
    named = outage.spans[-1].entry.causes
    ended = {node_of(one) for one in incident.components if one.end is not None and abs(one.end - end) <= _AT_ONCE}
    return tuple(one for one in named if one in ended) or named


def all_restorers(incident: Incident) -> Mapping[NodeId, tuple[NodeId, ...]]:
    """Component → the services that its restoration mended."""
    found: dict[NodeId, dict[NodeId, None]] = {}
    for outage in incident.services:
        for cause in restorers(outage, incident):
            found.setdefault(cause, {})[node_of(outage)] = None
    return {cause: tuple(services) for cause, services in found.items()}


def lost_to(component: NodeId, incident: Incident, since: datetime, until: datetime) -> float:
    """What services lost to that cause meanwhile, shared evenly among all that were named."""
    return sum(
        lost(span, since, until) / len(span.entry.causes)
        for outage in incident.services
        for span in outage.spans
        if component in span.entry.causes
    )


def cause_rows(account: Account) -> list[dict[str, Any]]:
    """Components that failed or were named, those that turned out to be causes first."""
    incident = account.incident
    mended = all_restorers(incident)
    failures: dict[NodeId, list[Outage[ComponentEntry]]] = {}
    for one in incident.components:
        failures.setdefault(node_of(one), []).append(one)
    best: dict[NodeId, tuple[int, float]] = {}
    for _, ranking in account.rankings:
        for place, suspected in enumerate(ranking.causes, start=1):
            if suspected.component in incident.nodes:
                known = best.get(suspected.component, (place, 0.0))
                best[suspected.component] = min(known, (place, -suspected.score))
    nodes = {*failures, *mended, *incident.causes}
    rows = [_cause(node, failures.get(node, ()), mended.get(node, ()), best.get(node), account) for node in nodes]
    return sorted(rows, key=lambda one: (-len(one["mended"]), one["best_rank"] or 99, one["component"]))


def _cause(
    node: NodeId,
    failures: Sequence[Outage[ComponentEntry]],
    mended: Sequence[NodeId],
    best: tuple[int, float] | None,
    account: Account,
) -> dict[str, Any]:
    ends = [one.end for one in failures if one.end is not None]
    is_over = len(ends) == len(failures)
    before = account.incident.begin - timedelta(seconds=1)  # what is lost at its very begin counts
    return {
        "component": node,
        "failed_at": time_text(min(one.begin for one in failures)) if failures else None,
        "restored_at": time_text(max(ends)) if ends and is_over else None,
        "failures": len(failures),
        "best_rank": best[0] if best is not None else None,
        "score": round(-best[1], 4) if best is not None else None,
        "was_named": node in account.incident.causes,
        "mended": list(mended),
        "lost": round(lost_to(node, account.incident, before, account.until), 2) + 0.0,
    }


def ranking_rows(account: Account) -> list[Json]:
    """The first, and how it changed."""
    told = [(at, one) for at, one in account.rankings if one.causes]
    return [
        {
            "at": time_text(at),
            "causes": [
                {"component": one.component, "score": one.score, "suspect": one.is_suspect} for one in ranking.causes
            ],
        }
        for at, ranking in told[:_MOST_RANKINGS]
    ]
