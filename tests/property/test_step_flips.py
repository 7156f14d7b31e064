"""What a step says would have to change for the next one to come first, tried."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from hypothesis import assume, given, settings
from hypothesis import strategies as st

from bsm_remediate.domain.evaluation import Evaluator
from bsm_remediate.domain.plan import Plan
from bsm_remediate.domain.policy import Evidence
from bsm_remediate.testing.builders import alert, alternative, bundle, component, policy, service, situation

_SECONDS = re.compile(r"takes over (\d+) s of work")
_MONEY = re.compile(r"stops under ([\d.]+) EUR/min")
_NEEDS = re.compile(r"needs? (\d+) s of work")


@dataclass(frozen=True, kw_only=True, slots=True)
class Repair:
    """A component, the service on top of it, and what else that service needs."""

    seconds: int
    loss: float
    also: tuple[int, ...] = ()


def planned(repairs: list[Repair]) -> Plan:
    """All of them failed, one executor."""
    names = [f"c{number}" for number in range(len(repairs))]
    shop = bundle(
        *map(component, names),
        *(
            service(f"s{number}", requires=[names[one] for one in {number, *repair.also}], loss=repair.loss)
            for number, repair in enumerate(repairs)
        ),
        *(
            policy(
                f"p-{name}",
                match={"alertname": f"{name} down"},
                evidence=Evidence.DIRECT,
                do=[alternative(seconds=repair.seconds, success=1.0)],
            )
            for name, repair in zip(names, repairs, strict=True)
        ),
    )
    alerts = [alert(f"{name} down", instance=name) for name in names]
    return Evaluator(shop).evaluate(situation(*alerts, executors=1)).plan


def order(made: Plan) -> list[int]:
    return [int(str(step.decision.component)[1:]) for step in made.steps]


alone = st.lists(st.builds(Repair, seconds=st.integers(10, 300), loss=st.integers(1, 200)), min_size=2, max_size=5)
tied = st.lists(
    st.builds(
        Repair,
        seconds=st.integers(10, 300),
        loss=st.integers(1, 200),
        also=st.lists(st.integers(0, 3), max_size=2).map(tuple),
    ),
    min_size=4,
    max_size=6,
)


@settings(max_examples=100, deadline=None)
@given(alone)
def test_a_little_beyond_what_was_said_the_next_comes_first_and_a_little_before_it_does_not(
    repairs: list[Repair],
) -> None:
    made = planned(repairs)
    for step, mine, other in zip(made.steps, order(made), order(made)[1:], strict=False):
        seconds, money = _SECONDS.search(step.flips), _MONEY.search(step.flips)
        if seconds is None or money is None:
            assert not step.flips
            continue
        for changed, is_beyond in (
            (replace(repairs[mine], seconds=int(seconds[1]) + 1), True),
            (replace(repairs[mine], seconds=max(int(seconds[1]) - 1, repairs[mine].seconds)), False),
            (replace(repairs[mine], loss=float(money[1]) * 0.99 - 0.01), True),
            (replace(repairs[mine], loss=float(money[1]) * 1.01 + 0.01), False),
        ):
            assume(changed.loss > 0)
            found = order(planned([*repairs[:mine], changed, *repairs[mine + 1 :]]))
            assert (found.index(other) < found.index(mine)) == is_beyond


@settings(max_examples=100, deadline=None)
@given(tied)
def test_what_would_have_to_change_is_not_the_case_already(repairs: list[Repair]) -> None:
    """Where services share work too, and whatever the densities of two neighbours are."""
    made = planned(repairs)
    for step in made.steps:
        needs, seconds, money = (one.search(f"{step.reason} {step.flips}") for one in (_NEEDS, _SECONDS, _MONEY))
        if needs is not None and seconds is not None:
            assert int(seconds[1]) >= int(needs[1])
        if money is not None:
            assert float(money[1]) <= step.loss_stopped_per_minute_of_work * int(needs[1] if needs else 0) / 60 + 0.02
