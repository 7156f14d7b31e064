"""The roll-up against an oracle that is slow and obvious: every formula applied to everything until nothing changes."""

from __future__ import annotations

import networkx as nx
from hypothesis import given, settings
from hypothesis import strategies as st

from bsm_remediate.domain.formula import Edge, Gate
from bsm_remediate.domain.ids import NodeId
from bsm_remediate.domain.rollup import RollUp
from bsm_remediate.domain.service_map import Component, Service
from bsm_remediate.domain.state import AT_BEST, LEVELS, State
from bsm_remediate.testing.builders import component, service, service_map
from tests.property.worlds import World, levels_of, worlds

MODERATELY = settings(max_examples=150, deadline=None)


def states_of(world: World) -> dict[NodeId, State]:
    """With the unknown ok, with the unknown down, and each time beside what maintenance alone makes of it."""
    as_level = {State.OK: 0, State.DEGRADED: 1, State.DOWN: 2, State.MAINTENANCE: 2}
    planned = levels_of(world.map, {node: 2 for node, state in world.own.items() if state is State.MAINTENANCE})
    ends = []
    for unknown in (0, 2):
        both = levels_of(world.map, {node: as_level.get(state, unknown) for node, state in world.own.items()})
        ends.append(
            {
                node: State.MAINTENANCE if planned[node] and planned[node] == level else LEVELS[level]
                for node, level in both.items()
            }
        )
    low, high = ends
    return {node: low[node] if low[node] is high[node] else State.UNKNOWN for node in low}


# --- the properties --------------------------------------------------------------------------------------------------


@MODERATELY
@given(worlds())
def test_states_are_those_of_the_naive_fixed_point(world: World) -> None:
    found = RollUp(world.map).states(world.own)
    for node, state in states_of(world).items():
        assert found.get(node, State.OK) is state


@MODERATELY
@given(worlds(), st.data())
def test_a_component_that_gets_worse_never_makes_anything_better(world: World, data: st.DataObject) -> None:
    levels = {node: data.draw(st.integers(0, 2)) for node in world.map.components}
    worse = {node: data.draw(st.integers(level, 2)) for node, level in levels.items()}
    rollup = RollUp(world.map)
    before, after = rollup.levels(levels), rollup.levels(worse)
    assert all(after.get(node, 0) >= level for node, level in before.items())


@MODERATELY
@given(worlds())
def test_names_play_no_part(world: World) -> None:
    nodes = [*world.map.components, *world.map.services]
    renamed = {node: NodeId(f"n{len(nodes) - place:02}") for place, node in enumerate(nodes)}

    def gate_of(gate: Gate) -> Gate:
        return Gate(
            children=tuple(
                Edge(
                    child=gate_of(edge.child) if isinstance(edge.child, Gate) else renamed[edge.child],
                    weight=edge.weight,
                    impact=edge.impact,
                )
                for edge in gate.children
            ),
            need=gate.need,
            comfortable=gate.comfortable,
        )

    turned: list[Component | Service] = []
    for node in reversed(nodes):
        gate = world.map.requires(node)
        if node in world.map.components:
            turned.append(component(renamed[node], requires=gate_of(gate) if gate is not None else None))
        elif gate is not None:
            turned.append(service(renamed[node], requires=gate_of(gate)))
    other = RollUp(service_map(*turned)).states({renamed[node]: state for node, state in world.own.items()})
    assert other == {renamed[node]: state for node, state in RollUp(world.map).states(world.own).items()}


@MODERATELY
@given(worlds())
def test_nothing_outside_the_cone_of_what_fails_is_touched(world: World) -> None:
    rollup = RollUp(world.map)
    failing = [node for node, state in world.own.items() if state is not State.OK]
    naive = {node for node, state in states_of(world).items() if state is not State.OK}
    assert naive <= rollup.cone(failing)


@MODERATELY
@given(worlds())
def test_whatever_the_unknown_turn_out_to_be_the_state_lies_within_what_was_said(world: World) -> None:
    rollup = RollUp(world.map)
    said = rollup.states(world.own)
    for truth in (State.OK, State.DEGRADED, State.DOWN):
        known = {node: truth if state is State.UNKNOWN else state for node, state in world.own.items()}
        real = rollup.states(known)
        for node in (*world.map.components, *world.map.services):
            if said.get(node, State.OK) is not State.UNKNOWN:
                assert real.get(node, State.OK) is said.get(node, State.OK)


@MODERATELY
@given(worlds((State.DEGRADED, State.DOWN, State.MAINTENANCE, State.UNKNOWN)))
def test_a_service_is_at_risk_of_exactly_those_components_whose_failure_takes_it_down(world: World) -> None:
    as_level = {State.DEGRADED: 1, State.DOWN: 2, State.MAINTENANCE: 2, State.UNKNOWN: 0}
    own = {node: as_level[state] for node, state in world.own.items()}
    now = levels_of(world.map, own)
    expected = {}
    for node in world.map.services:
        killers = tuple(sorted(one for one in world.map.components if levels_of(world.map, {**own, one: 2})[node] == 2))
        if now[node] < 2 and killers:
            expected[node] = killers
    assert RollUp(world.map).single_failures(list(world.map.services), world.own) == expected


@MODERATELY
@given(worlds(cyclic=False))
def test_without_cycles_the_formula_alone_is_what_the_requirements_make_of_it(world: World) -> None:
    rollup = RollUp(world.map)
    assert rollup.cycles() == []
    levels = {node: AT_BEST[state] for node, state in world.own.items()}
    for node in world.map.components:
        alone = levels_of(world.map, {one: level for one, level in levels.items() if one != node})
        assert rollup.requires_level(node, rollup.levels(levels)) == alone[node]


@MODERATELY
@given(worlds())
def test_what_lies_above_and_below_is_what_networkx_says(world: World) -> None:
    rollup, graph = RollUp(world.map), world.map.graph()
    assert set(graph) == {*world.map.components, *world.map.services}
    for node in graph:
        assert rollup.cone([node]) == nx.ancestors(graph, node) | {node}
        assert rollup.foundation([node]) == nx.descendants(graph, node) | {node}
        assert set(rollup.requirements(node)) == set(graph.successors(node))
        assert set(rollup.dependants(node)) == set(graph.predecessors(node))
    circles = [group for group in nx.strongly_connected_components(graph) if len(group) > 1]
    circles += [{node} for node in graph if graph.has_edge(node, node) and not any(node in one for one in circles)]
    assert sorted(rollup.cycles(), key=min) == sorted(circles, key=min)


@MODERATELY
@given(worlds())
def test_a_node_explains_whatever_it_is_to_blame_for(world: World) -> None:
    blame = RollUp(world.map).blame(world.own)
    nodes = [*world.map.components, *world.map.services]
    assert blame.explained_by(nodes) == {
        one: tuple(sorted(node for node, guilty in blame.items() if one in guilty)) for one in nodes
    }


@MODERATELY
@given(worlds(), st.data())
def test_what_would_fall_is_what_the_levels_with_it_say(world: World, data: st.DataObject) -> None:
    nodes = [*world.map.components, *world.map.services]
    own = {node: data.draw(st.integers(0, 2)) for node in world.map.components}
    more = data.draw(st.lists(st.sampled_from(nodes), unique=True))
    before, after = levels_of(world.map, own), levels_of(world.map, {**own, **dict.fromkeys(more, 2)})
    expected = {node for node in nodes if after[node] == 2 != before[node]}
    rollup = RollUp(world.map)
    assert set(rollup.falling(own, more)) == expected
    assert rollup.levels(own) == {node: level for node, level in before.items() if level}
