"""How fast figures become signals: `python benchmarks/metering.py [--series N] [--rounds N]`.

Each round is one reading of all series; every eighth, a tenth of them crosses and another one crosses back.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import goals

from bsm_remediate.adapters.sql.store import open_store
from bsm_remediate.config.loader import load_bundle
from bsm_remediate.domain.bundle import Bundle
from bsm_remediate.domain.sample import Sample, Series
from bsm_remediate.engine.metering import Metering
from bsm_remediate.engine.metric_keeper import MetricKeeper
from bsm_remediate.engine.picture import Picture
from bsm_remediate.ports import MetricSource
from bsm_remediate.records import Store
from bsm_remediate.testing.clock import VirtualClock

GOAL = 10_000
BUNDLE = """
currency: EUR
services: {shop: {loss_per_minute: 1, requires: [web]}}
components: {web: {}}
policies:
  busy: {metric: {query: cpu, above: 0.85, clear: 0.7, for: 1m, every: 10s}}
"""


class Figures:
    """Implements `MetricSource`: series that swing, each tenth at its own time."""

    def __init__(self, number: int) -> None:
        self._labels = [{"instance": f"web-{one}:9100", "job": "node"} for one in range(number)]
        self._round = 0

    def samples(self, query: str) -> Sequence[Sample]:  # noqa: ARG002
        self._round += 1
        values = [0.95 if (one + self._round // 8) % 10 == 0 else 0.5 for one in range(10)]
        return [Sample(labels=labels, value=values[place % 10]) for place, labels in enumerate(self._labels)]

    def history(self, query: str, *, start: datetime, end: datetime, step: timedelta) -> Sequence[Series]:  # noqa: ARG002
        return ()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--series", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=40)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "shop.yml").write_text(BUNDLE)
        bundle = load_bundle(Path(folder) / "shop.yml", inventory=None, playbooks=None, scrutinise=False).bundle
        if bundle is None:
            raise SystemExit("the bundle of the benchmark has errors")
        store = open_store(f"sqlite:///{folder}/engine.sqlite")
        measure(bundle, store, options.series, options.rounds)
        store.close()


def measure(bundle: Bundle, store: Store, number: int, rounds: int) -> None:
    clock = VirtualClock(datetime(2026, 1, 5, 9, tzinfo=UTC))
    source: MetricSource = Figures(number)
    keeper = MetricKeeper(store, clock)
    metering = Metering({"prometheus": source}, usual="prometheus", clock=clock, keeper=keeper)
    picture = Picture(store)
    took: list[float] = []
    for _ in range(rounds):
        clock.advance(12)
        began = time.process_time()
        for _tick in range(2):  # a tick that asks, and one that takes over
            metering.refresh(bundle, store, picture, leads=True, spawn=lambda work, _: work(), arrived=lambda: None)
        metering.keep(within_s=60)  # minutes that are over are written
        picture.refresh(clock.now())
        took.append(time.process_time() - began)
    per_second = number * (rounds - 1) / sum(took[1:])
    print(f"{number} series, {rounds - 1} readings: {per_second:,.0f} series a second of one core, history and all")
    print(f"slowest reading {max(took[1:]) * 1000:.0f} ms")
    goals.told(
        "series of metric policies a second, one core, with what is kept of them",
        f"{per_second:,.0f}",
        f"at least {GOAL:,}",
        met=per_second >= GOAL,
    )


if __name__ == "__main__":
    main()
