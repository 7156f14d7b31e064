"""A whole remediation (an alternative that fails and is undone, then one that works, with checks that must hold) whose
engine is killed right before and right after each event that it writes, and started again.
"""

from __future__ import annotations

import http.server
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from bsm_remediate.adapters.sql.store import open_store
from bsm_remediate.domain.run import Run, RunState

_ENGINE = Path(__file__).with_name("engine_that_dies.py")
_AT_ONCE = 3
_AROUND_A_PLAYBOOK = {"run.started", "run.task", "run.playbook_ended"}
"""Where it matters whether a run may happen only once."""
_POLICIES = """
currency: EUR
services:
  checkout: {{loss_per_minute: 300, requires: [db-1]}}
components:
  db-1: {{}}
policies:
  restore:
    match: {{alertname: Down}}
    evidence: direct
    do:
      - {{playbook: fails.yml, once: {once}, expect: {{duration: 3s}}, rollback: {{playbook: undo.yml}}}}
      - {{playbook: works.yml, once: {once}, expect: {{duration: 3s}}}}
    verify: [{{http: "http://127.0.0.1:{port}/{name}", within: 20s, hold: 1s, every: 200ms}}]
    mode: auto
    guard: {{cooldown: 1s, max_runs: 100/1h}}
"""
_PLAYBOOK = """
- name: Leave a trace
  hosts: all
  gather_facts: false
  tasks:
    - name: Do it
      ansible.builtin.shell: "echo {name} {{{{ bsm.run.attempt }}}} >> {folder}/effects{more}"
"""
_INVENTORY = """
all:
  hosts:
    db-1: {ansible_connection: local, ansible_python_interpreter: "{{ ansible_playbook_python }}"}
"""


class Health(http.server.BaseHTTPRequestHandler):
    """`/NAME` is well once the file NAME/well is there."""

    root: Path

    def do_GET(self) -> None:
        self.send_response(200 if (self.root / self.path.strip("/") / "well").exists() else 503)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *_arguments: object) -> None:
        """Nobody reads it."""


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, int]]:
    """Where the sites are, and the port that says whether each is well."""
    folder = tmp_path_factory.mktemp("sites")
    handler = type("Handler", (Health,), {"root": folder})
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield folder, server.server_address[1]
        server.shutdown()


class Site:
    """A deployment of its own for one death."""

    def __init__(self, root: tuple[Path, int], name: str, *, once: bool) -> None:
        self.folder = root[0] / name
        for part in ("policies", "playbooks", "inventories"):
            (self.folder / part).mkdir(parents=True)
        policies = _POLICIES.format(once=str(once).lower(), port=root[1], name=name)
        (self.folder / "policies" / "shop.yml").write_text(policies)
        for playbook, more in (("fails", "; false"), ("undo", ""), ("works", f"; touch {self.folder}/well")):
            text = _PLAYBOOK.format(name=playbook, folder=self.folder, more=more)
            (self.folder / "playbooks" / f"{playbook}.yml").write_text(text)
        (self.folder / "inventories" / "hosts.yml").write_text(_INVENTORY)

    def start(self, when: str = "never", number: int = 0) -> subprocess.CompletedProcess[str]:
        """An engine, to its end."""
        command = [sys.executable, str(_ENGINE), str(self.folder), when, str(number)]
        return subprocess.run(command, cwd=self.folder, capture_output=True, text=True, timeout=120, check=False)

    def effects(self) -> list[str]:
        file = self.folder / "effects"
        return [line.split()[0] for line in file.read_text().splitlines()] if file.exists() else []

    def runs(self) -> list[Run]:
        with closing(open_store(f"sqlite:///{self.folder}/state/bsm-remediate.sqlite")) as store:
            return list(store.runs(since=datetime.now(UTC) - timedelta(hours=1)))

    def orphans(self) -> list[str]:
        """What still works for this site; given a second, as the guard promises."""
        end = time.monotonic() + 3
        while (found := self._processes()) and time.monotonic() < end:
            time.sleep(0.1)
        return found

    def _processes(self) -> list[str]:
        found = []
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit():
                try:
                    line = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
                except OSError:
                    continue
                if str(self.folder / "state") in line:
                    found.append(line)
        return found


@contextmanager
def site(root: tuple[Path, int], name: str, *, once: bool) -> Iterator[Site]:
    made = Site(root, name, once=once)
    yield made
    shutil.rmtree(made.folder)


def deaths(root: tuple[Path, int], *, once: bool) -> list[tuple[str, int, str]]:
    """Every moment to die at: those of a remediation that nothing disturbs."""
    with site(root, f"calm-{once}", once=once) as calm:
        told = calm.start()
        assert told.returncode == 0, told.stderr
        assert calm.effects() == ["fails", "undo", "works"]
        kinds = told.stdout.split()
    assert {"run.queued", "run.started", "run.rollback_ended", "run.checks_hold", "run.succeeded"} <= set(kinds)
    return [
        (when, number, kind)
        for number, kind in enumerate(kinds, 1)
        for when in ("before", "after")
        if not once or kind in _AROUND_A_PLAYBOOK
    ]


def outcome_of(root: tuple[Path, int], when: str, number: int, *, once: bool) -> str:
    """What is wrong after that death and another start; empty: nothing."""
    with site(root, f"{when}-{number}-{once}", once=once) as here:
        died = here.start(when, number)
        if died.returncode != -9:
            return f"the engine ended with {died.returncode} instead of being killed: {died.stderr[-500:]}"
        if orphans := here.orphans():
            return f"left behind: {orphans}"
        again = here.start()
        if again.returncode != 0:
            return f"the next engine failed: {again.stderr[-500:]}"
        return judged(here, once=once)


def judged(here: Site, *, once: bool) -> str:
    runs, effects = here.runs(), here.effects()
    states = [run.state for run in runs]
    if not all(state.is_over for state in states):
        return f"unfinished: {states}"
    if once and RunState.OUTCOME_UNKNOWN in states:
        return "" if max(effects.count("fails"), effects.count("works")) <= 1 else f"a second effect: {effects}"
    if states != [RunState.ROLLED_BACK, RunState.SUCCEEDED]:
        return f"{[(run.state.value, run.outcome) for run in runs]}"
    if set(effects) != {"fails", "undo", "works"} or not (here.folder / "well").exists():
        return f"not all was done: {effects}"
    most = 1 if once else 2
    if max(effects.count("fails"), effects.count("works")) > most:
        return f"done too often: {effects}"
    return ""


@pytest.mark.parametrize("once", [False, True])
def test_an_engine_killed_at_any_event_loses_nothing_and_repeats_nothing_that_may_happen_only_once(
    root: tuple[Path, int], once: bool
) -> None:
    moments = deaths(root, once=once)
    assert len(moments) > 10

    def die(moment: tuple[str, int, str]) -> str:
        when, number, kind = moment
        wrong = outcome_of(root, when, number, once=once)
        return f"{when} {kind} ({number}): {wrong}" if wrong else ""

    with ThreadPoolExecutor(_AT_ONCE) as pool:
        wrong = [one for one in pool.map(die, moments) if one]
    assert wrong == []
