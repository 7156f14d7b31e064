"""Anomalies: what the signals of failing components say for the ranking of causes: since when, how strongly, of what
kind. A storm is many components with a few signals each, or few with very many: of one component a few are enough.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

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
    """It is direct evidence, or speaks of the component's own process, machine or resources. Where most components have
    direct evidence, that tells them apart no longer, and the names alone decide.
    """
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
    read = [(place, signal) for place, one in enumerate(components) for signal in _few(signals.get(one, ()))]
    owner = np.array([place for place, _ in read], np.int32)
    kinds = [kind_of(signal.name) for _, signal in read]
    is_declared = np.array([signal.evidence is Evidence.DIRECT for _, signal in read], np.bool_)
    if 2 * len(np.unique(owner[is_declared])) > number > 1:
        is_declared[:] = False
    is_own = np.array([kind is AlertKind.OWN for kind in kinds], np.bool_) | is_declared
    is_demand = np.array([kind is AlertKind.DEMAND for kind in kinds], np.bool_) & ~is_own
    onsets = np.array([signal.since.timestamp() for _, signal in read])
    scores = np.array([signal.score for _, signal in read])
    by_state = np.array([1.0 if signal.sets is State.DOWN else _WEAKER for _, signal in read])
    lacks_demand = np.bincount(owner[is_demand], minlength=number)
    return Anomalies(
        owner=owner,
        onset_s=onsets - onsets.min(initial=np.inf),
        strength=_scaled(scores, by_state),
        is_scored=scores > 0,
        is_about_itself=is_own,
        is_own=np.bincount(owner[is_own], minlength=number) > 0,
        is_demand=lacks_demand > 0,
        is_demand_only=(lacks_demand > 0) & (lacks_demand == np.bincount(owner, minlength=number)),
    )


def is_about_itself(signal: Signal) -> bool:
    """It is direct evidence, or its name speaks of the component's own process, machine or resources."""
    return signal.evidence is Evidence.DIRECT or kind_of(signal.name) is AlertKind.OWN


def _few(said: Sequence[Signal]) -> Sequence[Signal]:
    return said if len(said) <= _MOST else (*said[: _MOST // 2], *said[-_MOST // 2 :])


def _scaled(scores: Floats, strengths: Floats) -> Floats:
    """Scores as multiples of the middle one; those without a score as strong as their state."""
    given = scores[scores > 0]
    if not len(given):
        return strengths
    return np.where(scores > 0, scores / np.median(given), strengths)
