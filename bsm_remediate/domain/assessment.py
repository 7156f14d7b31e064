"""Assessment: one reading of the whole model, from own states to loss, causes and symptoms (DESIGN 5.1 to 5.3)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from bsm_remediate.domain.bundle import Bundle
from bsm_remediate.domain.causes import Failing, root_causes, symptoms
from bsm_remediate.domain.ids import NodeId
from bsm_remediate.domain.impact import Impact, RootCause, ServiceImpact
from bsm_remediate.domain.loss import full_rate, share
from bsm_remediate.domain.rollup import RollUp
from bsm_remediate.domain.signal import Signal
from bsm_remediate.domain.state import State


def assess(
    bundle: Bundle,
    rollup: RollUp,
    *,
    own: Mapping[NodeId, State],
    signals: Mapping[NodeId, Sequence[Signal]],
    at: datetime,
    goal: str,
) -> Impact:
    """States, loss, causes and symptoms at `at` (aware) under `goal`.

    `own` holds the states that are not ok: own ones of components, reported ones of services. `at_risk` is worked out
    for the services that depend on something that isn't ok; an untouched service has the risk that it always has,
    which `importance` shows.
    """
    failing_own = {node: state for node, state in own.items() if state is not State.OK}
    states = rollup.states(failing_own)
    touched = [node for node in rollup.cone(failing_own) if node in bundle.service_map.services]
    risks = rollup.single_failures(touched, failing_own) if touched else {}
    services = {
        service: _service_impact(bundle, service, states.get(service, State.OK), at=at, goal=goal)
        for service in sorted(touched)
        if service in states or service in risks
    }
    failing = Failing(
        own=failing_own,
        states=states,
        signals=signals,
        loss={node: one.weighted_loss_per_minute for node, one in services.items() if one.state is not State.OK},
        blame=rollup.blame(failing_own),
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


def _service_impact(bundle: Bundle, node: NodeId, state: State, *, at: datetime, goal: str) -> ServiceImpact:
    service = bundle.service_map.services[node]
    full = full_rate(service, bundle.calendars, at)
    now = full * share(service, state)
    weight = bundle.goals[goal].weight(service.function)
    return ServiceImpact(
        service=node,
        state=state,
        loss_per_minute=now,
        weighted_loss_per_minute=now * weight,
        loss_range=(0.0, full) if state is State.UNKNOWN else (now, now),
    )


def _named_causes(causes: Sequence[RootCause]) -> dict[NodeId, tuple[NodeId, ...]]:
    """What fails → its causes, likeliest first; suspects only where nothing else explains it."""
    named: dict[NodeId, list[NodeId]] = {}
    for cause in causes:
        for node in cause.explains:
            if not (cause.suspect and named.get(node)):
                named.setdefault(node, []).append(cause.component)
    return {node: tuple(found) for node, found in named.items()}
