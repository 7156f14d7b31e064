"""How much forecasts hang on their constants: each halved and doubled, and the best of these for series not seen."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from types import ModuleType

import forecast_made
import numpy as np
from forecast_rules import Floats, Question

from bsm_remediate.domain import (
    forecast_confirmation,
    forecast_history,
    forecast_paths,
    forecast_season,
    forecast_trend,
    forecaster,
)
from bsm_remediate.domain.forecast import EXPECTED

HALVED_AND_DOUBLED: tuple[tuple[ModuleType, str], ...] = (
    (forecast_history, "_SPAN"),
    (forecast_trend, "_JUMP"),
    (forecast_trend, "_SETTLED"),
    (forecast_paths, "_HALF_LIFE"),
    (forecast_paths, "_UNSEEN"),
    (forecast_season, "_SURE"),
    (forecaster, "_WINDOW"),
    (forecaster, "_LEAST_POINTS"),
    (forecaster, "_MOST_POINTS"),
    (forecaster, "_PER_BUCKET"),
    (forecast_confirmation, "_SHARE"),
)
OTHERWISE = ((forecast_confirmation, "ON", (0.65, 0.9)), (forecast_confirmation, "OFF", (0.3, 0.7)))
"""Shares, where twice as much means nothing."""
_MADE = 8
_CROSSING = ("leak", "daily season, one")


def report(asked: Sequence[Question], answered: Callable[[Sequence[Question]], Sequence[float]]) -> None:
    """A line each: right and Brier on recorded questions; warned, lead and false alarms a day on made series."""
    truth = np.array([question.crosses for question in asked])
    print(f"{'':32}{'right':>8}{'Brier':>8}{'warned':>10}{'lead':>8}{'false/day':>11}")
    said = {}
    for name, module, constant, value in variants():
        with changed(module, constant, value):
            said[name] = np.array(answered(asked))
            print(f"{name:32}{right(said[name], truth):8.3f}{((said[name] - truth) ** 2).mean():8.3f}{on_made()}")
    series = np.array([question.series for question in asked])
    chosen = np.zeros(len(truth), dtype=bool)
    for one in set(series.tolist()):
        others = series != one
        best = max(said, key=lambda name: right(said[name][others], truth[others]))  # the first of equals
        chosen[~others] = (said[best] > EXPECTED)[~others] == truth[~others]
    print(f"{'best on the other series':32}{chosen.mean():8.3f}")


def variants() -> Iterator[tuple[str, ModuleType, str, float]]:
    yield "as they are", forecast_history, "_SPAN", forecast_history._SPAN  # noqa: SLF001 - what is varied here
    for module, constant in HALVED_AND_DOUBLED:
        was = getattr(module, constant)
        for factor in (0.5, 2):
            value = type(was)(was * factor)
            yield label(constant, was, value), module, constant, value
    for module, constant, values in OTHERWISE:
        for value in values:
            yield label(constant, getattr(module, constant), value), module, constant, value


def label(constant: str, was: float, value: float) -> str:
    return f"{constant.strip('_').lower():16}{was:6g} → {value:<5g}"


def right(said: Floats, truth: Floats) -> float:
    return float(((said > EXPECTED) == truth).mean())


def on_made() -> str:
    crossings, warned, leads, alarms, days = 0, 0, [], 0, 0.0
    for family, (make, noise, spikes) in forecast_made.FAMILIES.items():
        series = [make(np.random.default_rng((20260107, seed)), noise, spikes) for seed in range(_MADE)]
        found = forecast_made.outcome(series, forecast_made.ours)
        if family.startswith(_CROSSING):
            crossings, warned = crossings + found.crossings, warned + found.warned
            leads += [] if found.lead_min is None or not family.startswith("leak") else [found.lead_min]
        alarms, days = alarms + found.alarms - found.true_alarms, days + found.quiet_days
    return f"{f'{warned}/{crossings}':>10}{np.mean(leads):7.1f}m{alarms / days:11.2f}"


@contextmanager
def changed(module: ModuleType, constant: str, value: float) -> Iterator[None]:
    was = getattr(module, constant)
    setattr(module, constant, value)
    try:
        yield
    finally:
        setattr(module, constant, was)
