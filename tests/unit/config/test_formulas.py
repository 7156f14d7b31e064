"""Formulas as they are written, by the states that come out: the truth table of DESIGN 5.1 and what is refused."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import product

import pytest

from bsm_remediate.config.loader import Loaded
from bsm_remediate.domain.ids import NodeId
from bsm_remediate.domain.rollup import RollUp
from bsm_remediate.domain.service_map import ServiceMap

Load = Callable[[str], Loaded]
Codes = Callable[[str], list[tuple[str, int, int]]]
_LEVELS = {"o": 0, "d": 1, "x": 2}
_NAMES = "odx"


def _map(load: Load, formula: str) -> ServiceMap:
    loaded = load(f"""
currency: EUR
services: {{shop: {{loss_per_minute: 1, requires: {formula}}}}}
components: {{a: {{}}, b: {{}}, c: {{}}, web: {{hosts: webservers}}}}
""")
    assert loaded.bundle is not None, [str(one) for one in loaded.findings]
    return loaded.bundle.service_map


def _state(service_map: ServiceMap, states: str, names: str = "abc") -> str:
    own = {NodeId(name): _LEVELS[state] for name, state in zip(names, states, strict=True)}
    return _NAMES[_level(service_map, own)]


def _level(service_map: ServiceMap, own: Mapping[NodeId, int]) -> int:
    return RollUp(service_map).levels(own).get(NodeId("shop"), 0)


@pytest.mark.parametrize(
    ("formula", "expected"),
    [
        # for ooo ood oox odd odx oxx ddd ddx dxx xxx, from the notes on roll-up
        ("[a, b, c]", "odxdxxdxxx"),
        ("{all: [a, b, c]}", "odxdxxdxxx"),
        ("{any: [a, b, c]}", "oooooodddx"),
        ("{at_least: 2, of: [a, b, c]}", "oooddxddxx"),
        ("{at_least: 2, of: [a, b, c], comfortable: 3}", "oddddxddxx"),
        ("{at_least: 2, of: [a, b, c], counting: ok}", "oooxxxxxxx"),
        ("{at_least: -1, of: [a, b, c]}", "oooddxddxx"),
        ("{at_least: 60%, of: [a, b, c]}", "oooddxddxx"),
        ("{at_least: -34%, of: [a, b, c]}", "oooddxddxx"),
        ("{at_least: -30%, of: [a, b, c]}", "odxdxxdxxx"),
        ("{more_than: 50%, of: [a, b, c]}", "oooddxddxx"),
        ("{more_than: 2, of: [a, b, c]}", "odxdxxdxxx"),
        ("{at_least: 1, of: [a, b, c]}", "oooooodddx"),
        ("{any: [a, b, c], counting: ok}", "ooooooxxxx"),
        ("{all: [a, b, c], impact: degraded}", "oddddddddd"),
        ("{all: [a, b, c], impact: {degraded: ok}}", "ooxoxxoxxx"),
        ("{all: [a, b, c], impact: {degraded: down}}", "oxxxxxxxxx"),
        ("{all: [a, b, c], impact: {degraded: ok, down: degraded}}", "oododdoddd"),
        ("[{id: a, impact: none}, {id: b, impact: none}, c]", "odxdxxdxxx"),
        ("[a, {any: [b, c]}]", "oooddxddxx"),
    ],
)
def test_states_of_three_children(load: Load, formula: str, expected: str) -> None:
    service_map = _map(load, formula)
    columns = ("ooo", "ood", "oox", "odd", "odx", "oxx", "ddd", "ddx", "dxx", "xxx")
    symmetric = "[a, {any" not in formula and "none" not in formula
    assert _states(service_map, columns) == expected
    if symmetric:
        for states in product("odx", repeat=3):
            assert _state(service_map, "".join(states)) == _state(
                service_map, "".join(sorted(states, key=_NAMES.index))
            )


def _states(service_map: ServiceMap, columns: tuple[str, ...]) -> str:
    return "".join(_state(service_map, states) for states in columns)


def test_weights_are_added_up_instead_of_children_counted(load: Load) -> None:
    service_map = _map(load, "{at_least: 3, of: [a, b, {id: c}], weights: {a: 3, c: 2}}")
    assert [_state(service_map, states) for states in ("oxx", "xoo", "xxo", "xox")] == ["o", "o", "x", "x"]


def test_a_percentage_with_weights_is_of_the_total_weight(load: Load) -> None:
    service_map = _map(load, "{at_least: 50%, of: [a, b, c], weights: {a: 4}}")  # 3 of 6
    assert [_state(service_map, states) for states in ("oxx", "xoo")] == ["o", "x"]


@pytest.mark.parametrize(
    "formula", ["web", "[web]", "{all: web}", "{at_least: 2, of: web}", "{at_least: 100%, of: [web]}"]
)
def test_the_name_of_a_set_stands_for_all_its_members(load: Load, formula: str) -> None:
    service_map = _map(load, formula)
    names = ("web@web-1", "web@web-2")
    states = {NodeId(names[0]): 0, NodeId(names[1]): 2}
    assert _level(service_map, states) == 2


def test_a_sets_weight_is_that_of_each_member(load: Load) -> None:
    service_map = _map(load, "{at_least: 4, of: [web, a], weights: {web: 2}}")
    assert _level(service_map, {NodeId("a"): 2}) == 0
    assert _level(service_map, {NodeId("web@web-1"): 2}) == 2


def test_any_of_a_set_is_up_while_one_member_is(load: Load) -> None:
    service_map = _map(load, "{any: web}")
    assert _level(service_map, {NodeId("web@web-1"): 2}) == 0


@pytest.mark.parametrize(
    ("formula", "finding"),
    [
        ("[]", ("bad-formula", 1, 1)),
        ("", ("bad-formula", 1, 1)),
        ("{}", ("bad-formula", 1, 1)),
        ("{any: []}", ("bad-formula", 1, 7)),
        ("{any: }", ("bad-formula", 1, 7)),
        ("5", ("bad-formula", 1, 1)),
        ("[a, true]", ("bad-formula", 1, 5)),
        ("[a, nowhere]", ("unknown-component", 1, 5)),
        ("{any: [a], all: [b]}", ("bad-formula", 1, 1)),
        ("{none_of: [a]}", ("unknown-key", 1, 2)),
        ("{any: [a], of: [b]}", ("bad-formula", 1, 12)),
        ("{all: [a], weights: {a: 2}}", ("bad-formula", 1, 12)),
        ("{id: a, counting: ok}", ("bad-formula", 1, 9)),
        ("{at_least: 2}", ("bad-formula", 1, 1)),
        ("{at_least: 3, of: [a, b]}", ("bad-formula", 1, 12)),
        ("{at_least: 0, of: [a, b]}", ("bad-formula", 1, 12)),
        ("{at_least: 101%, of: [a, b]}", ("bad-formula", 1, 12)),
        ("{at_least: most, of: [a, b]}", ("bad-formula", 1, 12)),
        ("{at_least: true, of: [a, b]}", ("bad-formula", 1, 12)),
        ("{at_least: [1], of: [a, b]}", ("bad-formula", 1, 12)),
        ("{more_than: 100%, of: [a, b]}", ("bad-formula", 1, 13)),
        ("{more_than: -1, of: [a, b]}", ("bad-formula", 1, 13)),
        ("{at_least: 3, of: web}", ("bad-formula", 1, 12)),
        ("{at_least: 1, of: [a], weights: {b: 2}}", ("unknown-child", 1, 34)),
        ("{at_least: 1, of: [a], weights: {a: 0}}", ("bad-formula", 1, 37)),
        ("{at_least: 1, of: [a], weights: [2]}", ("bad-formula", 1, 33)),
        ("{at_least: 1, of: [a], counting: down}", ("bad-formula", 1, 34)),
        ("{id: a, impact: worse}", ("bad-formula", 1, 17)),
        ("{id: a, impact: {degraded: down, down: degraded}}", ("bad-formula", 1, 17)),
        ("{id: a, impact: {ok: down}}", ("bad-formula", 1, 17)),
        ("{id: a, impact: none}", ("bad-formula", 1, 1)),
        ("{at_least: -2, of: [a, b]}", ("below-one", 1, 12)),
        ("[a, a]", ("repeated-child", 1, 5)),
        ("{any: [{id: a, impact: degraded}, b]}", ("soft-child", 1, 1)),
        ("[" * 25 + "a" + "]" * 25, ("bad-formula", 1, 22)),
    ],
)
def test_what_is_no_formula_is_found_where_it_is(codes: Codes, formula: str, finding: tuple[str, int, int]) -> None:
    before = "services: {shop: {loss_per_minute: 1, requires: "
    code, line, column = finding
    found = codes(f"{before}{formula}}}}}\ncomponents: {{a: {{}}, b: {{}}, web: {{hosts: webservers}}}}\n")
    assert found == [(code, line, column + len(before))]
