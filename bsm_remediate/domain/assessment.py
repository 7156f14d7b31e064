"""Assessment: one reading of the whole model, from own states to loss, causes and symptoms (DESIGN 5.1 to 5.3)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from functools import reduce

from bsm_remediate.domain.blame import Blame
from bsm_remediate.domain.bundle import Bundle
from bsm_remediate.domain.cause_ranking import root_causes
from bsm_remediate.domain.causes import Failing, symptoms
from bsm_remediate.domain.ids import NodeId
from bsm_remediate.domain.impact import Impact, RootCause, ServiceImpact
from bsm_remediate.domain.loss import Prices, share
from bsm_remediate.domain.rollup import RollUp
from bsm_remediate.domain.service_map import Service
from bsm_remediate.domain.signal import Signal
from bsm_remediate.domain.state import State, worse

_MOST_EQUAL = 5
"""Suspects that are named beside each other."""


def assess(
    bundle: Bundle,
    rollup: RollUp,
    *,
    own: Mapping[NodeId, State],
    signals: Mapping[NodeId, Sequence[Signal]],
    prices: Prices,
    goal: str,
) -> Impact:
    """States, loss, causes and symptoms at `prices` under `goal`.

    `own` holds the states that are not ok: own ones of components, reported ones of services. `at_risk` is worked out
    for the services that depend on something that isn't ok; an untouched service has the risk that it always has,
    which `importance` shows.
    """
    failing_own = {node: state for node, state in own.items() if state is not State.OK}
    states = rollup.states(failing_own)
    ends = rollup.ends(failing_own)
    last = rollup.states(_last_known(failing_own, signals)) if ends else states
    touched = [node for node in rollup.cone(failing_own) if node in bundle.service_map.services]
    risks = rollup.single_failures(touched, failing_own) if touched else {}
    blame = rollup.blame(failing_own)
    services = {}
    for node in sorted(touched):
        if node in states or node in risks:
            service = bundle.service_map.services[node]
            since = _outage_since(node, blame, signals) if node in states and service.costs_by_onset else None
            weight = bundle.goals[goal].weight(service.function)
            costs = share(service, last.get(node, State.OK))
            impact = _service_impact(service, states.get(node, State.OK), costs, prices, since, weight)
            services[node] = _in_doubt(impact, service, ends[node], prices) if node in ends else impact
    failing = Failing(
        own=failing_own,
        states=states,
        signals=signals,
        loss={node: one.weighted_loss_per_minute for node, one in services.items() if one.state is not State.OK},
        blame=blame,
    )
    symptomatic = symptoms(rollup, failing)
    causes = root_causes(rollup, failing, symptomatic, skew=bundle.settings.skew)
    named = _named_causes(causes)
    return Impact(
        own=failing_own,
        states=states,
        services={
            node: replace(
                one,
                causes=named.get(node, ()) if one.state is not State.OK else (),
                at_risk=risks.get(node, ()),
            )
            for node, one in services.items()
        },
        root_causes=causes,
        symptoms=symptomatic,
    )


def _outage_since(node: NodeId, blame: Blame, signals: Mapping[NodeId, Sequence[Signal]]) -> datetime | None:
    """When the first of what makes `node` fail began to signal."""
    makers = {node, *blame.get(node, ())}
    return min((signal.since for maker in makers for signal in signals.get(maker, ())), default=None)


def _service_impact(
    service: Service, state: State, costs: float, prices: Prices, since: datetime | None, weight: float
) -> ServiceImpact:
    now = prices.now(service, since=since) * costs
    return ServiceImpact(
        service=service.id,
        state=state,
        loss_per_minute=now,
        weighted_loss_per_minute=now * weight,
        loss_range=(now, now),
        since=since,
    )


def _in_doubt(impact: ServiceImpact, service: Service, ends: tuple[State, State], prices: Prices) -> ServiceImpact:
    """Unknown: it costs what it did when it was last known, and may cost anything between both ends."""
    full = prices.now(service, since=impact.since)
    low, high = (full * share(service, end) for end in ends)
    return replace(impact, loss_range=(low, high))


def _last_known(own: Mapping[NodeId, State], signals: Mapping[NodeId, Sequence[Signal]]) -> dict[NodeId, State]:
    """`own` with what was known last in place of unknown: what stale signals said, else that it is ok."""
    found = dict(own)
    for node, state in own.items():
        if state is State.UNKNOWN:
            found[node] = reduce(worse, (one.statement.was for one in signals.get(node, ())), State.OK)
    return {node: state for node, state in found.items() if state is not State.OK}


def _named_causes(causes: Sequence[RootCause]) -> dict[NodeId, tuple[NodeId, ...]]:
    """What fails → its causes, likeliest first; suspects only where nothing else explains it, those that are equally
    likely (at most `_MOST_EQUAL`); symptoms never.
    """
    named: dict[NodeId, list[RootCause]] = {}
    for cause in sorted(causes, key=lambda cause: cause.suspect):
        for node in () if cause.symptom else cause.explains:
            known = named.setdefault(node, [])
            is_alike = known and known[0].suspect and known[0].score == cause.score and len(known) < _MOST_EQUAL
            if not (cause.suspect and known) or is_alike:
                known.append(cause)
    return {node: tuple(one.component for one in found) for node, found in named.items()}
