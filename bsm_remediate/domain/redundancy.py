"""Redundancy: what a second one of a component would save.

The second one is taken to need nothing that the first needs (another host, another rack). So it helps when the first
fails, and when anything that the first stands on does. What it saves is summed over the failures of one component at a
time: which of them comes is not known.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from bsm_remediate.domain.bundle import Bundle
from bsm_remediate.domain.failure_loss import FailureLoss, Progress, in_silence
from bsm_remediate.domain.formula import Edge, Gate, any_of
from bsm_remediate.domain.ids import NodeId
from bsm_remediate.domain.importance import Importance
from bsm_remediate.domain.rollup import RollUp
from bsm_remediate.domain.service_map import Component, ServiceMap

_MOST_TRIED = 10
_MOST_VERTICES = 100_000
"""Vertices of all the maps that are built, some seconds of them: in large maps fewer are tried."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Second:
    """A second one of `component`."""

    component: NodeId
    saves_per_minute: float
    """Loss per minute, summed over the failures of one component at a time; money, unweighted."""
    weighted: float
    failures: tuple[NodeId, ...]
    """The components whose failure costs less with it, those first that it helps most."""


def seconds(
    bundle: Bundle, ranked: Sequence[Importance], *, at: datetime, goal: str, progress: Progress = in_silence
) -> list[Second]:
    """The seconds that save most, of the most important components of `ranked` (all components, as `importance` has
    them at that time under that goal).
    """
    loss = {one.component: one for one in ranked}
    number = max(min(_MOST_TRIED, _MOST_VERTICES // max(len(ranked), 1)), 1)
    tried = [one.component for one in ranked if one.weighted_loss_per_minute > 0][:number]
    rollup = RollUp(bundle.service_map)
    found = []
    for place, component in enumerate(tried):
        progress(place, len(tried))
        doubled = replace(bundle, service_map=with_second(bundle.service_map, component))
        losses = FailureLoss(doubled, RollUp(doubled.service_map), at=at, goal=goal)
        below = sorted(rollup.foundation([component]) & loss.keys())
        saved = {}
        for node in below:
            harm = losses.of([losses.compact.number_of[node]])
            saved[node] = (
                loss[node].weighted_loss_per_minute - harm.weighted,
                loss[node].loss_per_minute - harm.money,
            )
        helped = sorted((node for node in below if saved[node][0] > 1e-9), key=lambda node: (-saved[node][0], node))
        found.append(
            Second(
                component=component,
                saves_per_minute=sum(money for _, money in saved.values()),
                weighted=sum(weighted for weighted, _ in saved.values()),
                failures=tuple(helped),
            )
        )
    return sorted((one for one in found if one.weighted > 1e-9), key=lambda one: (-one.weighted, one.component))


def with_second(service_map: ServiceMap, component: NodeId) -> ServiceMap:
    """The map with a second one of `component` that needs nothing; who requires the first is content with either."""
    second = NodeId(f"{component} (second)")
    replaced = any_of([Edge(child=component), Edge(child=second)])
    new = Component(id=second, host=str(second))
    return ServiceMap(
        components={
            **{
                node: one if one.requires is None else replace(one, requires=_with(one.requires, component, replaced))
                for node, one in service_map.components.items()
            },
            second: new,
        },
        services={
            node: replace(one, requires=_with(one.requires, component, replaced))
            for node, one in service_map.services.items()
        },
    )


def _with(gate: Gate, component: NodeId, replaced: Gate) -> Gate:
    """`gate` with `replaced` wherever `component` stands, nested or not; itself where that is nowhere."""
    changed: dict[int, Gate] = {}
    stack = [(gate, False)]
    while stack:
        one, is_ready = stack.pop()
        inner = [edge.child for edge in one.children if isinstance(edge.child, Gate)]
        if not is_ready:
            stack.append((one, True))
            stack += [(child, False) for child in inner]
            continue
        if component in (edge.child for edge in one.children) or any(id(child) in changed for child in inner):
            children = tuple(
                replace(edge, child=replaced)
                if edge.child == component
                else replace(edge, child=changed.get(id(edge.child), edge.child))
                if isinstance(edge.child, Gate)
                else edge
                for edge in one.children
            )
            changed[id(one)] = replace(one, children=children)
    return changed.get(id(gate), gate)
