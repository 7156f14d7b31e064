"""Percentiles of sketches against those of the sorted figures."""

from __future__ import annotations

import math
from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from bsm_remediate.domain.sketch import ERROR, MOST_BINS, Sketch, bin_of, error_of, together

FIGURES = st.floats(allow_nan=False, allow_infinity=False)
USUAL = st.one_of(
    FIGURES, st.floats(-100, 100), st.integers(-5, 5).map(float), st.sampled_from([0.0, 5e-324, -1.7e308, 1e-300])
)
SHARES = st.sampled_from([0.01, 0.5, 0.9, 0.95, 0.99, 1.0])


def sketch(figures: list[float]) -> Sketch:
    made = Sketch()
    for one in figures:
        made.add(one)
    return made


def exact(figures: list[float], share: float) -> float:
    return sorted(figures)[math.ceil(share * len(figures)) - 1]


def is_near(found: float, figure: float, error: float) -> bool:
    """Where floats have hardly a digit left, at the smallest and the greatest, the next one is near."""
    return abs(found - figure) <= error * 1.000_001 * abs(figure) + 1e-323


@given(st.lists(USUAL, min_size=1, max_size=200), SHARES)
@settings(max_examples=500)
def test_a_percentile_is_off_by_a_hundredth_of_itself_at_most(figures: list[float], share: float) -> None:
    assert is_near(sketch(figures).percentile(share), exact(figures, share), ERROR)


@given(st.lists(USUAL, min_size=1, max_size=60), st.integers(300, 900), SHARES)
@settings(max_examples=100, deadline=None)
def test_of_more_bins_than_are_kept_it_is_off_by_what_the_level_says(
    figures: list[float], more: int, share: float
) -> None:
    wide = [*figures, *(1.07**one for one in range(more))]
    made = sketch(wide)
    assert len(made.bins) <= MOST_BINS
    assert made.level > 0
    assert is_near(made.percentile(share), exact(wide, share), error_of(made.level))


@given(st.lists(st.lists(USUAL, max_size=150), max_size=5), st.randoms(use_true_random=False))
@settings(max_examples=200, deadline=None)
def test_several_together_are_what_one_would_have_counted(parts: list[list[float]], chance: Random) -> None:
    whole = [one for part in parts for one in part]
    shuffled = list(parts)
    chance.shuffle(shuffled)
    made = together(sketch(part) for part in shuffled)
    assert made == together([sketch(part) for part in parts])
    assert made == sketch(whole)


@given(st.lists(USUAL, max_size=400))
@settings(max_examples=200, deadline=None)
def test_a_sketch_comes_back_from_its_bytes(figures: list[float]) -> None:
    made = sketch(figures)
    assert Sketch.of(made.packed()) == made


@given(FIGURES, FIGURES)
@settings(max_examples=500)
def test_bins_are_in_the_order_of_their_figures(one: float, other: float) -> None:
    lower, upper = sorted((one, other))
    assert bin_of(lower) <= bin_of(upper)


def test_however_many_figures_there_are_it_needs_the_same_room() -> None:
    made = sketch([(-1) ** one * 1.5 ** (one % 1000) for one in range(20_000)])
    assert made.count == 20_000
    assert len(made.bins) <= MOST_BINS
    assert len(made.packed()) < 6 * MOST_BINS
