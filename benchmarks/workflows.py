"""Remediations a second, from their reservation to their end, where playbooks and checks take no time.

    python benchmarks/workflows.py [--rounds 3] [--runs 200]

Store, workflows and engine are the real ones, on SQLite and on PostgreSQL (a server of its own); only Ansible and the
network are simulated. Beside them, by turns and on the same disk: how often it takes an append and an fsync, and how
many workflows of five empty steps DBOS does by itself. Each contender has a process and a database of its own.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import goals
from cluster import Cluster, cluster
from dbos import DBOS

from bsm_remediate.adapters.durable.workflows import DbosWorkflows
from bsm_remediate.adapters.sql.backends import backend_of
from bsm_remediate.adapters.sql.lease import EngineLease, lease_of
from bsm_remediate.adapters.sql.store import SqlStore, open_store
from bsm_remediate.adapters.system_clock import SystemClock
from bsm_remediate.domain.alert import AlertStatus
from bsm_remediate.domain.bundle import Settings, StormLimit
from bsm_remediate.domain.evaluation import Evaluator
from bsm_remediate.domain.ids import NodeId
from bsm_remediate.domain.policy import Evidence
from bsm_remediate.domain.run import RunState
from bsm_remediate.domain.work_order import work_order
from bsm_remediate.engine.dispatcher import run_event
from bsm_remediate.engine.engine import Engine
from bsm_remediate.engine.remediation import Remediation
from bsm_remediate.engine.sealer import Sealer
from bsm_remediate.engine.start_gate import StartGate
from bsm_remediate.engine.under_way import UnderWay
from bsm_remediate.testing import builders
from bsm_remediate.testing.executor import Scripted, SimulatedExecutor, SimulatedProber
from bsm_remediate.testing.timeline import KEYS

AT_ONCE = 16
SHARE = 0.25
"""Of DBOS's own rate: beside a workflow's records each of our runs commits seven times what it does, before it does."""
ALONE, OURS, ENGINE = "DBOS alone, 5 steps", "reserve to end", "alert to end, by the engine"


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--rounds", type=int, default=3)
    arguments.add_argument("--runs", type=int, default=200)
    arguments.add_argument("--contender", choices=[ALONE, OURS, ENGINE], help=argparse.SUPPRESS)
    arguments.add_argument("--database", help=argparse.SUPPRESS)
    chosen = arguments.parse_args()
    if chosen.contender is not None:
        print(json.dumps(CONTENDERS[chosen.contender](chosen.database, chosen.runs)))
        return
    print(f"{chosen.rounds} rounds of {chosen.runs} runs, {AT_ONCE} at once, {os.cpu_count()} cores")
    with tempfile.TemporaryDirectory() as folder, cluster() as server:
        report(measured(Path(folder), server, chosen.rounds, chosen.runs))


def measured(folder: Path, server: Cluster, rounds: int, runs: int) -> dict[tuple[str, str], list[float]]:
    """Rates by kind of database and contender."""
    rates: dict[tuple[str, str], list[float]] = {}
    for number in range(rounds):
        rates.setdefault(("", "append and fsync"), []).append(fsyncs(folder / "appended"))
        for contender in CONTENDERS:
            for kind in ("SQLite", "PostgreSQL"):
                file = folder / f"{number}-{list(CONTENDERS).index(contender)}.sqlite"
                url = server.new_database() if kind == "PostgreSQL" else f"sqlite:///{file}"
                command = [sys.executable, __file__, "--contender", contender, "--database", url, "--runs", str(runs)]
                done = subprocess.run(command, stdout=subprocess.PIPE, check=True)
                rates.setdefault((kind, contender), []).append(json.loads(done.stdout))
    return rates


def report(rates: dict[tuple[str, str], list[float]]) -> None:
    for (kind, name), found in rates.items():
        shown = " ".join(f"{rate:.0f}" for rate in found)
        print(f"{kind:10}  {name:28} {statistics.median(found):7.0f} a second   ({shown})")
    for kind in ("SQLite", "PostgreSQL"):
        ours, alone = rates[kind, OURS], rates[kind, ALONE]
        ratio = statistics.median(one / other for one, other in zip(ours, alone, strict=True))
        goals.told(
            f"remediation workflows, {kind}, reserve to end",
            f"{statistics.median(ours):.0f} a second, {ratio:.2f} of DBOS alone",
            f"at least {SHARE:g} of DBOS alone",
            met=ratio >= SHARE,
        )


def fsyncs(file: Path) -> float:
    """How often a second the disk takes 4 KiB at the end of a file for good."""
    count, block = 500, bytes(4096)
    with file.open("ab", buffering=0) as opened:
        begin = time.perf_counter()
        for _ in range(count):
            opened.write(block)
            os.fsync(opened.fileno())
        return count / (time.perf_counter() - begin)


# --- the contenders --------------------------------------------------------------------------------------------------


@DBOS.workflow(name="bench.five_steps")
def five_steps() -> None:
    for number in range(5):
        DBOS.run_step({"name": f"step {number}"}, lambda: None)


def alone(url: str, runs: int) -> float:
    """As the product sets DBOS up; its store is opened first, which makes SQLite's file a WAL."""
    with closing(open_store(url)):
        workflows = DbosWorkflows(backend_of(url).url, replica="bench", is_shared=False)
        workflows.launch(lambda _run, _stage: None)
        begin = time.perf_counter()
        under_way = []
        for _ in range(runs):
            under_way.append(DBOS.start_workflow(five_steps))
            if len(under_way) >= AT_ONCE:
                under_way.pop(0).get_result()
        for one in under_way:
            one.get_result()
        rate = runs / (time.perf_counter() - begin)
        workflows.close()
        return rate


class Parts:
    """What the product consists of, with simulated hosts: each component is broken until its playbook has run."""

    def __init__(self, url: str, store: SqlStore, lease: EngineLease, runs: int) -> None:
        self.store, self.lease, self.clock = store, lease, SystemClock()
        self.names = [f"node-{number:04}" for number in range(runs)]
        self.bundle = builders.bundle(
            *(builders.component(name) for name in self.names),
            *(builders.service(f"on-{name}", requires=[name], loss=len(name)) for name in self.names),
            builders.policy("restart", match={"alertname": "Down"}, evidence=Evidence.DIRECT),
            settings=Settings(executors=AT_ONCE, storm=StormLimit(share=1.0)),
        )
        self.prober = SimulatedProber(self.clock, [NodeId(name) for name in self.names])
        self.executor = SimulatedExecutor(
            self.clock,
            otherwise=Scripted(duration_s=0.0),
            effect=lambda call: self.prober.broken.discard(call.component.id),
        )
        self.workflows = DbosWorkflows(backend_of(url).url, replica=lease.replica, is_shared=lease.is_shared)

    def all_succeeded(self) -> None:
        ended = [run.state for run in self.store.runs(since=datetime.now(UTC) - timedelta(hours=1))]
        assert ended == [RunState.SUCCEEDED] * len(self.names), set(ended)


@contextmanager
def parts(url: str, runs: int) -> Iterator[Parts]:
    with closing(open_store(url)) as store:
        lease = lease_of(url)
        with lease.hold(alone=True):
            store.decides_under(lease.require_leading)
            made = Parts(url, store, lease, runs)
            yield made
            made.all_succeeded()
            made.workflows.close()


def reserve_to_end(url: str, runs: int) -> float:
    """Runs that are reserved and started as soon as one of the places is free; nothing is decided."""
    with parts(url, runs) as one:
        remediation = Remediation(
            records=one.store,
            executor=one.executor,
            prober=one.prober,
            clock=one.clock,
            gate=StartGate(
                one.store, one.clock, bundle=lambda: one.bundle, brake=lambda: None, saw=lambda _served: None
            ),
            firing=lambda _keys: (),
            may_act=one.lease.is_valid,
            remains_s=one.lease.remains_s,
            leaving=lambda: False,
        )
        places = threading.Semaphore(AT_ONCE)
        under_way = UnderWay(remediation, one.store, one.clock, ended=places.release)
        one.workflows.launch(under_way.carry_out)
        begin = time.perf_counter()
        for name in one.names:
            places.acquire()
            run = builders.run(name, "restart", RunState.QUEUED, started_at=None)
            run = replace(run, planned_at=one.clock.now())
            order = work_order(run, bundle=one.bundle, impact=None, alerts=())
            assert order is not None
            reserved = one.store.reserve(run, [run_event("run.queued", run)], order)
            assert reserved is not None
            one.workflows.start(reserved.id, is_new=True)
        for _ in range(AT_ONCE):
            places.acquire()
        return runs / (time.perf_counter() - begin)


def alert_to_end(url: str, runs: int) -> float:
    """Outages one after the other, of as many components as may be worked on at once."""
    with parts(url, runs) as one:
        engine = Engine(
            evaluator=Evaluator(one.bundle),
            store=one.store,
            executor=one.executor,
            prober=one.prober,
            clock=one.clock,
            workflows=one.workflows,
            lease=one.lease,
            sealer=Sealer(one.store, KEYS, one.clock),
        )
        one.lease.on_news = engine.wake
        engine.recover()
        thread = threading.Thread(target=engine.run_until_stopped)
        thread.start()
        begin = time.perf_counter()
        for first in range(0, runs, AT_ONCE):
            names = one.names[first : first + AT_ONCE]
            fired = [builders.alert("Down", since=one.clock.now(), instance=name) for name in names]
            one.store.record(fired)
            engine.wake()
            while not _all_over(one, names):
                time.sleep(0.005)
            over = one.clock.now()
            one.store.record([replace(alert, status=AlertStatus.RESOLVED, ends_at=over) for alert in fired])
        rate = runs / (time.perf_counter() - begin)
        engine.stop()
        thread.join()
        return rate


def _all_over(one: Parts, names: list[str]) -> bool:
    runs = one.store.runs(since=one.clock.now() - timedelta(hours=1))
    return {run.component for run in runs if run.state.is_over}.issuperset(names)


CONTENDERS: dict[str, Callable[[str, int], float]] = {ALONE: alone, OURS: reserve_to_end, ENGINE: alert_to_end}

if __name__ == "__main__":
    main()
