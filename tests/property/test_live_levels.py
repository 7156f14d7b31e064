"""Levels that follow changes against those worked out anew, and against an oracle that is slow and obvious."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bsm_remediate.domain.compact import CompactMap
from bsm_remediate.domain.formula import Edge, Gate
from bsm_remediate.domain.ids import NodeId
from bsm_remediate.domain.live_levels import LiveLevels, Wiring
from bsm_remediate.domain.service_map import ServiceMap
from bsm_remediate.domain.state import Level
from bsm_remediate.testing.builders import component, every, service_map
from tests.property.worlds import World, levels_of, worlds

MODERATELY = settings(max_examples=120, deadline=None)
FEW = settings(max_examples=40, deadline=None)

Wire = Callable[[CompactMap], Wiring]


def followed(compact: CompactMap) -> Wiring:
    """Every change edge by edge."""
    wiring = Wiring(compact, is_compiled=False)
    wiring.most = wiring.most_at_once = len(compact) + 1
    return wiring


def swept(compact: CompactMap) -> Wiring:
    """Every change by a sweep over everything."""
    wiring = Wiring(compact, is_compiled=False)
    wiring.most_at_once = -1
    return wiring


def broken_off(compact: CompactMap) -> Wiring:
    """A change is followed for two vertices; what goes further is swept."""
    wiring = Wiring(compact, is_compiled=False)
    wiring.most, wiring.most_at_once = 2, len(compact)
    return wiring


def compiled(compact: CompactMap) -> Wiring:
    """Every change edge by edge, in machine code."""
    wiring = Wiring(compact, is_compiled=True)
    assert wiring.is_compiled, "numba is there wherever the tests run"
    wiring.most = wiring.most_at_once = len(compact) + 1
    return wiring


WAYS = [followed, swept, broken_off, compiled]


@st.composite
def histories(draw: st.DrawFn) -> tuple[World, list[dict[NodeId, Level]]]:
    """A map, and own levels of components, and reported ones of services, from one moment to the next."""
    world = draw(worlds())
    nodes = [*world.map.components, *world.map.services]
    moments = st.dictionaries(st.sampled_from(nodes), st.integers(0, 2))
    return world, draw(st.lists(moments, min_size=1, max_size=8))


@pytest.mark.parametrize("wire", WAYS)
@MODERATELY
@given(histories())
def test_after_every_change_the_levels_are_those_of_the_naive_fixed_point(
    wire: Wire, history: tuple[World, list[dict[NodeId, Level]]]
) -> None:
    world, moments = history
    compact = CompactMap(world.map)
    live = LiveLevels(wire(compact))
    before: Mapping[NodeId, Level] = {}
    for own in moments:
        changed = live.follow(own)
        expected = {node: level for node, level in levels_of(world.map, own).items() if level}
        assert live.by_name() == expected
        told = sorted(compact.names[one] for one in changed if compact.names[one])
        differing = {node for node, _ in expected.items() ^ before.items()}
        assert told == sorted(differing), "each node that changed, once"
        before = expected


def chain(length: int) -> ServiceMap:
    return service_map(component("n0"), *(component(f"n{one}", requires=[f"n{one - 1}"]) for one in range(1, length)))


@pytest.mark.parametrize("wire", WAYS)
def test_a_long_chain_falls_and_rises_again(wire: Wire) -> None:
    live = LiveLevels(wire(CompactMap(chain(3_000))))
    assert len(live.follow({NodeId("n0"): 2})) == 3_000
    assert len(live.follow({NodeId("n1000"): 1})) == 3_000
    assert live.by_name() == {NodeId(f"n{one}"): 1 for one in range(1_000, 3_000)}
    assert len(live.follow({})) == 2_000
    assert live.by_name() == {}


@pytest.mark.parametrize("wire", WAYS)
def test_what_stands_only_on_itself_gets_up_again(wire: Wire) -> None:
    ring = service_map(
        component("x"),
        component("a", requires=["b", "x"]),
        *(component(f"r{one}", requires=[f"r{one - 1}" if one else "r49", "a"]) for one in range(50)),
        component("b", requires=["a"]),
        component("top", requires=["r7"]),
    )
    live = LiveLevels(wire(CompactMap(ring)))
    live.follow({NodeId("x"): 2})
    assert len(live.by_name()) == len(ring.components)
    live.follow({NodeId("r9"): 1})
    assert set(live.by_name()) == {NodeId("top"), *(NodeId(f"r{one}") for one in range(50))}
    live.follow({})
    assert live.by_name() == {}


@pytest.mark.parametrize("wire", WAYS)
def test_a_formula_nested_thousands_deep_is_one_like_any_other(wire: Wire) -> None:
    gate = every("a")
    for _ in range(5_000):
        gate = every(gate, "b")
    live = LiveLevels(wire(CompactMap(service_map(component("a"), component("b"), component("c", requires=gate)))))
    live.follow({NodeId("a"): 1})
    assert live.by_name() == {NodeId("a"): 1, NodeId("c"): 1}
    live.follow({NodeId("a"): 1, NodeId("b"): 2})
    assert live.by_name() == {NodeId("a"): 1, NodeId("b"): 2, NodeId("c"): 2}


def test_weights_that_no_machine_word_holds_are_added_exactly() -> None:
    huge = Fraction(10**30)
    edges = tuple(Edge(child=NodeId(name), weight=huge + extra) for name, extra in (("a", 0), ("b", 1), ("c", 0)))
    gate = Gate(children=edges, need=huge + 1, comfortable=2 * huge + 1)
    live = LiveLevels(Wiring(CompactMap(service_map(*map(component, "abc"), component("d", requires=gate)))))
    d = NodeId("d")
    for down, level in (("a", None), ("b", 1), ("ab", 2), ("ac", 1), ("c", None)):
        live.follow({NodeId(name): 2 for name in down})
        assert live.by_name().get(d) == level


@FEW
@given(worlds())
def test_a_formula_that_asks_for_more_than_there_is_has_never_been_ok(world: World) -> None:
    gate = Gate(children=(Edge(child=NodeId("c0")),), need=Fraction(2), comfortable=Fraction(2))
    more = service_map(*world.map.components.values(), *world.map.services.values(), component("never", requires=gate))
    live = LiveLevels(Wiring(CompactMap(more)))
    assert live.by_name() == {NodeId("never"): 2}
    live.follow({NodeId("c0"): 2})
    live.follow({})
    assert live.by_name() == {NodeId("never"): 2}
