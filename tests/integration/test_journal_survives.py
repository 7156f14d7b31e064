"""The sealed journal of a real engine: told within about a second, whole after a kill at any point, old ones sealed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import requests
from alembic import command
from alembic.config import Config
from sqlalchemy import text

from bsm_remediate.adapters.sql import database, journal
from bsm_remediate.adapters.sql.backends import backend_of
from bsm_remediate.adapters.sql.store import open_store
from bsm_remediate.domain.event import Event
from bsm_remediate.domain.seal import Keyring, SealKey
from bsm_remediate.engine.audit import verify
from bsm_remediate.engine.sealer import Sealer
from bsm_remediate.testing.clock import VirtualClock

ROOT = Path(__file__).parents[2]
NOW = datetime(2026, 1, 5, 9, tzinfo=UTC)
KEY = SealKey("of the journal's survival, 32 characters")
WRITTEN = 7
DIES = """
import os, signal, sys
from datetime import UTC, datetime
from bsm_remediate.adapters.sql.store import open_store
from bsm_remediate.domain.event import Event
from bsm_remediate.domain.event import Event
from bsm_remediate.domain.seal import SealKey

url, secret, dies_at, written = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])

class Deadly(SealKey):
    links = 0

    def link(self, entry, previous):
        self.links += 1
        if self.links == dies_at:
            os.kill(os.getpid(), signal.SIGKILL)
        return super().link(entry, previous)

store = open_store(url)
store.append([Event(kind=f"event.{number}", at=datetime(2026, 1, 5, 9, tzinfo=UTC)) for number in range(written)])
if dies_at == 0:
    os.kill(os.getpid(), signal.SIGKILL)
store.seal(Deadly(secret), limit=3)
store.seal(Deadly(secret), limit=100)
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/store.sqlite"
    found: str = request.getfixturevalue("postgres_url")
    return found


@pytest.mark.parametrize("dies_at", [0, 1, 3, 4, 99])
def test_whoever_dies_between_writing_and_sealing_loses_nothing(url: str, dies_at: int) -> None:
    secret = "of the journal's survival, 32 characters"
    for _engine in range(2):
        died = subprocess.run(
            [sys.executable, "-c", DIES, url, secret, str(dies_at), str(WRITTEN)], cwd=ROOT, timeout=60, check=False
        )
        assert died.returncode == -signal.SIGKILL
    store = open_store(url)
    Sealer(store, Keyring([KEY]), VirtualClock(NOW)).seal()
    assert [one.kind for one in store.events()] == [f"event.{number}" for number in range(WRITTEN)] * 2
    verdict = verify(store, Keyring([KEY]))
    assert (verdict.broken, verdict.reached.position, verdict.seals.waiting) == (None, 2 * WRITTEN, 0)
    store.close()


def test_a_journal_from_before_the_seal_is_sealed_by_the_first_engine(url: str) -> None:
    backend = backend_of(url)
    engine = backend.engine()
    config = Config()
    config.set_main_option("script_location", str(Path(database.__file__).parent / "migrations"))
    with engine.connect() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "0002")
        for number in (1, 2, 5):  # with a gap, as a rolled back transaction leaves it
            connection.execute(
                text(
                    "INSERT INTO bsm_event (position, at, kind, subject, actor, facts)"
                    " VALUES (:position, 1767603600.25, 'old', 'db-1', 'engine', :facts)"
                ),
                {"position": number, "facts": '{"n":1}'},
            )
        connection.commit()
    engine.dispose()
    store = open_store(url)
    assert list(store.events()) == []
    Sealer(store, Keyring([KEY]), VirtualClock(NOW)).seal()
    assert [(one.position, one.kind, dict(one.facts)) for one in store.events()] == [
        (1, "old", {"n": 1}),
        (2, "old", {"n": 1}),
        (3, "old", {"n": 1}),
    ]
    assert verify(store, Keyring([KEY])).broken is None
    store.close()


def test_what_is_committed_late_is_sealed_later_even_by_sealers_at_once(postgres_url: str) -> None:
    """Without the writers' turns that usually keep them apart: the head's row alone keeps the chain from forking."""
    open_store(postgres_url).close()
    engine = backend_of(postgres_url).engine()
    late, early, one, other = (engine.connect() for _ in range(4))
    for connection in (late, early, one, other):
        connection.exec_driver_sql("BEGIN")
    journal.append(late, [Event(kind="written first, committed late", at=NOW)])
    journal.append(early, [Event(kind="written second, committed early", at=NOW)])
    early.exec_driver_sql("COMMIT")
    assert journal.seal(one, KEY, limit=10) is not None
    late.exec_driver_sql("COMMIT")

    def seal_too() -> None:
        journal.seal(other, KEY, limit=10)
        other.exec_driver_sql("COMMIT")

    sealing = threading.Thread(target=seal_too)
    sealing.start()
    waits = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    end = time.monotonic() + 10
    while early.exec_driver_sql(waits).scalar_one() == 0 and time.monotonic() < end:
        time.sleep(0.01)
    one.exec_driver_sql("COMMIT")
    sealing.join(timeout=10)
    for connection in (late, early, one, other):
        connection.close()
    engine.dispose()
    store = open_store(postgres_url)
    assert [event.kind for event in store.events()] == [
        "written second, committed early",
        "written first, committed late",
    ]
    assert verify(store, Keyring([KEY])).broken is None
    store.close()


@dataclass
class Served:
    """A server, and what its stream of events told and when."""

    process: subprocess.Popen[str]
    url: str
    state: Path
    told: list[tuple[float, dict[str, Any]]] = field(default_factory=list)

    def listen(self) -> None:
        with requests.get(f"{self.url}/api/v1/events", stream=True, timeout=30) as answer:
            for line in answer.iter_lines(chunk_size=1):
                if line.startswith(b"data: "):
                    self.told.append((time.time(), json.loads(line[6:])))

    def bsm(self, *words: str) -> subprocess.CompletedProcess[str]:
        environment = {**os.environ, "BSM_STATE_DIR": str(self.state)}
        done = [sys.executable, "-m", "bsm_remediate", *words]
        return subprocess.run(done, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60, check=False)

    def end(self) -> str:
        """What it said."""
        self.process.send_signal(signal.SIGTERM)
        _, said = self.process.communicate(timeout=40)
        return said


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    process = subprocess.Popen(
        [sys.executable, "-m", "bsm_remediate", "serve", "--port", "0", "--max-mode", "shadow"],
        cwd=ROOT,
        env={**os.environ, "BSM_STATE_DIR": str(tmp_path)},
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    yield Served(process, process.stderr.readline().split(" at ")[1].split(";")[0], tmp_path)
    if process.poll() is None:
        process.kill()
        process.communicate()


def test_an_engine_tells_each_event_in_its_final_order_about_a_second_after_it(served: Served) -> None:
    listening = threading.Thread(target=served.listen)
    listening.start()
    for _ in range(20):
        wish = {"target": "default", "reason": "to see it told"}
        assert requests.post(f"{served.url}/api/v1/goal", json=wish, timeout=10).status_code == 200
        time.sleep(0.05)
    end = time.monotonic() + 10
    while [event["kind"] for _, event in served.told].count("control.goal") < 20 and time.monotonic() < end:
        time.sleep(0.05)
    measured = requests.get(f"{served.url}/metrics", timeout=10).text
    said = served.end()
    listening.join(timeout=10)
    positions = [event["position"] for _, event in served.told]
    assert positions == list(range(1, len(positions) + 1))
    late = [when - datetime.fromisoformat(event["at"]).timestamp() for when, event in served.told]
    assert max(late) < 3.0  # a busy machine; a second, usually half of one
    assert [event["kind"] for _, event in served.told].count("control.goal") == 20
    checked = served.bsm("audit", "verify", "-o", "json")
    verdict = json.loads(checked.stdout)
    assert (checked.returncode, verdict["waiting"]) == (0, 0)
    assert verdict["entries"] >= len(positions)
    assert "\nbsm_journal_waiting 0.0\n" in measured
    assert float(measured.partition("\nbsm_journal_position ")[2].partition("\n")[0]) >= 20
    assert f"journal.head {verdict['head']}" in said
