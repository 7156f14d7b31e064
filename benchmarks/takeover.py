"""How long until another replica goes on with the run of one that is killed.

    python benchmarks/takeover.py [--rounds 20]

Three replicas on a PostgreSQL of their own, with real playbooks. In each round a component fails; when its playbook is
in its middle, the replica that carries it out gets SIGKILL. Two moments count from then on: when another replica has
recorded that it begins the run anew, and when that one's playbook does its first act; Ansible's own start lies between.
The killed one is started again before the next round.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import cycle
from pathlib import Path

import goals
from cluster import cluster

sys.path.insert(0, str(Path(__file__).parent.parent))

from bsm_remediate.adapters.sql.store import SqlStore, open_store
from bsm_remediate.domain.ids import RunId
from bsm_remediate.domain.run import RunState
from tests.integration.replicas.fleet import Fleet, Replica, eventually
from tests.integration.replicas.world import HOSTS

WITHIN_S = 5.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Round:
    """Seconds from SIGKILL."""

    begun_s: float
    acted_s: float
    led: bool
    """Whether the replica that was killed led the others."""


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--rounds", type=int, default=20)
    chosen = arguments.parse_args()
    with tempfile.TemporaryDirectory() as folder, cluster() as server:
        database = server.new_database()
        fleet = Fleet(Path(folder), database, acts=50)
        store = open_store(database)
        try:
            fleet.start()
            rounds: list[Round] = []
            for host in cycle(HOSTS):
                leader = server.ask(database, "select replica from bsm_leader")
                done = kill_one(fleet, store, host, leader)
                rounds += [done] if done is not None else []
                if len(rounds) == chosen.rounds:
                    break
        finally:
            store.close()
            fleet.close()
    report(rounds)


def report(rounds: list[Round]) -> None:
    print(f"{len(rounds)} rounds; in {sum(one.led for one in rounds)} of them the killed replica led, too")
    begun, acted = [one.begun_s for one in rounds], [one.acted_s for one in rounds]
    for what, found in (("another goes on", begun), ("its playbook acts", acted)):
        print(f"{what:18} {statistics.median(found):5.2f} s   (best {min(found):.2f}, worst {max(found):.2f})")
    goals.told(
        "take-over of a killed replica's run",
        f"{statistics.median(begun):.1f} s, {max(begun):.1f} s at most",
        f"within {WITHIN_S:g} s",
        met=max(begun) <= WITHIN_S,
    )


def kill_one(fleet: Fleet, store: SqlStore, host: str, leader: str) -> Round | None:
    """One round, after which all is as before; None when the playbook had ended before its replica was killed."""
    before = fleet.world.attempts()
    fleet.post(fleet.world.break_(host))
    eventually(lambda: fleet.world.attempts() > before, what=f"a playbook works on {host}")
    lost = fleet.worker()
    assert lost is not None, "the playbook had ended before anybody looked"
    run = next(one for one in store.runs(since=datetime.now(UTC) - timedelta(minutes=1)) if not one.state.is_over)
    pid = lost.pid
    killed_at = datetime.now(UTC)
    lost.kill()
    if (left := store.run(run.id)) is None or left.state is not RunState.RUNNING:
        restored(fleet, store, host, run.id, lost)
        return None
    eventually(lambda: fleet.world.attempts() > before + 1, what=f"another replica goes on with {host}")
    acted_s = (datetime.now(UTC) - killed_at).total_seconds()
    again = store.run(run.id)
    assert again is not None
    assert again.started_at is not None
    assert again.attempt == run.attempt + 1
    restored(fleet, store, host, run.id, lost)
    begun_s = (again.started_at - killed_at).total_seconds()
    return Round(begun_s=begun_s, acted_s=acted_s, led=f"-{pid}-" in leader)


def restored(fleet: Fleet, store: SqlStore, host: str, run: RunId, lost: Replica) -> None:
    """Wait for the end of `run`, and have everything as before."""
    eventually(lambda: not _is_unfinished(store, run), what="the run ends")
    assert fleet.world.is_well(host)
    assert fleet.world.overlaps() == []
    fleet.post(fleet.world.ended(host))
    lost.start()
    lost.wait_until_up()


def _is_unfinished(store: SqlStore, run: RunId) -> bool:
    known = store.run(run)
    return known is None or not known.state.is_over


if __name__ == "__main__":
    main()
