"""Weights of pools against a slow, obvious oracle: every whole number of units that could be served."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from itertools import chain, combinations, product

from hypothesis import given
from hypothesis import strategies as st

from bsm_remediate.domain.ids import NodeId
from bsm_remediate.domain.pool import Load, Member, Pool
from bsm_remediate.domain.rebalancing import PARTS, Rate
from bsm_remediate.domain.rebalancing_program import filled_members
from bsm_remediate.domain.rebalancing_task import normal_again, rebalance

SERVICES = tuple(NodeId(one) for one in ("checkout", "search", "stock"))
MEMBERS = tuple(NodeId(f"web-{number}") for number in range(1, 5))
Case = tuple[Pool, Load, dict[NodeId, Rate], dict[NodeId, str]]


@st.composite
def cases(draw: st.DrawFn) -> Case:
    """A small pool under a load of whole units, so that the best answer is one of whole units too."""
    served = SERVICES[: draw(st.integers(1, 3))]
    some = st.none() | st.frozensets(st.sampled_from(served), min_size=1)
    members = tuple(
        Member(id=one, capacity=draw(st.integers(1, 6)), serves=draw(some))
        for one in MEMBERS[: draw(st.integers(1, 4))]
    )
    load = Load(
        by_service={one: draw(st.integers(0, 6)) for one in served},
        by_member=draw(st.just({}) | st.fixed_dictionaries({one.id: st.integers(0, 9) for one in members})),
    )
    rates = {one: Rate(rate, rate) for one in served for rate in [draw(st.sampled_from([0.0, 1.0, 7.0, 60.0]))]}
    unavailable = {one.id: "it is down" for one in members if draw(st.integers(0, 4)) == 0}
    return Pool(id="web", members=members, serves=served), load, rates, unavailable


def least_loss(case: Case) -> float:
    """The slow and obvious way: of all numbers of units served, those that fit by Hall's condition."""
    pool, load, rates, unavailable = case
    demands = {one: int(load.by_service[one]) for one in pool.serves}
    rooms = [(one, int(one.capacity)) for one in pool.members if one.id not in unavailable]
    groups = list(chain.from_iterable(combinations(pool.serves, size) for size in range(1, len(pool.serves) + 1)))
    reach = {
        group: sum(room for one, room in rooms if one.serves is None or one.serves & set(group)) for group in groups
    }
    best = float("inf")
    for served in product(*(range(demands[one] + 1) for one in pool.serves)):
        amount = dict(zip(pool.serves, served, strict=True))
        if all(sum(amount[one] for one in group) <= reach[group] for group in groups):
            lost = sum(rates[one].weighted * (1 - amount[one] / demands[one]) for one in pool.serves if demands[one])
            best = min(best, lost)
    return best


@given(cases())
def test_no_way_to_serve_whole_units_loses_less(case: Case) -> None:
    pool, load, rates, unavailable = case
    found = rebalance(pool, load, rates=rates, unavailable=unavailable)
    best = least_loss(case)
    assert abs(found.after.weighted - best) <= 1e-4 * max(best, 1.0)


@given(cases())
def test_it_never_loses_more_than_doing_nothing(case: Case) -> None:
    pool, load, rates, unavailable = case
    found = rebalance(pool, load, rates=rates, unavailable=unavailable)
    assert found.after.weighted <= found.now.weighted + 1e-6
    normal = normal_again(pool, load, rates=rates, unavailable=unavailable)
    assert found.after.weighted <= normal.after.weighted + 1e-4


@given(cases())
def test_capacities_are_kept_and_weights_are_whole(case: Case) -> None:
    pool, load, rates, unavailable = case
    found = rebalance(pool, load, rates=rates, unavailable=unavailable)
    slack = 1e-5 * max(found.total, 1.0)
    for one, member in zip(found.members, pool.members, strict=True):
        assert one.load_after <= (0.0 if one.unavailable else member.capacity) + slack
        assert not (one.unavailable and one.weight_after)
    parts = [one.weight_after * PARTS for one in found.members]
    assert sum(round(part) for part in parts) == (PARTS if found.is_possible else 0)
    assert all(abs(part - round(part)) < 1e-6 for part in parts)
    for traffic in found.traffic:
        assert -slack <= traffic.served_after <= traffic.load + slack
        shares = zip(traffic.weights_after, pool.members, strict=True)
        if traffic.served_after > slack:
            assert all(
                share == 0 or member.serves is None or member.serves >= set(traffic.services)
                for share, member in shares
            )
    served = sum(traffic.served_after for traffic in found.traffic)
    assert abs(served - sum(one.load_after for one in found.members)) <= slack


SOME_SERVICES = st.none() | st.frozensets(st.sampled_from(SERVICES), min_size=1)
SIZES = st.just(0.0) | st.floats(1e-5, 1e5)


@given(
    st.lists(st.tuples(st.floats(1e-5, 1e5), SOME_SERVICES), min_size=1, max_size=6),
    st.fixed_dictionaries(dict.fromkeys(SERVICES, SIZES)),
    st.fixed_dictionaries(dict.fromkeys(SERVICES, SIZES)),
    st.lists(SIZES, min_size=6, max_size=6),
)
def test_sizes_may_differ_as_much_as_they_like(
    members: list[tuple[float, frozenset[NodeId] | None]],
    loads: dict[NodeId, float],
    money: dict[NodeId, float],
    there: list[float],
) -> None:
    """A service with a millionth of the traffic may be the one worth most."""
    names = [NodeId(f"web-{number}") for number in range(len(members))]
    pool = Pool(
        id="web",
        members=tuple(
            Member(id=name, capacity=room, serves=serves) for name, (room, serves) in zip(names, members, strict=True)
        ),
        serves=SERVICES,
    )
    load = Load(by_service=loads, by_member=dict(zip(names, there, strict=False)))
    found = rebalance(pool, load, rates={one: Rate(rate, rate) for one, rate in money.items()}, unavailable={})
    assert found.after.weighted <= found.now.weighted + 1e-9
    for one in found.members:
        assert one.load_after <= one.capacity + 1e-6 * (one.capacity + found.total)


@given(cases(), st.sampled_from(MEMBERS), st.sampled_from([-1, 1]))
def test_one_more_unit_saves_at_most_what_it_is_said_to_be_worth(case: Case, which: NodeId, more: int) -> None:
    """The loss is convex in each capacity, and the worth is its slope: it lies below the loss on both sides."""
    pool, load, rates, unavailable = case
    changed = tuple(
        replace(one, capacity=one.capacity + more) if one.id == which and one.capacity + more > 0 else one
        for one in pool.members
    )
    difference = {one.id: one.capacity for one in changed}
    found = rebalance(pool, load, rates=rates, unavailable=unavailable)
    other = least_loss((replace(pool, members=changed), load, rates, unavailable))
    for one in found.members:
        if one.member == which and not one.unavailable:
            change = difference[which] - one.capacity
            assert other >= found.after.weighted - one.worth_per_unit * change - 1e-3


@given(cases(), st.permutations(MEMBERS))
def test_names_and_repetition_do_not_matter(case: Case, names: list[NodeId]) -> None:
    pool, load, rates, unavailable = case
    found = rebalance(pool, load, rates=rates, unavailable=unavailable)
    assert rebalance(pool, load, rates=rates, unavailable=unavailable) == found
    name: Mapping[NodeId, NodeId] = dict(zip(MEMBERS, names, strict=True))
    renamed = replace(
        pool,
        members=tuple(sorted((replace(one, id=name[one.id]) for one in pool.members), key=lambda one: one.id)),
    )
    again = rebalance(
        renamed,
        replace(load, by_member={name[one]: units for one, units in load.by_member.items()}),
        rates=rates,
        unavailable={name[one]: why for one, why in unavailable.items()},
    )
    assert abs(again.after.weighted - found.after.weighted) <= 1e-4
    assert abs(again.pressed_after - found.pressed_after) <= 1e-4


@given(cases())
def test_who_is_comfortable_and_full_of_nothing_is_left_alone(case: Case) -> None:
    """Without pressure nothing moves."""
    pool, load, rates, unavailable = case
    found = rebalance(pool, load, rates=rates, unavailable=unavailable)
    if not found.pressed and load.total and found.now.weighted <= 1e-9 and not pool.is_divided:
        assert found.moved <= 1e-5
        assert not found.helps


@given(
    st.lists(st.tuples(st.integers(0, 20), st.integers(1, 10)), min_size=1, max_size=5),
    st.floats(0, 1),
    st.sampled_from([0.5, 0.8, 1.0]),
)
def test_members_that_are_alike_are_filled_within_their_comfort_while_that_is_possible(
    members: list[tuple[int, int]], share: float, comfortable: float
) -> None:
    now, capacity = [float(one) for one, _ in members], [float(one) for _, one in members]
    total = share * sum(capacity)
    filled = filled_members(total, now, capacity, comfortable)
    assert abs(sum(filled) - total) <= 1e-9 * max(total, 1)
    most = comfortable if total <= comfortable * sum(capacity) else 1.0
    assert all(-1e-9 <= load <= most * room + 1e-9 for load, room in zip(filled, capacity, strict=True))
    if sum(now) <= total <= comfortable * sum(capacity) + 1e-9:
        kept = [min(before, comfortable * room) for before, room in zip(now, capacity, strict=True)]
        assert all(load >= stays - 1e-9 for load, stays in zip(filled, kept, strict=True))
