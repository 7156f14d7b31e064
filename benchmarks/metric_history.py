"""What the history of metrics costs: `python benchmarks/metric_history.py [--series N] [--hours N]`, on SQLite.

Each series is read four times a minute and wanders about a level of its own. Measured are the minutes as they are
written, the roll-up into an hour, the database, and the report's section on all of it. A processor's seconds, and in
brackets those of the clock, which other work and the disk share.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import goals
import numpy as np

from bsm_remediate.adapters.sql.store import open_store
from bsm_remediate.domain.ids import PolicyId
from bsm_remediate.domain.metric import fingerprint_of
from bsm_remediate.domain.metric_history import KEEPS, Bucket, MetricSeries, Resolution
from bsm_remediate.engine.metric_keeper import MetricKeeper
from bsm_remediate.engine.metric_report import metrics_document, metrics_section
from bsm_remediate.records import Store
from bsm_remediate.testing import builders
from bsm_remediate.testing.clock import VirtualClock

BEGIN = datetime(2026, 1, 5, 9, tzinfo=UTC)
BUSY = PolicyId("busy")
BUNDLE = builders.bundle(builders.component("web"))
READINGS = 4
"""A minute."""


class Took:
    cpu = wall = 0.0

    @contextmanager
    def measured(self) -> Iterator[None]:
        cpu, wall = time.process_time(), time.perf_counter()
        yield
        self.cpu += time.process_time() - cpu
        self.wall += time.perf_counter() - wall

    def __str__(self) -> str:
        return f"{self.cpu:.1f} s ({self.wall:.1f} s)"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--series", type=int, default=10_000)
    parser.add_argument("--hours", type=int, default=2)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "engine.sqlite"
        store = open_store(f"sqlite:///{file}")
        live(store, options.series, options.hours)
        read(store, options.series, options.hours)
        sizes = {one: bytes_of(store, one) for one in (Resolution.MINUTE, Resolution.HOUR)}
        store.close()
        say_sizes(file.stat().st_size, options.series, options.hours, sizes)


def live(store: Store, number: int, hours: int) -> None:
    """The figures of some hours, as the engine keeps them."""
    clock, chance = VirtualClock(BEGIN), np.random.default_rng(1)
    keeper = MetricKeeper(store, clock)
    series = [labelled(one) for one in range(number)]
    levels, values = chance.uniform(0.2, 0.8, number), np.full(number, 0.5)
    minutes, hourly, slowest, gathered = Took(), Took(), Took(), Took()
    for minute in range(hours * 60 + 2):
        for reading in range(READINGS):
            values = np.clip(values + 0.1 * (levels - values) + chance.normal(0, 0.03, number), 0.001, 1)
            at = clock.now().timestamp()
            with gathered.measured():
                for one, value in zip(series, values.tolist(), strict=True):
                    keeper.note(BUSY, one.id, one.labels, value, at, 15.0 if value > 0.85 else 0.0)
            clock.advance(60 / READINGS)
            this = Took()
            while this.wall == 0.0 or keeper._closed or keeper._work:  # noqa: SLF001 - a call doesn't say what is left
                step = Took()
                with step.measured():
                    keeper.keep(within_s=0)
                this.cpu, this.wall = this.cpu + step.cpu, this.wall + step.wall
                slowest = max(slowest, step, key=lambda took: took.wall)
            is_hourly = minute % 60 == 1 and minute > 1
            if not (is_hourly and reading <= 1):
                minutes.cpu, minutes.wall = minutes.cpu + this.cpu, minutes.wall + this.wall
            else:
                hourly.cpu, hourly.wall = hourly.cpu + this.cpu, hourly.wall + this.wall
    print(f"{number} series, {READINGS} figures a minute each, {hours} hours")
    print(f"a minute: gathered in {per(gathered, hours * 60)}, written in {per(minutes, hours * 60)}")
    print(f"an hour rolled up: {per(hourly, hours)}, beside one minute's writing")
    print(f"longest step, after which the engine may do something else: {slowest.wall * 1000:.0f} ms")
    share = (gathered.cpu + minutes.cpu + hourly.cpu) / (hours * 3600)
    goals.told(f"keeping {number:,} series, share of a core", f"{share:.1%}", "at most 5%", met=share <= 0.05)


def per(took: Took, number: int) -> Took:
    shown = Took()
    shown.cpu, shown.wall = took.cpu / number, took.wall / number
    return shown


def labelled(number: int) -> MetricSeries:
    labels = {"instance": f"web-{number}.shop.example:9100", "job": "node"}
    return MetricSeries(policy=BUSY, id=fingerprint_of(BUSY, labels), labels=labels)


def read(store: Store, number: int, hours: int) -> None:
    until = BEGIN + timedelta(hours=hours)
    section, history = Took(), Took()
    with section.measured():
        metrics_section(store, BUNDLE, since=BEGIN, until=until)
    with history.measured():
        left = metrics_document(store, BUNDLE, BUSY, None, since=BEGIN, until=until)["left_out"]
    print(f"report's section on {hours} whole hours of {number} series: {section}")
    print(f"their history by the minute: {history}, {left} series left out")


def bytes_of(store: Store, resolution: Resolution) -> float:
    """Of one bucket, as it is packed: eight numbers and the sketch."""
    series = [one.id for one in store.metric_series(BUSY)[:500]]
    found: list[Bucket] = list(store.buckets(series, resolution, since=BEGIN, until=BEGIN + timedelta(hours=1)))
    return sum(len(one.summary.sketch.packed()) for one in found) / max(len(found), 1)


def say_sizes(size: int, number: int, hours: int, sketches: dict[Resolution, float]) -> None:
    each = size / (number * hours * 61)
    print(f"database: {size / 2**20:,.0f} MiB, {each:.0f} bytes a bucket")
    print(f"sketch of a minute {sketches[Resolution.MINUTE]:.0f} bytes, of an hour {sketches[Resolution.HOUR]:.0f}")
    rows = {one: KEEPS[one] / one.length for one in Resolution}
    further = {Resolution.MINUTE: 0.0, Resolution.HOUR: 1.0, Resolution.DAY: 2.0}
    grown = sketches[Resolution.HOUR] - sketches[Resolution.MINUTE]
    total = {one: rows[one] * (each + further[one] * grown) / 2**10 for one in Resolution}
    words = ", ".join(f"{total[one]:,.0f} KiB of {name}" for one, name in zip(Resolution, NAMES, strict=True))
    print(f"so a series comes to, once all that is kept by default is there: {words}")


NAMES = ("minutes", "hours", "days")


if __name__ == "__main__":
    main()
