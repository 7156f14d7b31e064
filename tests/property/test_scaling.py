"""How many replicas, against the slow and obvious way: every number that may run."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from bsm_remediate.domain.ids import NodeId
from bsm_remediate.domain.pool import Load, Pool, Replicas
from bsm_remediate.domain.rebalancing import Rate
from bsm_remediate.domain.scaling import Scaling, scale

SERVICES = tuple(NodeId(one) for one in ("checkout", "search", "stock"))


@st.composite
def scalings(draw: st.DrawFn) -> Scaling:
    least = draw(st.integers(0, 3))
    replicas = Replicas(
        least=least,
        most=least + draw(st.integers(0, 8)),
        capacity=draw(st.sampled_from([1, 4, 10])),
        cost_per_minute=draw(st.sampled_from([0.0, 1.0, 5.0, 30.0])),
    )
    served = SERVICES[: draw(st.integers(1, 3))]
    rates = {one: Rate(rate, rate * 2) for one in served for rate in [draw(st.sampled_from([0.0, 1.0, 7.0, 60.0]))]}
    load = Load(by_service={one: draw(st.integers(0, 20)) for one in served}, replicas=draw(st.integers(0, 12)))
    pool = Pool(id="workers", members=(), replicas=replicas, serves=served)
    return scale(pool, load, rates=rates, share=0.8)


def total_cost(found: Scaling, count: int) -> float:
    """What `count` replicas cost a minute, and what is lost with them: the most valuable units find room first."""
    room, lost = count * found.replicas.capacity, 0.0
    units = [one.rate.weighted / one.load for one in found.demands if one.load > 0 for _ in range(round(one.load))]
    lost = sum(sorted(units, reverse=True)[int(room) :])
    return lost + count * found.replicas.cost_per_minute


@given(scalings())
def test_no_other_number_costs_less_together_with_what_is_lost(found: Scaling) -> None:
    replicas = found.replicas
    numbers = range(replicas.least, replicas.most + 1)
    best = min(total_cost(found, count) for count in numbers)
    room = found.wanted * replicas.capacity
    for_comfort = max(0.0, room - found.load) // replicas.capacity * replicas.cost_per_minute
    assert replicas.least <= found.wanted <= replicas.most
    assert total_cost(found, found.wanted) - for_comfort <= best + 1e-6


@given(scalings())
def test_what_is_served_whole_has_room_to_spare_where_that_many_may_run(found: Scaling) -> None:
    capacity, most = found.replicas.capacity, found.replicas.most
    if not any(one.shed for one in found.demands):
        assert found.load <= found.wanted * capacity + 1e-6
        assert found.load <= 0.8 * found.wanted * capacity + 1e-6 or found.wanted == most
        fewer = (found.wanted - 1) * capacity * 0.8
        assert found.wanted == found.replicas.least or fewer < found.load


@given(scalings())
def test_the_least_valuable_finds_no_room_first(found: Scaling) -> None:
    """Whoever is served in part is worth no more a unit than whoever is served whole."""
    worth = {one.name: one.rate.weighted / one.load for one in found.demands if one.load > 0}
    short = [worth[one.name] for one in found.demands if one.shed]
    whole = [worth[one.name] for one in found.demands if one.load > 0 and not one.shed]
    assert not short or not whole or max(short) <= min(whole) + 1e-9
