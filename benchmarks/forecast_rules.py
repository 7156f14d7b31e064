"""What forecasts are compared with: simple rules, and how much 22 facts about the last day could tell at best."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
_DAY_S = 86400.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Question:
    """Whether a series reaches `threshold` within the horizon after `now_s`; its samples end at `now_s`."""

    name: str
    series: str
    threshold: float
    now_s: float
    history_s: float
    horizon_s: float
    times: Floats
    values: Floats
    crosses: bool

    @property
    def given(self) -> tuple[Floats, Floats]:
        """The history that belongs to the question: times before now (≤ 0) and values."""
        inside = self.times > self.now_s - self.history_s
        return self.times[inside] - self.now_s, self.values[inside]


def never(_: Question) -> float:
    return 0.0


def predict_linear(question: Question, window_s: float = 3600.0) -> float:
    """PromQL's function of that name over the last hour: least squares, and its value at the horizon."""
    times, values = question.given
    return float(linear(times, values, window_s=window_s, ahead_s=question.horizon_s) >= question.threshold)


def linear(times: Floats, values: Floats, *, window_s: float, ahead_s: float) -> float:
    inside = times >= -window_s
    if np.count_nonzero(inside) < 2:
        return float("-inf")
    slope, level = np.polyfit(times[inside], values[inside], 1)
    return float(level + slope * ahead_s)


def crossed_within_a_day(question: Question) -> float:
    _, values = question.given
    return float(bool((values >= question.threshold).any()))


RULES = {
    "never": never,
    "predict_linear over an hour": predict_linear,
    "crossed in the last 24 h": crossed_within_a_day,
}


# --- how much there is to be known ------------------------------------------------------------------------------------


def fitted_to_others(questions: Sequence[Question]) -> Mapping[str, Floats]:
    """The answers of a logistic regression on facts about the last day: fitted to these very questions, and fitted to
    all series but the one that is asked about.
    """
    facts = np.array([known(question) for question in questions])
    facts = (facts - facts.mean(axis=0)) / (facts.std(axis=0) + 1e-9)
    facts = np.column_stack((facts, np.ones(len(facts))))
    truth = np.array([float(question.crosses) for question in questions])
    series = np.array([question.series for question in questions])
    unseen = np.zeros(len(truth))
    for one in set(series):
        asked = series == one
        unseen[asked] = _logistic(facts[asked] @ _fit(facts[~asked], truth[~asked]))
    return {"fitted to these answers": _logistic(facts @ _fit(facts, truth)), "fitted to the other series": unseen}


def known(question: Question) -> list[float]:
    """Facts that could matter: when and how often it crossed, how near it was, how its level and spread changed."""
    times, values = question.given
    span, threshold = question.horizon_s, question.threshold
    over = times[values >= threshold]
    middle = float(np.median(values))
    reach = abs(threshold - middle) + 1e-12
    spread = float(np.median(np.abs(values - middle))) + 1e-3 * abs(threshold) + 1e-12
    blocks = [(times > -(back + 1) * span) & (times <= -back * span) for back in range(int(_DAY_S // span))]
    hour = values[times > -3600] if (times > -3600).any() else values[-1:]
    latest = values[blocks[0]] if blocks[0].any() else values[-1:]
    rises = _rises(times, values, span)
    facts = [float(np.log1p(np.count_nonzero((values >= threshold) & block))) for block in blocks]
    facts += [
        float(np.tanh(2 * (values[block].max() - threshold) / reach)) if block.any() else -1.0 for block in blocks
    ]
    facts += [
        float(len(over) > 0),
        float(np.log1p(len(over))),
        float(np.exp(over[-1] / span)) if len(over) else 0.0,
        float(((over > -_DAY_S) & (over <= -_DAY_S + span)).any()),
        float(np.tanh((threshold - np.median(hour)) / reach)),
        float(np.tanh((threshold - hour.max()) / reach)),
        float((np.median(hour) + rises >= threshold).mean()) if len(rises) else 0.5,
        float(np.tanh((threshold - middle) / spread / 10)),
        float(np.log((np.median(np.abs(latest - np.median(latest))) + 1e-3 * spread) / spread)),
        float(np.log((latest.std() + 1e-9 * spread) / (values.std() + 1e-9 * spread))),
        float(np.tanh((np.median(latest) - middle) / reach)),
        float(len(values) < 280),
        float(np.tanh((linear(times, values, window_s=3600, ahead_s=span) - threshold) / reach)),
        float(np.tanh((linear(times, values, window_s=span, ahead_s=span) - threshold) / reach)),
    ]
    return facts


def _rises(times: Floats, values: Floats, span: float) -> Floats:
    """From the level of an hour to the highest value of the horizon after it, every quarter of an hour."""
    found = []
    for start in np.arange(-_DAY_S + 3600, -span + 1, 900):
        before, after = (times > start - 3600) & (times <= start), (times > start) & (times <= start + span)
        if before.any() and after.any():
            found.append(values[after].max() - np.median(values[before]))
    return np.array(found)


def _fit(facts: Floats, truth: Floats, *, ridge: float = 1.0) -> Floats:
    weights = np.zeros(facts.shape[1])
    penalty = np.eye(len(weights)) * ridge
    penalty[-1, -1] = 1e-6
    for _ in range(50):
        chance = _logistic(facts @ weights)
        slope = facts.T @ (chance - truth) + penalty @ weights
        curve = (facts * (chance * (1 - chance))[:, None]).T @ facts + penalty
        weights = weights - np.linalg.solve(curve, slope)
    return weights


def _logistic(score: Floats) -> Floats:
    chance: Floats = 1 / (1 + np.exp(-score))
    return chance
