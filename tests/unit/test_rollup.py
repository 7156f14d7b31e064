"""The roll-up's truth table, unknown, maintenance and cycles, as the roll-up rules write them down."""

from __future__ import annotations

import pytest

from bsm_remediate.domain.formula import CAPPED, SHOWN_ONLY, STRICT, Edge, Gate, Impact
from bsm_remediate.domain.ids import NodeId
from bsm_remediate.domain.rollup import RollUp
from bsm_remediate.domain.state import State
from bsm_remediate.testing.builders import (
    at_least_of,
    child,
    component,
    either,
    every,
    more_than_of,
    service,
    service_map,
)

LETTERS = {"o": State.OK, "d": State.DEGRADED, "x": State.DOWN, "u": State.UNKNOWN, "m": State.MAINTENANCE}
A, B, C, X = (NodeId(name) for name in "abcx")


def state_of(gate: Gate, letters: str) -> State:
    """The state of a service that requires `gate` while components a, b, c… are in the states of `letters`."""
    names = [chr(ord("a") + place) for place in range(len(letters))]
    rollup = RollUp(service_map(*(component(name) for name in names), service("s", requires=gate)))
    own = {NodeId(name): LETTERS[letter] for name, letter in zip(names, letters, strict=True)}
    return rollup.states(own).get(NodeId("s"), State.OK)


FORMULAS: dict[str, Gate] = {
    "all": every("a", "b", "c"),
    "any": either("a", "b", "c"),
    "at_least: 2": at_least_of(2, "a", "b", "c"),
    "at_least: 2, comfortable: 3": at_least_of(2, "a", "b", "c", comfortable=3),
    "at_least: 2, counting: ok": at_least_of(2, "a", "b", "c", counting_ok=True),
    "at_least: -1": at_least_of(-1, "a", "b", "c"),
    "more_than: 50%": more_than_of("50%", "a", "b", "c"),
}
TRUTH_TABLE = """
ooo o o o o o o o
ood d o o d o o o
oox x o o d o o o
odd d o d d x d d
odx x o d d x d d
oxx x o x x x x x
ddd d d d d x d d
ddx x d d d x d d
dxx x d x x x x x
xxx x x x x x x x
"""
CELLS = [
    (formula, letters, expected)
    for letters, *states in (line.split() for line in TRUTH_TABLE.strip().splitlines())
    for formula, expected in zip(FORMULAS, states, strict=True)
]


@pytest.mark.parametrize(("formula", "letters", "expected"), CELLS)
def test_three_children_roll_up_by_the_truth_table_in_whatever_order(formula: str, letters: str, expected: str) -> None:
    for turned in (letters, letters[1:] + letters[:1], letters[::-1]):
        assert state_of(FORMULAS[formula], turned) is LETTERS[expected]


@pytest.mark.parametrize(
    ("impact", "degraded", "down"),
    [
        (Impact(), "d", "x"),
        (CAPPED, "d", "d"),
        (Impact(degraded=0, down=2), "o", "x"),
        (STRICT, "x", "x"),
        (Impact(degraded=0, down=1), "o", "d"),
    ],
)
def test_an_edge_map_says_what_the_dependant_sees_of_a_child_and_of_a_whole_formula(
    impact: Impact, degraded: str, down: str
) -> None:
    for gate in (every(child("a", impact=impact)), every(child(every("a"), impact=impact))):
        assert state_of(gate, "o") is State.OK
        assert state_of(gate, "d") is LETTERS[degraded]
        assert state_of(gate, "x") is LETTERS[down]


def test_a_child_that_is_only_shown_leaves_every_count() -> None:
    gate = at_least_of("100%", "a", child("b", impact=SHOWN_ONLY))
    assert state_of(gate, "ox") is State.OK
    assert gate.shown == ("b",)
    assert gate.need == 1


def test_an_edge_map_that_helps_a_worse_child_more_is_refused() -> None:
    with pytest.raises(ValueError, match="worse"):
        Impact(degraded=2, down=1)


@pytest.mark.parametrize(
    ("number", "children", "need"),
    [("58%", 50, 29), ("60%", 5, 3), ("-1", 3, 2), ("-20%", 10, 8), ("-5", 3, 1), ("1%", 3, 1), ("34%", 3, 2)],
)
def test_percentages_and_negative_numbers_are_exact(number: str, children: int, need: int) -> None:
    assert at_least_of(number, *(f"n{one}" for one in range(children))).need == need


@pytest.mark.parametrize(("share", "children", "need"), [("50%", 3, 2), ("50%", 4, 3), ("40%", 5, 3), ("29%", 100, 30)])
def test_more_than_is_one_above_that_share(share: str, children: int, need: int) -> None:
    assert more_than_of(share, *(f"n{one}" for one in range(children))).need == need


def test_a_number_that_can_never_be_reached_and_an_empty_formula_are_refused() -> None:
    with pytest.raises(ValueError, match="never be reached"):
        at_least_of(4, "a", "b", "c")
    with pytest.raises(ValueError, match="never be reached"):
        more_than_of("100%", "a", "b")
    with pytest.raises(ValueError, match="without children"):
        every()
    with pytest.raises(ValueError, match="without children"):
        either(child("a", impact=SHOWN_ONLY))


def test_weights_are_added_up_instead_of_children_counted() -> None:
    gate = at_least_of(3, child("a", weight=3), "b", "c")
    assert state_of(gate, "oxx") is State.OK
    assert state_of(gate, "xoo") is State.DOWN
    assert state_of(gate, "doo") is State.DEGRADED


def test_tenths_as_weights_add_up_exactly() -> None:
    gate = at_least_of("0.8", child("a", weight="0.7"), child("b", weight="0.1"), child("c", weight="0.2"))
    assert gate.need == 1, "a result below 1 is 1, never always up"
    with pytest.raises(ValueError, match="can never be reached"):
        at_least_of("0.8", child("a", weight="0.7"), child("b", weight="0.1"))


def test_a_percentage_with_weights_is_of_the_total_weight() -> None:
    gate = at_least_of("50%", child("a", weight=3), "b", "c")
    assert gate.need == 3


# --- unknown ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("gate", "letters", "expected"),
    [
        (either("a", "b"), "ou", State.OK),
        (every("a", "b"), "xu", State.DOWN),
        (every("a", "b"), "du", State.UNKNOWN),
        (every("a", "b"), "ou", State.UNKNOWN),
        (at_least_of(2, "a", "b", "c"), "oou", State.OK),
        (at_least_of(2, "a", "b", "c"), "oux", State.UNKNOWN),
        (at_least_of(2, "a", "b", "c"), "xxu", State.DOWN),
        (every(child("a", impact=CAPPED)), "u", State.UNKNOWN),
        (every("a", child("b", impact=CAPPED)), "du", State.DEGRADED),
    ],
)
def test_unknown_children_count_at_both_ends_and_only_agreement_is_a_state(
    gate: Gate, letters: str, expected: State
) -> None:
    assert state_of(gate, letters) is expected


# --- maintenance -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("gate", "letters", "expected"),
    [
        (either("a", "b"), "mo", State.OK),
        (either("a", "b"), "mx", State.DOWN),
        (either("a", "b"), "mm", State.MAINTENANCE),
        (every("a", "b"), "mo", State.MAINTENANCE),
        (every("a", "b"), "mx", State.MAINTENANCE),
        (at_least_of(1, "a", "b", comfortable=2), "mo", State.MAINTENANCE),
        (at_least_of(1, "a", "b", comfortable=2), "mx", State.DOWN),
        (at_least_of(1, "a", "b", comfortable=2), "md", State.MAINTENANCE),
        (either("a", "b"), "md", State.DEGRADED),
        (every("a", "b"), "mu", State.MAINTENANCE),
        (either("a", "b"), "mu", State.UNKNOWN),
    ],
)
def test_it_is_maintenance_only_while_it_is_no_worse_than_maintenance_alone_makes_it(
    gate: Gate, letters: str, expected: State
) -> None:
    assert state_of(gate, letters) is expected


# --- cycles ----------------------------------------------------------------------------------------------------------

RING = RollUp(
    service_map(
        component("a", requires=["b", "x"]),
        component("b", requires=["a"]),
        component("x"),
        service("s", requires=["b"]),
    )
)


def test_nothing_is_down_only_because_it_waits_for_itself() -> None:
    assert RING.states({}) == {}
    assert set(RING.states({X: State.DOWN})) == {"a", "b", "x", "s"}
    assert RING.states({}) == {}, "computed from ok again, never from the last states"


def test_one_degraded_member_degrades_its_whole_cycle() -> None:
    assert RING.states({B: State.DEGRADED}) == dict.fromkeys((A, B, NodeId("s")), State.DEGRADED)


def test_a_cycle_is_settled_at_both_ends_of_unknown() -> None:
    assert RING.states({X: State.UNKNOWN}) == dict.fromkeys((A, B, X, NodeId("s")), State.UNKNOWN)


def test_a_cycle_with_another_way_out_stays_up() -> None:
    rollup = RollUp(
        service_map(
            component("a", requires=either("b", "x")), component("b", requires=either("a", "x")), component("x")
        )
    )
    assert rollup.states({X: State.DOWN}) == {X: State.DOWN}
    assert rollup.cycles() == [frozenset({A, B})]


def test_a_component_that_requires_itself_is_a_cycle_of_one() -> None:
    rollup = RollUp(service_map(component("a", requires=["a"])))
    assert rollup.cycle_of(A) == {A}
    assert rollup.states({}) == {}
    assert rollup.states({A: State.DEGRADED}) == {A: State.DEGRADED}


def test_two_cycles_in_a_row_are_settled_one_after_the_other() -> None:
    rollup = RollUp(
        service_map(
            component("a", requires=["b"]),
            component("b", requires=["a", "c"]),
            component("c", requires=["x"]),
            component("x", requires=["c"]),
        )
    )
    assert rollup.cycles() == [frozenset({A, B}), frozenset({C, X})]
    assert rollup.states({X: State.DOWN}) == dict.fromkeys((A, B, C, X), State.DOWN)


def test_a_chain_of_ten_thousand_needs_no_recursion() -> None:
    nodes = [component("n0"), *(component(f"n{one}", requires=[f"n{one - 1}"]) for one in range(1, 10_000))]
    rollup = RollUp(service_map(*nodes))
    assert len(rollup.states({NodeId("n0"): State.DOWN})) == 10_000


# --- what else the formulas say --------------------------------------------------------------------------------------


def test_a_component_is_as_bad_as_the_worse_of_itself_and_what_it_requires() -> None:
    rollup = RollUp(service_map(component("a", requires=["b"]), component("b")))
    assert rollup.states({A: State.DEGRADED, B: State.DOWN})[A] is State.DOWN
    assert rollup.states({A: State.DOWN, B: State.DEGRADED})[A] is State.DOWN


def test_a_service_is_at_risk_of_each_single_failure_that_would_take_it_down() -> None:
    rollup = RollUp(
        service_map(*(component(one) for one in "abx"), service("s", requires=every(either("a", "b"), child("x"))))
    )
    s = NodeId("s")
    assert rollup.single_failures([s], {}) == {s: (X,)}
    assert rollup.single_failures([s], {A: State.DOWN}) == {s: (B, X)}
    assert rollup.single_failures([s], {X: State.DOWN}) == {}, "it is down already"


def test_a_replica_whose_degradation_counts_as_down_is_a_risk_too() -> None:
    """c degrades when x fails, and only an ok c counts."""
    rollup = RollUp(
        service_map(
            component("x"),
            component("c", requires=every(child("x", impact=CAPPED))),
            service("s", requires=either("c", counting_ok=True)),
        )
    )
    s = NodeId("s")
    assert rollup.states({X: State.DOWN})[s] is State.DOWN
    assert rollup.single_failures([s], {}) == {s: (C, X)}


def test_siblings_are_the_other_members_of_redundant_formulas_only() -> None:
    rollup = RollUp(
        service_map(
            *(component(one) for one in "abcx"), service("s", requires=every(either("a", "b"), child("c"), child("x")))
        )
    )
    assert rollup.siblings(A) == {B}
    assert rollup.siblings(C) == set()


def test_an_edge_stays_what_it_is_when_written_again() -> None:
    once = child("a", weight=2)
    assert isinstance(once, Edge)
    assert child(once) is once


def test_what_would_fall_besides_is_told_and_forgotten_again() -> None:
    s, t = NodeId("s"), NodeId("t")
    rollup = RollUp(
        service_map(
            *(component(name) for name in "abcx"),
            service("s", requires=[either("a", "b"), "x"]),
            service("t", requires=["c"]),
        )
    )
    assert rollup.falling({}, [A]) == [A]
    assert set(rollup.falling({B: 2, C: 2}, [A])) == {A, s}, "t is down already"
    assert rollup.falling({C: 2}, [C]) == []
    assert set(rollup.falling({}, [A, B, C])) == {A, B, C, s, t}
    assert rollup.levels({}) == {}


def test_the_same_question_has_the_same_answer_whatever_was_asked_before() -> None:
    nodes = [component(f"n{place}", requires=[f"n{place - 1}"] if place else None) for place in range(50)]
    asked, fresh = RollUp(service_map(*nodes)), RollUp(service_map(*nodes))
    own = {NodeId("n20"): State.DOWN, NodeId("n10"): State.DEGRADED}
    asked.states({NodeId("n0"): State.UNKNOWN, NodeId("n20"): State.MAINTENANCE})
    assert list(asked.states(own).items()) == list(fresh.states(own).items())


def test_a_chain_of_a_hundred_thousand_needs_no_deeper_stack() -> None:
    last = 100_000
    nodes = [component(f"n{place}", requires=[f"n{place - 1}"] if place else None) for place in range(last)]
    s, first = NodeId("s"), NodeId("n0")
    rollup = RollUp(service_map(*nodes, service("s", requires=[f"n{last - 1}"])))
    assert rollup.cycles() == []
    assert rollup.states({first: State.DOWN})[s] is State.DOWN
    assert len(rollup.blame({first: State.DOWN})[s]) == last
    assert rollup.states({first: State.DEGRADED}) == dict.fromkeys(rollup.cone([first]), State.DEGRADED)
    assert len(rollup.single_failures([s], {})[s]) == last
    assert rollup.in_order([s, NodeId("n9"), first]) == [first, NodeId("n9"), s]


def test_a_formula_nested_ten_thousand_deep_is_read_to_its_end() -> None:
    gate = every("a")
    for _ in range(10_000):
        gate = either(gate, "b")
    s = NodeId("s")
    rollup = RollUp(service_map(component("a"), component("b"), service("s", requires=gate)))
    assert rollup.requirements(s) == (A, B)
    assert rollup.dependants(A) == (s,)
    assert rollup.states({A: State.DOWN}) == {A: State.DOWN}
    assert rollup.states({A: State.DOWN, B: State.DOWN})[s] is State.DOWN
    assert rollup.requires_level(s, {A: 2, B: 1}) == 1
    assert rollup.single_failures([s], {B: State.DOWN}) == {s: (A,)}
    assert rollup.blame({A: State.DOWN, B: State.DOWN})[s] == {A, B}
    assert rollup.siblings(B) == set(), "a formula stands beside it, no node"
