"""The compact map says what the service map says, in an order in which children come first."""

from __future__ import annotations

from fractions import Fraction

import networkx as nx
import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from bsm_remediate.domain.compact import CompactMap
from bsm_remediate.domain.formula import Edge, Gate
from bsm_remediate.domain.ids import NodeId
from bsm_remediate.domain.topology import Adjacency, ordered
from bsm_remediate.testing.builders import component, every, service_map
from tests.property.worlds import World, worlds

MODERATELY = settings(max_examples=150, deadline=None)


@MODERATELY
@given(st.integers(1, 12).flatmap(lambda n: st.tuples(st.just(n), st.lists(st.tuples(*[st.integers(0, n - 1)] * 2)))))
def test_children_come_before_their_parents_and_circles_stand_together(
    drawn: tuple[int, list[tuple[int, int]]],
) -> None:
    number, edges = drawn
    parents, children = (np.array([edge[side] for edge in edges], np.int32) for side in (0, 1))
    order = ordered(Adjacency.of(parents, children, number)[0], Adjacency.of(children, parents, number)[0])
    place = {vertex: at for at, vertex in enumerate(order.vertices.tolist())}
    assert sorted(place) == list(range(number))
    graph = nx.DiGraph()
    graph.add_nodes_from(range(number))
    graph.add_edges_from(edges)
    circles = {
        frozenset(group)
        for group in nx.strongly_connected_components(graph)
        if len(group) > 1 or graph.has_edge(min(group), min(group))
    }
    assert {frozenset(order.vertices[first:end].tolist()) for first, end in order.circles} == circles
    assert [order.blocks[0], order.blocks[-1]] == [0, number]
    circle_of = {vertex: circle for circle in circles for vertex in circle}
    block_of = np.searchsorted(order.blocks, np.arange(number), side="right") - 1
    for vertex in range(number):
        assert order.is_circular[block_of[place[vertex]]] == (vertex in circle_of)
    for parent, child in edges:
        together = parent in circle_of and circle_of[parent] is circle_of.get(child)
        assert together or block_of[place[child]] < block_of[place[parent]]


def level_by_arrays(compact: CompactMap, vertex: int, levels: list[int]) -> int:
    up = fine = 0
    for edge in range(compact.children.starts[vertex], compact.children.starts[vertex + 1]):
        level = compact.seen[edge][levels[compact.children.ends[edge]]]
        up += int(compact.weights[edge]) * int(level < 2)
        fine += int(compact.weights[edge]) * int(level < 1)
    return 2 if up < compact.need[vertex] else int(fine < compact.comfortable[vertex])


def level_by_definition(gate: Gate, levels: dict[NodeId, int]) -> int:
    seen = [
        (
            edge.weight,
            edge.impact.seen(
                level_by_definition(edge.child, levels) if isinstance(edge.child, Gate) else levels[edge.child]
            ),
        )
        for edge in gate.children
    ]
    if sum(weight for weight, level in seen if level < 2) < gate.need:
        return 2
    return int(sum(weight for weight, level in seen if level < 1) < gate.comfortable)


@MODERATELY
@given(worlds(), st.data())
def test_each_formula_means_the_same_in_arrays(world: World, data: st.DataObject) -> None:
    compact = CompactMap(world.map)
    levels = {node: data.draw(st.integers(0, 2)) for node in (*world.map.components, *world.map.services)}
    by_vertex = [levels.get(name, 0) for name in compact.names]
    nested_at = [vertex for vertex, name in enumerate(compact.names) if not name]
    for _ in range(len(nested_at) + 1):
        for vertex in nested_at:
            by_vertex[vertex] = level_by_arrays(compact, vertex, by_vertex)
    for node, number in compact.number_of.items():
        gate = world.map.requires(node)
        expected = level_by_definition(gate, levels) if gate is not None else 0
        assert level_by_arrays(compact, number, by_vertex) == expected
        assert compact.names[number] == node


def test_weights_are_whole_numbers_as_small_as_they_can_be() -> None:
    edges = (Edge(child=NodeId("a"), weight=Fraction("0.5")), Edge(child=NodeId("b"), weight=Fraction("1.5")))
    gate = Gate(children=edges, need=Fraction("1.1"), comfortable=Fraction(2))
    compact = CompactMap(service_map(component("a"), component("b"), component("c", requires=gate)))
    c = compact.number_of[NodeId("c")]
    assert compact.fits
    assert sorted(compact.weights.tolist()) == [1, 3]
    assert (compact.need[c], compact.comfortable[c], compact.totals[c]) == (3, 4, 4), "1.1 of a half and one and a half"


def test_weights_beyond_64_bits_stay_exact() -> None:
    edges = (Edge(child=NodeId("a"), weight=Fraction(10**30)), Edge(child=NodeId("b"), weight=Fraction(10**30 + 1)))
    gate = Gate(children=edges, need=Fraction(10**30 + 1), comfortable=Fraction(10**30 + 1))
    compact = CompactMap(service_map(component("a"), component("b"), component("c", requires=gate)))
    assert not compact.fits
    assert compact.totals.tolist()[-1] == 2 * 10**30 + 1


def test_a_formula_that_is_used_twice_is_one_vertex() -> None:
    gate = every("a")
    for _ in range(60):
        gate = every(gate, gate)
    compact = CompactMap(service_map(component("a"), component("b", requires=gate)))
    assert len(compact) == 2 + 60
