"""Real dependency graphs: what an independent library says is hit must be hit, and nothing else."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from bsm_remediate.domain.ids import NodeId
from bsm_remediate.domain.rollup import RollUp
from bsm_remediate.domain.state import State
from bsm_remediate.testing.builders import component, service_map

GRAPHS = Path(__file__).parents[2].parent / "shared" / "data" / "graphs"
EXPECTED: dict[str, Any] = json.loads((GRAPHS / "expected-impact.json").read_text())["graphs"]


def rollup_of(graph: str) -> RollUp:
    """Each node a component that requires all it depends on; the graphs have the same pair several times."""
    found = json.loads((GRAPHS / f"{graph}.json").read_text())
    needs: dict[str, dict[str, None]] = {node["id"]: {} for node in found["nodes"]}
    for dependant, dependency, *_ in found["edges"]:
        needs.setdefault(dependant, {})[dependency] = None
        needs.setdefault(dependency, {})
    return RollUp(service_map(*(component(node, requires=list(on) or None) for node, on in needs.items())))


def test_every_graph_has_its_answers() -> None:
    assert len(EXPECTED) == 9
    assert set(EXPECTED) == {file.stem for file in GRAPHS.glob("*.json")} - {"expected-impact"}


@pytest.mark.parametrize("graph", EXPECTED)
def test_a_failure_hits_exactly_what_needs_it(graph: str) -> None:
    rollup = rollup_of(graph)
    for name, answer in EXPECTED[graph]["nodes_sampled"].items():
        node = NodeId(name)
        states = rollup.states({node: State.DOWN})
        assert set(states.values()) == {State.DOWN}
        hit = states.keys() - {node}
        assert len(hit) == answer["hit_if_it_fails"]
        assert hit == rollup.cone([node]) - {node}
        assert len(rollup.foundation([node]) - {node}) == answer["needs"]
        if "hit" in answer:  # left out where it is long
            assert hit == set(answer["hit"])


@pytest.mark.parametrize("graph", EXPECTED)
def test_the_widest_impact_is_found(graph: str) -> None:
    rollup = rollup_of(graph)
    for name, number in EXPECTED[graph]["widest_impact"]:
        assert len(rollup.states({NodeId(name): State.DEGRADED})) - 1 == number


@pytest.mark.parametrize("graph", EXPECTED)
def test_groups_that_wait_for_each_other_are_found(graph: str) -> None:
    cycles = {group for group in rollup_of(graph).cycles() if len(group) > 1}
    assert cycles == {frozenset(NodeId(node) for node in group) for group in EXPECTED[graph]["cycle_groups"]}
    assert len(cycles) == EXPECTED[graph]["cycles_groups"]
