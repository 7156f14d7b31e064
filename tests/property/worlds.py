"""Random service maps, with circles, impacts, weights and nested formulas; and an oracle for their levels that is
slow and obvious: every formula applied to everything until nothing changes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction

from hypothesis import strategies as st

from bsm_remediate.domain.formula import Edge, Gate, Impact
from bsm_remediate.domain.ids import NodeId
from bsm_remediate.domain.service_map import Component, Service, ServiceMap
from bsm_remediate.domain.state import Level, State
from bsm_remediate.testing.builders import component, service, service_map

SIX_MAPS = [Impact(degraded=one, down=two) for one in range(3) for two in range(one, 3)]


@dataclass(frozen=True)
class World:
    """A map, with own states of some of its components."""

    map: ServiceMap
    own: Mapping[NodeId, State]


@st.composite
def gates(draw: st.DrawFn, ids: list[NodeId], depth: int = 2) -> Gate:
    number = draw(st.integers(1, 4))
    edges = []
    for _ in range(number):
        inner = depth > 0 and draw(st.integers(0, 4)) == 0
        edges.append(
            Edge(
                child=draw(gates(ids, depth - 1)) if inner else draw(st.sampled_from(ids)),
                weight=Fraction(draw(st.sampled_from(["1", "1", "2", "0.1", "0.7"]))),
                impact=draw(st.sampled_from(SIX_MAPS)),
            )
        )
    total = sum((edge.weight for edge in edges), Fraction(0))
    quarters = st.integers(1, 4)
    return Gate(children=tuple(edges), need=total * draw(quarters) / 4, comfortable=total * draw(quarters) / 4)


@st.composite
def worlds(draw: st.DrawFn, states: tuple[State, ...] = tuple(State), *, cyclic: bool = True) -> World:
    components = [NodeId(f"c{one}") for one in range(draw(st.integers(1, 6)))]
    services = [NodeId(f"s{one}") for one in range(draw(st.integers(1, 4)))]
    everything = components + services
    nodes: list[Component | Service] = []
    for place, node in enumerate(everything):
        ids = everything if cyclic else everything[:place]
        if node in services:
            nodes.append(service(node, requires=draw(gates(ids or components[:1]))))
        else:
            nodes.append(component(node, requires=draw(gates(ids)) if ids and place % 2 else None))
    own = draw(st.dictionaries(st.sampled_from(components), st.sampled_from(states)))
    return World(map=service_map(*nodes), own=own)


# --- the oracle ------------------------------------------------------------------------------------------------------


def formula_level(gate: Gate, levels: Mapping[NodeId, Level]) -> Level:
    """DESIGN 5.1: down when too little is not down, else degraded when too little is ok, else ok."""
    seen = []
    for edge in gate.children:
        level = formula_level(edge.child, levels) if isinstance(edge.child, Gate) else levels[edge.child]
        seen.append((edge.weight, [0, edge.impact.degraded, edge.impact.down][level]))
    if sum(weight for weight, level in seen if level < 2) < gate.need:
        return 2
    return 1 if sum(weight for weight, level in seen if level < 1) < gate.comfortable else 0


def levels_of(map_: ServiceMap, own: Mapping[NodeId, Level]) -> dict[NodeId, Level]:
    """From ok for everything, until nothing changes."""
    nodes: list[NodeId] = [*map_.components, *map_.services]
    levels: dict[NodeId, Level] = dict.fromkeys(nodes, 0)
    while True:
        after = {}
        for node in nodes:
            gate = map_.requires(node)
            after[node] = max(own.get(node, 0), formula_level(gate, levels) if gate is not None else 0)
        if after == levels:
            return levels
        levels = after
