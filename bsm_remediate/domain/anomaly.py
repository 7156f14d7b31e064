"""Anomalies: what the signals of failing components say for the ranking of causes: since when, how strongly, of what
kind. A storm is many components with a few signals each, or few with very many: of one component a few are enough.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isfinite

import numpy as np
from numpy.typing import NDArray

from bsm_remediate.domain.alert_kind import AlertKind, kind_of
from bsm_remediate.domain.ids import NodeId
from bsm_remediate.domain.policy import Evidence
from bsm_remediate.domain.signal import Signal
from bsm_remediate.domain.state import State
from bsm_remediate.domain.topology import Numbers

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]

SCORE = "score"
"""Annotation in which a sender says how strong the anomaly is: any positive scale, for only ratios are looked at."""
_MOST = 8
"""Signals looked at of one component: the earliest half and the latest half of them."""
_WEAKER = 0.5
"""How strong a degradation is beside an outage, where no sender says it."""


@dataclass(frozen=True, kw_only=True)
class Anomalies:
    """Of some components, by place: what their signals say. The first five arrays are by signal."""

    owner: Numbers
    """The place of the component."""
    onset_s: Floats
    """Seconds since the earliest of all."""
    strength: Floats
    """1 is the usual strength."""
    is_scored: Flags
    is_about_itself: Flags
    """It is direct evidence, or speaks of the component's own process, machine or resources."""
    is_own: Flags
    """By place: a signal is about the component itself."""
    is_demand: Flags
    """By place: a signal speaks of too little demand."""
    is_demand_only: Flags

    def __len__(self) -> int:
        return len(self.is_own)


def read_anomalies(components: Sequence[NodeId], signals: Mapping[NodeId, Sequence[Signal]]) -> Anomalies:
    """What the signals of `components` say. One whose state is known otherwise, without a signal, has none."""
    number = len(components)
    owner: list[int] = []
    onsets: list[float] = []
    strengths: list[float] = []
    scores: list[float] = []
    about_itself: list[bool] = []
    is_own, is_demand, is_demand_only = bytearray(number), bytearray(number), bytearray(number)
    for place, component in enumerate(components):
        said = signals.get(component, ())
        if len(said) > _MOST:
            said = (*said[: _MOST // 2], *said[-_MOST // 2 :])
        other = False
        for signal in said:
            kind = AlertKind.OWN if signal.evidence is Evidence.DIRECT else kind_of(signal.name)
            if kind is AlertKind.OWN:
                is_own[place] = other = True
            elif kind is AlertKind.DEMAND:
                is_demand[place] = True
            else:
                other = True
            about_itself.append(kind is AlertKind.OWN)
            owner.append(place)
            onsets.append(signal.since.timestamp())
            scores.append(_score(signal))
            strengths.append(1.0 if signal.sets is State.DOWN else _WEAKER)
        is_demand_only[place] = is_demand[place] and not other
    return Anomalies(
        owner=np.array(owner, np.int32),
        onset_s=np.array(onsets) - min(onsets, default=0.0),
        strength=_scaled(np.array(scores), np.array(strengths)),
        is_scored=np.array(scores) > 0,
        is_about_itself=np.array(about_itself, np.bool_),
        is_own=np.frombuffer(is_own, np.bool_),
        is_demand=np.frombuffer(is_demand, np.bool_),
        is_demand_only=np.frombuffer(is_demand_only, np.bool_),
    )


def _scaled(scores: Floats, strengths: Floats) -> Floats:
    """Scores as multiples of the middle one; those without a score as strong as their state."""
    given = scores[scores > 0]
    if not len(given):
        return strengths
    return np.where(scores > 0, scores / np.median(given), strengths)


def _score(signal: Signal) -> float:
    """What the sender says; 0 where it says nothing that could be a strength."""
    said = signal.alert.annotations.get(SCORE)
    if said is None:
        return 0.0
    try:
        score = float(said)
    except ValueError:
        return 0.0
    return min(max(score, 1e-9), 1e9) if isfinite(score) and score > 0 else 0.0
