"""Causes and symptoms: which failing components explain the others (DESIGN 5.3)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

from bsm_remediate.domain.blame import Blame
from bsm_remediate.domain.duration import format_duration
from bsm_remediate.domain.ids import NodeId
from bsm_remediate.domain.policy import Evidence
from bsm_remediate.domain.rollup import RollUp
from bsm_remediate.domain.signal import Signal
from bsm_remediate.domain.state import AT_BEST, State


@dataclass(frozen=True, kw_only=True, slots=True)
class Failing:
    """Everything that fails now: own states, effective states, and the signals behind them."""

    own: Mapping[NodeId, State]
    states: Mapping[NodeId, State]
    signals: Mapping[NodeId, Sequence[Signal]]
    """By component, the earliest first."""
    loss: Mapping[NodeId, float]
    """Weighted loss per minute of each failing service."""
    blame: Blame
    """Each failing node → what makes it fail, directly or through others."""


def symptoms(rollup: RollUp, failing: Failing) -> dict[NodeId, tuple[NodeId, ...]]:
    """Components whose signals are all indirect and no worse than what their requirements alone explain, with the
    failing requirements that explain them. What is unknown explains nothing.
    """
    found: dict[NodeId, tuple[NodeId, ...]] = {}
    levels = rollup.levels({node: AT_BEST[state] for node, state in failing.own.items()})
    for component, state in failing.own.items():
        signals = failing.signals.get(component, ())
        if component not in rollup.service_map.components or not rollup.requirements(component):
            continue
        if any(signal.evidence is Evidence.DIRECT and AT_BEST[signal.sets] > 0 for signal in signals):
            continue
        if rollup.requires_level(component, levels) >= max(AT_BEST[state], 1):
            found[component] = _failing_requirements(rollup, component, failing.states)
    return found


def _failing_requirements(rollup: RollUp, node: NodeId, states: Mapping[NodeId, State]) -> tuple[NodeId, ...]:
    cycle = rollup.cycle_of(node)
    return tuple(
        child
        for child in rollup.requirements(node)
        if child not in cycle and states.get(child, State.OK) is not State.OK
    )


def suspects(rollup: RollUp, failing: Failing) -> list[NodeId]:
    """Components without a signal of their own all of whose (two or more) dependants fail by their own signals: one
    silent cause explains them better than a coincidence.
    """
    candidates = {
        child
        for component in failing.own
        if component in rollup.service_map.components
        for child in rollup.requirements(component)
        if child not in failing.own and failing.states.get(child, State.OK) is State.OK
    }
    return sorted(
        candidate
        for candidate in candidates
        if len(rollup.dependants(candidate)) > 1
        and all(failing.own.get(one) in {State.DOWN, State.DEGRADED} for one in rollup.dependants(candidate))
    )


def unexplained(rollup: RollUp, failing: Failing) -> dict[NodeId, tuple[NodeId, ...]]:
    """Services that are reported to fail though their formulas are ok → components whose failure alone would explain
    it.
    """
    reported = [node for node in failing.own if node in rollup.service_map.services]
    without = {node: state for node, state in failing.own.items() if node in rollup.service_map.components}
    if not reported:
        return {}
    states = rollup.states(without)
    alone = rollup.single_failures([node for node in reported if states.get(node, State.OK) is State.OK], without)
    return {service: tuple(node for node in nodes if node not in failing.states) for service, nodes in alone.items()}


def explained_by(component: NodeId, requirements: Sequence[NodeId], states: Mapping[NodeId, State]) -> str:
    """Why `component` is taken for a symptom, for people: `requires db-1, which is down`."""
    if not requirements:
        return f"{component} is explained by what it requires"
    shown = ", ".join(f"{one}, which is {states.get(one, State.OK)}" for one in requirements[:3])
    more = f" and {len(requirements) - 3} more" if len(requirements) > 3 else ""
    return f"requires {shown}{more}"


def settling(component: NodeId, cause: NodeId, since: timedelta, settle: timedelta) -> str:
    """Why a former symptom still waits, for people."""
    return (
        f"{component} requires {cause}, restored {format_duration(since)} ago; "
        f"it is looked at once {format_duration(settle)} have passed"
    )
