"""Made series whose end is known: who is warned before a crossing, how long before, and who is warned for nothing.

Samples come every 30 seconds for six hours, and the threshold is 90; the horizon is 15 minutes, with seasons 2 hours.
Ours goes through its confirmation; `predict_linear` over two horizons must say so twice in a row, as with a `for`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from statistics import median

import numpy as np
from forecast_rules import Floats, linear

from bsm_remediate.domain.forecast import Direction
from bsm_remediate.domain.forecast_confirmation import Confirmation
from bsm_remediate.domain.forecaster import Forecaster

EPOCH = datetime(2026, 1, 5, tzinfo=UTC)
STEP_S, HORIZON = 30, timedelta(minutes=15)
THRESHOLD = 90.0
LENGTH = 720
_ASKED_EVERY = 2
_DAY = 2880


@dataclass(frozen=True, kw_only=True, slots=True)
class Made:
    """`crossing` is the first sample whose true level, without noise and spikes, is at the threshold."""

    values: Floats
    crossing: int | None
    asked_from: int = 60
    horizon: timedelta = HORIZON


@dataclass(frozen=True, kw_only=True, slots=True)
class Outcome:
    """Over all series of a family."""

    crossings: int
    warned: int  # of the crossings, before them
    lead_min: float | None  # the median, of those warned
    alarms: int
    true_alarms: int  # followed by a crossing within two horizons
    quiet_days: float  # without one: the time in which any alarm is false

    @property
    def false_a_day(self) -> float:
        return (self.alarms - self.true_alarms) / self.quiet_days


Switch = Callable[[Made], list[int]]
"""The samples at which an alarm begins."""


def leak(chance: np.random.Generator, noise: float, spikes: float) -> Made:
    """Flat for two hours, then up by 10 to 40 an hour."""
    slope = chance.uniform(10, 40) * STEP_S / 3600
    level = 50 + np.maximum(0, np.arange(LENGTH) - 240) * slope
    return _sampled(level, chance, noise, spikes)


def flat(chance: np.random.Generator, noise: float, spikes: float) -> Made:
    return _sampled(np.full(LENGTH, chance.uniform(40, 70)), chance, noise, spikes)


def wandering(chance: np.random.Generator, noise: float, spikes: float) -> Made:
    """A random walk that comes back: no trend is to be seen, and it may cross all the same."""
    level = np.empty(LENGTH)
    level[0] = 60.0
    for at in range(1, LENGTH):
        level[at] = level[at - 1] + 0.005 * (60 - level[at - 1]) + chance.normal(0, 1.0)
    return _sampled(level, chance, noise, spikes)


def sawtooth(chance: np.random.Generator, noise: float, spikes: float) -> Made:
    """A leak that a restart every hour ends at 75."""
    return _sampled(40 + np.arange(LENGTH) % 120 * (35 / 120), chance, noise, spikes)


def steps(chance: np.random.Generator, noise: float, spikes: float) -> Made:
    """Another level every hour, always below the threshold."""
    return _sampled(np.repeat(chance.uniform(30, 80, LENGTH // 120), 120), chance, noise, spikes)


def daily(chance: np.random.Generator, noise: float, spikes: float) -> Made:
    """Four days between 25 and 85; asked about on the last one."""
    return _seasonal(np.zeros(4 * _DAY), chance, noise, spikes)


def growing(chance: np.random.Generator, noise: float, spikes: float) -> Made:
    """The same, and on the last day it lies 10 to 20 higher than before."""
    more = np.repeat((0.0, chance.uniform(10, 20)), (3 * _DAY, _DAY))
    return _seasonal(more, chance, noise, spikes)


def _seasonal(more: Floats, chance: np.random.Generator, noise: float, spikes: float) -> Made:
    hours = np.arange(4 * _DAY) * STEP_S / 3600
    level = 55 - 30 * np.cos(hours * np.pi / 12) + more
    return replace(_sampled(level, chance, noise, spikes), asked_from=3 * _DAY, horizon=timedelta(hours=2))


FAMILIES: Mapping[str, tuple[Callable[[np.random.Generator, float, float], Made], float, float]] = {
    "leak, noise 1 %": (leak, 1.0, 0.0),
    "leak, noise 3 %": (leak, 3.0, 0.0),
    "leak, noise 3 %, spikes 5 %": (leak, 3.0, 0.05),
    "leak, noise 3 %, spikes 10 %": (leak, 3.0, 0.10),
    "flat, noise 3 %": (flat, 3.0, 0.0),
    "flat, noise 3 %, spikes 5 %": (flat, 3.0, 0.05),
    "flat, noise 3 %, spikes 10 %": (flat, 3.0, 0.10),
    "sawtooth, noise 1 %": (sawtooth, 1.0, 0.0),
    "steps, noise 1 %": (steps, 1.0, 0.0),
    "wandering, noise 1 %": (wandering, 1.0, 0.0),
    "daily season, noise 1 %": (daily, 1.0, 0.0),
    "daily season, one higher day": (growing, 1.0, 0.0),
}


def report(*, number: int) -> Mapping[str, Outcome]:
    """Two lines for each family; gives what ours did."""
    heads = ("warned", "lead", "precision", "false/day")
    print(f"{'made series':32}{'':16}" + "".join(f"{head:>11}" for head in heads))
    found = {}
    for family, (make, noise, spikes) in FAMILIES.items():
        made = [make(np.random.default_rng((20260105, seed)), noise, spikes) for seed in range(number)]
        found[family] = outcome(made, ours)
        print(row(family, "ours", found[family]))
        print(row("", "predict_linear", outcome(made, by_line)))
    return found


def row(family: str, who: str, found: Outcome) -> str:
    warned = f"{found.warned}/{found.crossings}" if found.crossings else "-"
    lead = "-" if found.lead_min is None else f"{found.lead_min:.1f}m"
    precision = f"{found.true_alarms / found.alarms:.2f}" if found.alarms and found.crossings else "-"
    return f"{family:32}{who:16}{warned:>11}{lead:>11}{precision:>11}{found.false_a_day:11.2f}"


def outcome(series: list[Made], switch: Switch) -> Outcome:
    leads, alarms, true, crossings = [], 0, 0, 0
    quiet = 0
    for made in series:
        reach = int(2 * made.horizon.total_seconds() / STEP_S)
        begun = [at for at in switch(made) if made.crossing is None or at < made.crossing]
        good = [at for at in begun if made.crossing is not None and made.crossing - at <= reach]
        alarms, true = alarms + len(begun), true + len(good)
        end = len(made.values) if made.crossing is None else max(made.asked_from, made.crossing - reach)
        quiet += end - made.asked_from
        if made.crossing is not None:
            crossings += 1
            leads += [(made.crossing - good[0]) * STEP_S / 60] if good else []
    return Outcome(
        crossings=crossings,
        warned=len(leads),
        lead_min=median(leads) if leads else None,
        alarms=alarms,
        true_alarms=true,
        quiet_days=quiet / _DAY,
    )


def ours(made: Made) -> list[int]:
    return list(_begun(made, _said_by_ours(made)))


def _said_by_ours(made: Made) -> Iterator[tuple[int, bool]]:
    forecaster, state = Forecaster(), Confirmation()
    for at, value in enumerate(made.values):
        now = EPOCH + timedelta(seconds=at * STEP_S)
        forecaster.observe(now, float(value))
        if at >= made.asked_from and at % _ASKED_EVERY == 0:
            state = state.after(forecaster.expect(THRESHOLD, Direction.ABOVE, made.horizon, now), now)
            yield at, state.is_on


def by_line(made: Made) -> list[int]:
    return list(_begun(made, _said_by_line(made)))


def _said_by_line(made: Made) -> Iterator[tuple[int, bool]]:
    horizon_s = made.horizon.total_seconds()
    window = int(2 * horizon_s / STEP_S)
    before = False
    for at in range(made.asked_from, len(made.values), _ASKED_EVERY):
        values = made.values[max(0, at + 1 - window) : at + 1]
        times = np.arange(1 - len(values), 1) * float(STEP_S)
        now = linear(times, values, window_s=3 * horizon_s, ahead_s=horizon_s) >= THRESHOLD
        yield at, now and before
        before = now


def _begun(made: Made, said: Iterator[tuple[int, bool]]) -> Iterator[int]:
    was_on = False
    for at, is_on in said:
        if made.crossing is not None and at >= made.crossing:
            return
        if is_on and not was_on:
            yield at
        was_on = is_on


def _sampled(level: Floats, chance: np.random.Generator, noise: float, spikes: float) -> Made:
    """Spikes are single samples 30 to 60 higher, mostly beyond the threshold."""
    values = level + chance.normal(0, noise, len(level))
    hit = chance.random(len(level)) < spikes
    values[hit] += chance.uniform(30, 60, int(hit.sum()))
    over = np.flatnonzero(level >= THRESHOLD)
    crossing = int(over[0]) if len(over) else None
    return Made(values=values, crossing=crossing)
