"""Causes and symptoms: which failing components explain the others (DESIGN 5.3)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from bsm_remediate.domain.blame import Blame
from bsm_remediate.domain.duration import format_duration
from bsm_remediate.domain.ids import NodeId
from bsm_remediate.domain.impact import RootCause
from bsm_remediate.domain.policy import Evidence
from bsm_remediate.domain.rollup import RollUp
from bsm_remediate.domain.signal import Signal
from bsm_remediate.domain.state import AT_BEST, State

_SHARE_OF_LOSS, _SHARE_OF_FAILING, _ONSET, _STRENGTH = 0.4, 0.3, 0.2, 0.1
"""How much each hint counts in a cause's score; they add up to 1."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Failing:
    """Everything that fails now: own states, effective states, and the signals behind them."""

    own: Mapping[NodeId, State]
    states: Mapping[NodeId, State]
    signals: Mapping[NodeId, Sequence[Signal]]
    """By component."""
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


def root_causes(
    rollup: RollUp,
    failing: Failing,
    symptomatic: Iterable[NodeId],
    *,
    skew: timedelta,
) -> tuple[RootCause, ...]:
    """The failing components that are no symptoms, likeliest first; then the suspects.

    The score adds up, within 0..1: the share of the loss and of the failing things that it explains, how early it
    began (within `skew` of the first counts as first), and how bad its own state is.
    """
    excluded = set(symptomatic)
    down = {node for node, state in failing.states.items() if state in {State.DOWN, State.DEGRADED}}
    real = [
        node
        for node, state in failing.own.items()
        if node not in excluded and node in rollup.service_map.components and state in {State.DOWN, State.DEGRADED}
    ]
    onsets = {node: _onset(failing.signals.get(node, ())) for node in real}
    first = min((onset for onset in onsets.values() if onset is not None), default=None)
    explained = failing.blame.explained_by(real)
    loss_of_all = sum(failing.loss.values())
    causes = [
        _cause(failing, node, explained[node], down, loss_of_all, _lateness(onsets[node], first, skew)) for node in real
    ]
    causes.sort(key=lambda cause: (-cause.score, cause.component))
    return (*causes, *(_suspect(rollup, node, down) for node in suspects(rollup, failing)))


def _cause(
    failing: Failing, node: NodeId, explains: tuple[NodeId, ...], down: set[NodeId], loss_all: float, lateness: float
) -> RootCause:
    loss_here = sum(failing.loss.get(one, 0.0) for one in explains)
    share_of_loss = loss_here / loss_all if loss_all else 1.0
    share_of_failing = (len(explains) + 1) / len(down) if down else 1.0
    strength = 1.0 if failing.own[node] is State.DOWN else 0.5
    score = (
        _SHARE_OF_LOSS * share_of_loss
        + _SHARE_OF_FAILING * share_of_failing
        + _ONSET * (1 - lateness)
        + _STRENGTH * strength
    )
    parts = [f"is {failing.own[node]}", f"explains {len(explains)} of {len(down)} failing"]
    if loss_all:
        parts.append(f"{share_of_loss:.0%} of the loss")
    if lateness == 0:
        parts.append("was among the first")
    return RootCause(component=node, score=round(min(score, 1.0), 4), explains=explains, reason=", ".join(parts))


def _suspect(rollup: RollUp, node: NodeId, down: set[NodeId]) -> RootCause:
    dependants = rollup.dependants(node)
    return RootCause(
        component=node,
        score=0.0,
        explains=tuple(sorted(down & (rollup.cone([node]) - {node}))),
        reason=f"has no alert of its own, but all {len(dependants)} that need it fail",
        suspect=True,
    )


def _onset(signals: Sequence[Signal]) -> datetime | None:
    return min((signal.since for signal in signals), default=None)


def _lateness(onset: datetime | None, first: datetime | None, skew: timedelta) -> float:
    """0 for the first (within `skew`), near 1 ten minutes later; in the middle when unknown."""
    if onset is None or first is None:
        return 0.5
    late = onset - first - skew
    return 0.0 if late <= timedelta(0) else min(1.0, late / timedelta(minutes=10))


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
