"""Suspicion against its slow oracle, and what must hold whatever fails."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bsm_remediate.domain.anomaly import Anomalies
from bsm_remediate.domain.suspicion import Links, Scene, suspicion
from tests.property.slow_suspicion import Slow

SKEW_S = 30.0


@st.composite
def scenes(draw: st.DrawFn, *, all_signal: bool = False) -> Scene:
    """Up to ten places with any links among them, circles included, some of which speak."""
    number = draw(st.integers(2, 10))
    pairs = st.tuples(st.integers(0, number - 1), st.integers(0, number - 1)).filter(lambda one: one[0] != one[1])
    links = sorted(draw(st.sets(pairs, max_size=2 * number)))
    speakers = sorted(draw(st.sets(st.integers(0, number - 1), min_size=1)))
    signals = draw(st.lists(st.tuples(st.sampled_from(range(len(speakers))), SIGNAL), max_size=12))
    if all_signal:
        signals += [(place, draw(SIGNAL)) for place in range(len(speakers))]
    owner = np.array([place for place, _ in signals], np.int32)
    onset_s = np.array([onset for _, (onset, _, _, _) in signals], np.float64)
    kinds = np.array([kind for _, (_, _, _, kind) in signals], np.int64)
    has = [{kind for place, (_, _, _, kind) in signals if place == one} for one in range(len(speakers))]
    return Scene(
        links=Links(
            number=number,
            owners=np.array([owner for owner, _ in links], np.int32),
            ends=np.array([end for _, end in links], np.int32),
            share=np.array([draw(st.sampled_from([0.5, 1.0])) for _ in links], np.float64),
            is_component=np.array([draw(st.booleans()) or one in speakers for one in range(number)], np.bool_),
        ),
        speakers=np.array(speakers, np.int32),
        anomalies=Anomalies(
            owner=owner,
            onset_s=onset_s - onset_s.min(initial=np.inf),
            strength=np.array([strength for _, (_, strength, _, _) in signals], np.float64),
            is_scored=np.array([is_scored for _, (_, _, is_scored, _) in signals], np.bool_),
            is_about_itself=kinds == 1,
            is_own=np.array([1 in one for one in has], np.bool_),
            is_demand=np.array([2 in one for one in has], np.bool_),
            is_demand_only=np.array([one == {2} for one in has], np.bool_),
        ),
        claim=np.array([draw(st.sampled_from([0.0, 1.0, 1.0])) for _ in speakers]),
        loss=np.array([0.0 if one in speakers else draw(st.sampled_from([0.0, 0.0, 10.0])) for one in range(number)]),
        skew_s=SKEW_S,
    )


SIGNAL = st.tuples(st.integers(0, 600), st.sampled_from([0.5, 1.0, 3.0]), st.booleans(), st.integers(0, 2))
"""Onset in seconds, strength, whether a sender gave it, kind."""


@given(scenes())
def test_it_is_what_the_slow_oracle_says(scene: Scene) -> None:
    assert suspicion(scene).tolist() == pytest.approx(Slow(scene).shares(), abs=2e-3)


@given(scenes())
def test_scores_are_shares(scene: Scene) -> None:
    found = suspicion(scene)
    assert (found >= 0).all()
    assert found.sum() == pytest.approx(1.0 if scene.claim.any() or len(found) == 1 else 0.0)


@given(scenes(all_signal=True), st.floats(0.1, 10), st.integers(-1000, 1000))
def test_only_ratios_of_strengths_and_differences_of_times_count(scene: Scene, factor: float, shift: int) -> None:
    said = scene.anomalies
    other = replace(said, strength=said.strength * factor, onset_s=said.onset_s + shift)
    assert suspicion(replace(scene, anomalies=other)).tolist() == pytest.approx(suspicion(scene).tolist(), abs=1e-3)


@given(scenes(), st.data())
def test_clocks_that_differ_by_less_than_the_skew_change_nothing(scene: Scene, data: st.DataObject) -> None:
    off = [data.draw(st.floats(0, SKEW_S)) for _ in scene.anomalies.owner]
    at_once = replace(scene, anomalies=replace(scene.anomalies, onset_s=np.zeros(len(off))))
    nearly = replace(scene, anomalies=replace(scene.anomalies, onset_s=np.array(off, np.float64)))
    # Of equally weighty signals the earliest speaks for its component, so each may have but one here.
    assert suspicion(single(nearly)).tolist() == pytest.approx(suspicion(single(at_once)).tolist(), abs=1e-6)


def single(scene: Scene) -> Scene:
    """With the first signal of each component only."""
    said = scene.anomalies
    _, first = np.unique(said.owner, return_index=True)
    return replace(
        scene,
        anomalies=replace(
            said,
            **{
                name: getattr(said, name)[first]
                for name in ("owner", "onset_s", "strength", "is_scored", "is_about_itself")
            },
        ),
    )


@given(st.integers(2, 100), st.integers(0, 10))
def test_the_end_of_a_long_chain_is_first(length: int, step_s: int) -> None:
    """Each signals some seconds after what it requires."""
    chain = np.arange(length, dtype=np.int32)
    none = np.zeros(length, np.bool_)
    scene = Scene(
        links=Links(
            number=length,
            owners=chain[:-1],
            ends=chain[1:],
            share=np.ones(length - 1),
            is_component=np.ones(length, np.bool_),
        ),
        speakers=chain,
        anomalies=Anomalies(
            owner=chain,
            onset_s=step_s * np.arange(length, 0, -1, dtype=np.float64),
            strength=np.ones(length),
            is_scored=none,
            is_about_itself=none,
            is_own=none,
            is_demand=none,
            is_demand_only=none,
        ),
        claim=np.ones(length),
        loss=np.zeros(length),
        skew_s=SKEW_S,
    )
    assert int(np.argmax(suspicion(scene))) == length - 1
