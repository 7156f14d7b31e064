"""Forecasts: whether recorded and made series cross a threshold, beside simple rules; how fast, and in what memory.

    python benchmarks/forecast.py [--data ../shared/data] [--made 40] [--constants] [--ceiling] [--quick]

Recorded: the set's questions "given 24 hours, does it reach the threshold within 6?". Ours answers yes from one half
on, once from those 24 hours and once from all that came before, as an engine would have it (it holds a week). `--made`
is the number of made series of each family. `--constants` halves and doubles every constant, and picks for each series
what did best on the others; `--ceiling` fits a regression on 22 facts to the answers themselves, to see how much there
is to be known.
"""

from __future__ import annotations

import argparse
import csv
import json
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import forecast_constants
import forecast_made
import forecast_speed
import goals
import numpy as np
from forecast_rules import RULES, Floats, Question, fitted_to_others

from bsm_remediate.domain.forecast import EXPECTED, Direction, Forecast, Reach
from bsm_remediate.domain.forecaster import Forecaster

GOAL, SPEED_GOAL = 0.75, 10_000
BANDS = ((0.0, 0.2), (0.2, 0.5), (0.5, 0.8), (0.8, 1.01))


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--data", type=Path, default=Path(__file__).parents[2] / "shared" / "data")
    arguments.add_argument("--made", type=int, default=40)
    arguments.add_argument("--constants", action="store_true")
    arguments.add_argument("--ceiling", action="store_true")
    arguments.add_argument("--quick", action="store_true")
    chosen = arguments.parse_args()
    asked = list(questions(chosen.data / "series"))
    if chosen.constants:
        forecast_constants.report(asked, lambda one: [confidence(question) for question in one])
        return
    recorded(asked, ceiling=chosen.ceiling)
    print()
    made(number=4 if chosen.quick else chosen.made)
    print()
    speed(series=200 if chosen.quick else 1000, rounds=3 if chosen.quick else 8)


def questions(folder: Path) -> Iterator[Question]:
    """The questions of the set, with all samples up to their moment."""
    cases = json.loads((folder / "forecast-cases.json").read_text())
    series: dict[str, tuple[Floats, Floats]] = {}
    for case in cases["cases"]:
        name = case["series"]
        if name not in series:
            series[name] = samples(folder / "nab" / f"{name.replace('/', '--')}.csv")
        times, values = series[name]
        before = times <= case["now"]
        yield Question(
            name=case["id"],
            series=name,
            threshold=case["threshold"],
            now_s=case["now"],
            history_s=case["history_s"],
            horizon_s=case["horizon_s"],
            times=times[before],
            values=values[before],
            crosses=cases["answers"][case["id"]]["crosses"],
        )


def samples(file: Path) -> tuple[Floats, Floats]:
    with file.open(encoding="utf-8") as lines:
        rows = [
            (datetime.fromisoformat(row["timestamp"]).replace(tzinfo=UTC).timestamp(), float(row["value"]))
            for row in csv.DictReader(lines)
        ]
    table = np.array(rows)
    return table[:, 0], table[:, 1]


# --- recorded ---------------------------------------------------------------------------------------------------------


def recorded(asked: Sequence[Question], *, ceiling: bool) -> None:
    answers: dict[str, Floats] = {name: np.array([rule(one) for one in asked]) for name, rule in RULES.items()}
    ours = answers["ours, from 24 h"] = np.array([confidence(one) for one in asked])
    answers["ours, from all before"] = np.array([confidence(one, everything=True) for one in asked])
    if ceiling:
        answers |= fitted_to_others(asked)
    truth = np.array([one.crosses for one in asked])
    heads = ("right", "precision", "recall", "Brier")
    print(f"{len(asked)} recorded questions".ljust(32) + "".join(f"{head:>11}" for head in heads))
    for name, said in answers.items():
        print(f"{name:32}" + "".join(f"{one:11.3f}" for one in marks(said, truth)))
    for low, high in BANDS:
        here = (ours >= low) & (ours < high)
        if here.any():
            share = f"{truth[here].mean():.2f} of {np.count_nonzero(here)} crossed"
            print(f"{f'  confidence {low:.1f} to {min(high, 1):.1f}':32}{share:>22}")
    right = marks(ours, truth)[0]
    best = max(marks(answers[name], truth)[0] for name in RULES)
    goals.told(
        "forecast of a crossing within 6 h",
        f"{right:.2f} right (best simple rule {best:.2f}) of {len(asked)}",
        f"at least {GOAL:.2f}",
        met=right >= GOAL,
    )


def marks(said: Floats, truth: Floats) -> tuple[float, float, float, float]:
    """The share answered rightly, precision, recall, and the mean square of what confidence was wrong by."""
    yes, true = said > EXPECTED, truth.astype(bool)
    hits = float(np.count_nonzero(yes & true))
    return (
        float((yes == true).mean()),
        hits / max(1, np.count_nonzero(yes)),
        hits / max(1, np.count_nonzero(true)),
        float(((said - true) ** 2).mean()),
    )


def confidence(question: Question, *, everything: bool = False) -> float:
    return expected(question, everything=everything).confidence


def expected(question: Question, *, everything: bool) -> Forecast:
    forecaster = Forecaster()
    first = -np.inf if everything else question.now_s - question.history_s
    for at, value in zip(question.times, question.values, strict=True):
        if at > first:
            forecaster.observe(datetime.fromtimestamp(float(at), UTC), float(value))
    now = datetime.fromtimestamp(question.now_s, UTC)
    horizon = timedelta(seconds=question.horizon_s)
    return forecaster.expect(question.threshold, Direction.ABOVE, horizon, now, reach=Reach.PEAK)


# --- made and fast ----------------------------------------------------------------------------------------------------


def made(*, number: int) -> None:
    found = forecast_made.report(number=number)
    crossings = sum(one.crossings for one in found.values())
    warned = sum(one.warned for one in found.values())
    goals.told(
        "made series: warned before the crossing",
        f"{warned} of {crossings}",
        "at least 95 %",
        met=warned >= 0.95 * crossings,
    )
    calm = [one for family, one in found.items() if family.startswith("flat")]
    false = sum(one.alarms for one in calm) / sum(one.quiet_days for one in calm)
    goals.told("false alarms of flat series with spikes", f"{false:.2f} a day", "at most 0.5", met=false <= 0.5)


def speed(*, series: int, rounds: int) -> None:
    found = forecast_speed.report(series=series, rounds=rounds)
    slowest = min(found.evaluated.values())
    goals.told(
        "series evaluated a second, one core",
        f"{slowest:,.0f} at the slowest",
        f"at least {SPEED_GOAL:,}",
        met=slowest >= SPEED_GOAL,
    )
    goals.told(
        "memory of one series",
        f"{found.bytes_each / 1024:.0f} KiB, {found.growing:+} bytes after a week more",
        "O(1)",
        met=found.growing <= 256,
    )


if __name__ == "__main__":
    main()
