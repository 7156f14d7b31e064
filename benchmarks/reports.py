"""How fast a report and a leader's first look are: `python benchmarks/reports.py [--outages N]`, on SQLite.

Four entries of the ledger an outage, spread over two years; the report is on the last 30 days. Before: all of it is
read from the journal, as it was until there were statistics in the store.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from datetime import UTC, datetime, timedelta

import goals

from bsm_remediate.adapters.sql.store import open_store
from bsm_remediate.domain.ids import NodeId
from bsm_remediate.domain.ledger import ComponentEntry, ServiceEntry, entry_event
from bsm_remediate.domain.seal import SealKey
from bsm_remediate.domain.state import State
from bsm_remediate.engine.ledger import read_statistics
from bsm_remediate.engine.statistics_keeper import FOREVER, StatisticsKeeper, account
from bsm_remediate.records import Store
from bsm_remediate.testing import builders
from bsm_remediate.testing.clock import VirtualClock

BEGIN = datetime(2024, 1, 1, tzinfo=UTC)
SPREAD = timedelta(days=730)
KEY = SealKey("of the benchmark, which seals nothing else")
BUNDLE = builders.bundle(builders.service("shop", requires=["a"], loss=60), builders.component("a"))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--outages", type=int, default=50_000)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        store = open_store(f"sqlite:///{folder}/engine.sqlite")
        write(store, options.outages)
        before = measure(store, "before")
        began = time.perf_counter()
        StatisticsKeeper(store, VirtualClock(BEGIN + SPREAD)).follow()
        print(f"read into the statistics, once: {time.perf_counter() - began:.2f} s")
        after = measure(store, "after")
        store.close()
    entries = f"{4 * options.outages:,} entries of the ledger in two years"
    for what, now, then in (
        (f"report over 30 days, {entries}", after[0], before[0]),
        ("what a leader's first look reads of them", after[1], before[1]),
    ):
        goals.told(what, f"{now:.2f} s, from the journal alone {then:.2f} s", "faster", met=now < then)


def write(store: Store, number: int) -> None:
    events = []
    for one in range(number):
        at = BEGIN + SPREAD * one / number
        for state, when in ((State.DOWN, at), (State.OK, at + timedelta(minutes=3))):
            events.append(entry_event(ComponentEntry(at=when, component=NodeId("a"), state=state, own=state)))
            entry = ServiceEntry(at=when, service=NodeId("shop"), state=state, causes=(NodeId("a"),), bundle="b")
            events.append(entry_event(entry))
    store.append(events)
    while store.seal(KEY, limit=10_000):
        pass


def measure(store: Store, when: str) -> tuple[float, float]:
    """Seconds of the report, and of what a first look reads."""
    until = BEGIN + SPREAD
    began = time.perf_counter()
    read_statistics(store, BUNDLE, since=until - timedelta(days=30), until=until)
    took = time.perf_counter() - began
    began = time.perf_counter()
    account(store, "ledger", since=FOREVER)
    first = time.perf_counter() - began
    print(f"{when}: report over 30 days {took:.3f} s, what a first look reads {first:.3f} s")
    return took, first


if __name__ == "__main__":
    main()
