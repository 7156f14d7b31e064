"""How fast the journal is written, sealed, verified: `python benchmarks/journal.py [--entries N] [--database URL]`."""

from __future__ import annotations

import argparse
import tempfile
import time
from datetime import UTC, datetime

from bsm_remediate.adapters.sql.store import open_store
from bsm_remediate.adapters.system_clock import SystemClock
from bsm_remediate.domain.event import Event
from bsm_remediate.domain.seal import Keyring, SealKey
from bsm_remediate.engine.audit import verify
from bsm_remediate.engine.sealer import Sealer

BATCH = 1_000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--entries", type=int, default=200_000)
    parser.add_argument("--database", help="an empty one; without it SQLite in a folder of its own")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        measure(options.database or f"sqlite:///{folder}/journal.sqlite", options.entries)


def measure(url: str, entries: int) -> None:
    keys = Keyring([SealKey("of the benchmark, which seals nothing else")])
    store = open_store(url)
    batch = [decision(number) for number in range(BATCH)]

    began = time.perf_counter()
    for _ in range(entries // BATCH):
        store.append(batch)
    told("written", entries, time.perf_counter() - began)

    began = time.perf_counter()
    Sealer(store, keys, SystemClock()).seal()
    told("sealed", entries, time.perf_counter() - began)

    began = time.perf_counter()
    verdict = verify(store, keys)
    told("verified", entries, time.perf_counter() - began)
    if verdict.broken is not None or verdict.reached.position < entries:
        raise SystemExit(f"the journal is not whole: {verdict}")
    store.close()


def decision(number: int) -> Event:
    facts = {
        "policy": "restart-database",
        "verdict": "await_approval",
        "reason": f"a person must approve: the run itself could add {number}.00 EUR of loss, more than 5000.00 EUR",
    }
    return Event(kind="decision.made", at=datetime.now(UTC), subject=f"node-{number}", facts=facts)


def told(what: str, entries: int, took: float) -> None:
    print(f"{what:9} {entries:,} entries in {took:6.2f} s: {entries / took:,.0f} a second")


if __name__ == "__main__":
    main()
