"""The causes of an incident: who was named and ranked at the time, and what turned out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from bsm_remediate.domain.account import Account
from bsm_remediate.domain.event import Json
from bsm_remediate.domain.ids import NodeId
from bsm_remediate.domain.incident import FOREVER, Incident, node_of, own_spans, requirements
from bsm_remediate.domain.ledger import ComponentEntry, ServiceEntry
from bsm_remediate.domain.plan_document import time_text
from bsm_remediate.domain.statistics import Outage, Span, lost

_AT_ONCE = timedelta(seconds=2)
"""What ends within one look, or two."""
_MOST_RANKINGS = 5


def restorers(outage: Outage[ServiceEntry], account: Account) -> tuple[NodeId, ...]:
    """The causes whose restoration mended it: of those that were named to the end the ones that ended with it; where
    none did, all that were named. One that nobody repaired, and that wasn't named while something that it requires
    failed, stands for that: it was a symptom whose alert only took longer to end.
    """
    end, incident = outage.end, account.incident
    if end is None:
        return ()
    named = outage.spans[-1].entry.causes
    ended = {node_of(one) for one in incident.components if one.end is not None and abs(one.end - end) <= _AT_ONCE}
    found = [one for one in named if one in ended] or list(named)
    return tuple(dict.fromkeys(origin for one in found for origin in _origins(one, account)))


def _origins(node: NodeId, account: Account) -> list[NodeId]:
    """`node`, or in its place the deepest of what it requires that explained its failure."""
    repaired = {run.component for run in account.runs if run.passed_at is not None and run.attempt}
    requires = requirements(account.bundle.service_map)
    failed = account.incident.failed
    origins, waiting, seen = [], [node], {node}
    while waiting:
        here = waiting.pop()
        below = [
            one
            for one in dict.fromkeys(requires(here))
            if one in failed and one not in seen and here not in repaired and _explains(one, here, account.incident)
        ]
        seen.update(below)
        waiting += below
        origins += [] if below else [here]
    return origins


def _explains(below: NodeId, node: NodeId, incident: Incident) -> bool:
    """Whether `node` failed while `below` did, and wasn't named beside it."""
    named = [span for one in incident.services for span in one.spans if node in span.entry.causes]
    shared = [mine for one in incident.failed.get(node, ()) for mine in one.spans]
    own = [span for one in incident.failed[below] for span in own_spans(one)]
    return _meet(shared, own) and not _meet(named, own)


def _meet(some: Iterable[Span[Any]], others: Sequence[Span[Any]]) -> bool:
    """Whether two of them have some time in common."""
    return any(
        max(one.begin, other.begin) < min(one.end_by(FOREVER), other.end_by(FOREVER))
        for one in some
        for other in others
    )


def all_restorers(account: Account) -> Mapping[NodeId, tuple[NodeId, ...]]:
    """Component → the services that its restoration mended."""
    found: dict[NodeId, dict[NodeId, None]] = {}
    for outage in account.incident.services:
        for cause in restorers(outage, account):
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
    mended = all_restorers(account)
    failures = incident.failed
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
        "failed_at": time_text(min(own_spans(one)[0].begin for one in failures)) if failures else None,
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
