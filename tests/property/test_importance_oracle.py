"""Importance and its pairs say what trying every failure says."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bsm_remediate.domain.importance import ranked
from bsm_remediate.domain.pairs import worst_pairs
from bsm_remediate.domain.redundancy import seconds, with_second
from bsm_remediate.domain.worst_failures import worst_failures
from bsm_remediate.testing.builders import NINE
from tests.property.losses import Business, businesses

ALL = 10_000


@settings(max_examples=300)
@given(businesses())
def test_importance_is_what_each_failure_alone_adds(business: Business) -> None:
    found = {one.component: one for one in ranked(business.losses())}
    before = business.levels()
    assert sorted(found) == sorted(business.standing())
    for component, one in found.items():
        after = business.levels([component])
        assert (one.loss_per_minute, one.weighted_loss_per_minute) == pytest.approx(business.added([component]))
        worse = {node for node in business.map.services if after[node] > before[node]}
        assert set(one.services) == worse
        assert one.single_point_of_failure == any(after[node] == 2 for node in worse)


@settings(max_examples=400)
@given(businesses())
def test_the_pairs_are_exactly_those_that_cost_more_than_the_two_alone(business: Business) -> None:
    found = worst_pairs(business.losses(), most=ALL)
    expected = {}
    for pair in combinations(sorted(business.standing()), 2):
        both, alone = business.added(pair), [business.added([one]) for one in pair]
        extra = [both[kind] - sum(one[kind] for one in alone) for kind in (0, 1)]
        if max(extra) > 1e-9:
            expected[pair] = (both[0], *extra)
    assert {one.components for one in found.worst} == set(expected)
    for one in found.worst:
        figures = (one.loss_per_minute, one.extra_loss_per_minute, one.weighted_extra)
        assert figures == pytest.approx(expected[one.components])
    weights = [one.weighted_extra for one in found.worst]
    assert weights == sorted(weights, reverse=True)
    assert found.left_out == 0


@settings(max_examples=200)
@given(businesses())
def test_a_short_list_of_pairs_has_the_worst_and_bounds_the_rest(business: Business) -> None:
    everything = worst_pairs(business.losses(), most=ALL).worst
    for most in (1, 2):
        found = worst_pairs(business.losses(), most=most)
        assert len(found.worst) == min(most, len(everything))
        weights = [one.weighted_extra for one in found.worst]
        assert weights == pytest.approx([one.weighted_extra for one in everything[:most]])
        rest = everything[most:]
        assert found.left_out >= len(rest)
        assert all(one.weighted_extra <= found.left_out_at_most + 1e-9 for one in rest)


@settings(max_examples=200)
@given(businesses(), st.integers(1, 3))
def test_the_worst_failures_are_the_worst_of_all_sets(business: Business, up_to: int) -> None:
    costs = {
        chosen: business.added(chosen)[1]
        for number in range(1, up_to + 1)
        for chosen in combinations(sorted(business.standing()), number)
    }
    worst = max(costs.values(), default=0.0)
    found = worst_failures(business.losses(), up_to, most=5)
    assert found.is_proven
    assert found.at_most == pytest.approx(worst)
    assert (found.worst[0].weighted if found.worst else 0.0) == pytest.approx(worst)
    for one in found.worst:
        assert one.weighted == pytest.approx(costs[one.components])
        assert one.loss_per_minute == pytest.approx(business.added(one.components)[0])
        for left_out in one.components:
            rest = tuple(component for component in one.components if component != left_out)
            assert costs.get(rest, 0.0) < one.weighted, "each of them makes it worse"
    few = worst_failures(business.losses(), up_to, most=5, looks=1)
    assert few.at_most >= worst - 1e-9
    assert few.is_proven == (few.at_most <= (few.worst[0].weighted if few.worst else 0.0) + 1e-9)


@settings(max_examples=100, deadline=None)
@given(businesses().map(lambda one: replace(one, own={})))
def test_a_second_one_saves_what_single_failures_cost_without_it_and_no_longer_with_it(business: Business) -> None:
    losses = business.losses()
    found = seconds(business.bundle, ranked(losses), at=NINE, goal="weighed")
    expected = {}
    for component in business.map.components:
        doubled = replace(business, bundle=replace(business.bundle, service_map=with_second(business.map, component)))
        saved = sum(business.added([node])[1] - doubled.added([node])[1] for node in business.map.components)
        if saved > 1e-9:
            expected[component] = saved
    assert {one.component: one.weighted for one in found} == pytest.approx(expected)
    assert [one.weighted for one in found] == sorted((one.weighted for one in found), reverse=True)


@given(businesses())
def test_asking_leaves_no_trace(business: Business) -> None:
    losses = business.losses()
    first = ranked(losses), worst_pairs(losses, most=ALL)
    assert (ranked(losses), worst_pairs(losses, most=ALL)) == first
