"""Which alternatives are tried and in which order, against trying every choice and every order."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from itertools import permutations

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from bsm_remediate.domain.attempts import by_gain, worth_trying
from bsm_remediate.domain.policy import Alternative
from bsm_remediate.testing.builders import alternative

ALTERNATIVES = st.builds(
    lambda seconds, percent: alternative(seconds=seconds, success=percent / 100),
    st.integers(1, 3600),
    st.integers(1, 100),
)


def expected_s(tried: Sequence[Alternative], person_s: float) -> float:
    """Until restored: each attempt takes its time, a failure goes on to the next, the last one to a person."""
    if not tried:
        return person_s
    first, *rest = tried
    return first.duration.total_seconds() + (1 - first.success) * expected_s(rest, person_s)


@given(st.lists(ALTERNATIVES, min_size=1, max_size=4), st.integers(1, 7200))
def test_by_gain_while_worth_it_no_choice_and_no_order_takes_less_time(
    alternatives: list[Alternative], person_s: int
) -> None:
    person = timedelta(seconds=person_s)
    assume(any(one.success * person > one.duration for one in alternatives))  # else one is tried all the same
    least = min(
        expected_s(order, person_s)
        for number in range(1, len(alternatives) + 1)
        for order in permutations(alternatives, number)
    )
    assert expected_s(worth_trying(by_gain(alternatives), person), person_s) == pytest.approx(least)
