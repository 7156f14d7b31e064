"""How soon a critical run starts behind 20 others that are due: ours, with cold and with warm Ansible, and
ansible-rulebook's parallel strategy.

    python benchmarks/critical_run.py [--rounds 5] [--rulebook VENV/bin/ansible-rulebook]

In each round every contender is started anew and does one run to warm up. Then 20 events come at once, and right behind
them the critical one; what counts is the time from that until its playbook's first task runs on this machine. Ours is
the server: webhook, store, decision and plan are in it, two runs go at once, and each is checked over HTTP before and
after. ansible-rulebook knows no worth of events; it needs Java 17.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import goals
import requests
from first_task import SOURCE
from intake import TOKEN, running

BEHIND, AT_ONCE = 20, 2
TIMES = 10
WARM_UP, CRITICAL = "first", "critical"
CROWD = [f"minor-{number:02}" for number in range(BEHIND)]
ALL = [WARM_UP, *CROWD, CRITICAL]
COLD, WARM, PEER = "ours, cold", "ours, warm", "ansible-rulebook"
BUNDLE = """currency: EUR
services:
{services}
components: {{{components}}}
policies:
  restart:
    match: {{alertname: Down}}
    evidence: direct
    do: [{{playbook: restart.yml, expect: {{duration: 1s}}}}]
    verify: [{{http: "http://127.0.0.1:{port}/{{{{ component.id }}}}"}}]
    mode: auto
settings: {{executors: {executors}, guard: {{storm: 100%}}}}
"""
PLAYBOOK = """- hosts: {hosts}
  gather_facts: false
  tasks:
    - ansible.builtin.command: /bin/sh -c 'date +%s.%N > {stamps}/{name}.new && mv {stamps}/{name}.new {stamps}/{name}'
"""
RULEBOOK = """- name: Critical run
  hosts: all
  sources:
    - name: pipe
      pipe: {{path: {pipe}}}
  rules:
    - name: run
      condition: event.alertname == "Down"
      action:
        run_playbook: {{name: {playbook}}}
"""


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--rounds", type=int, default=5)
    arguments.add_argument("--rulebook", type=Path)
    chosen = arguments.parse_args()
    contenders: dict[str, Callable[[Path], float]] = {COLD: partial(ours, "cold"), WARM: partial(ours, "warm")}
    if chosen.rulebook is not None:
        contenders[PEER] = partial(rulebook, chosen.rulebook.absolute())
    took: dict[str, list[float]] = {name: [] for name in contenders}
    for _ in range(chosen.rounds):
        for name, contender in contenders.items():
            with tempfile.TemporaryDirectory() as folder:
                took[name].append(contender(Path(folder)))
    report(took)


def report(took: dict[str, list[float]]) -> None:
    for name, found in took.items():
        shown = " ".join(f"{one:.2f}" for one in found)
        print(f"{name:18} {statistics.median(found):6.2f} s   ({shown})")
    for name in (COLD, WARM) if PEER in took else ():
        sooner = statistics.median(peer / one for one, peer in zip(took[name], took[PEER], strict=True))
        if name == COLD:
            print(f"{name}: {sooner:.1f} times sooner than {PEER}")
        else:
            what = f"a critical run behind {BEHIND}, warm, against {PEER}"
            goals.told(what, f"{sooner:.0f} times sooner", f"at least {TIMES} times", met=sooner >= TIMES)


def seconds_until(stamp: Path, begin: float, *, within_s: float = 60.0) -> float:
    """From `begin` (wall clock) to what the task wrote."""
    while not stamp.exists():
        if time.time() - begin > within_s:
            raise TimeoutError(f"no task wrote {stamp.name} within {within_s:.0f} s")
        time.sleep(0.01)
    return float(stamp.read_text()) - begin


def hosts_file(folder: Path) -> Path:
    file = folder / "inventories" / "hosts.yml"
    file.parent.mkdir()
    file.write_text(
        "all:\n  vars: {ansible_connection: local, ansible_python_interpreter: '{{ ansible_playbook_python }}'}\n"
        f"  hosts: {{{', '.join(f'{name}: {{}}' for name in [*ALL, 'localhost'])}}}\n"
    )
    return file


# --- ours ------------------------------------------------------------------------------------------------------------


def ours(executor: str, folder: Path) -> float:
    stamps, warm = folder / "stamps", folder / "state" / "warm"
    with health(stamps) as checked_at:
        write_project(folder, stamps, executor, checked_at)
        with server(folder) as port:
            while executor == "warm" and not list(warm.glob("*.run")):
                time.sleep(0.1)
            seconds_until(stamps / WARM_UP, post(port, WARM_UP))
            time.sleep(3)
            post(port, *CROWD)
            return seconds_until(stamps / CRITICAL, post(port, CRITICAL))


def write_project(folder: Path, stamps: Path, executor: str, checked_at: int) -> None:
    for name in ("policies", "playbooks", "stamps", "state"):
        (folder / name).mkdir()
    hosts_file(folder)
    (folder / "bsm-remediate.toml").write_text(f'[ansible]\nexecutor = "{executor}"\n')
    playbook = PLAYBOOK.format(hosts="all", stamps=stamps, name="{{ inventory_hostname }}")
    (folder / "playbooks" / "restart.yml").write_text(playbook)
    worth = {name: 1000 if name == CRITICAL else 1 for name in ALL}
    services = "".join(f"\n  on-{name}: {{loss_per_minute: {worth[name]}, requires: [{name}]}}" for name in ALL)
    components = ", ".join(f"{name}: {{}}" for name in ALL)
    (folder / "policies" / "bundle.yml").write_text(
        BUNDLE.format(services=services, components=components, port=checked_at, executors=AT_ONCE)
    )


@contextmanager
def health(stamps: Path) -> Iterator[int]:
    """The port of a server on which a component is well once its playbook has run."""

    class Health(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200 if (stamps / self.path.strip("/")).exists() else 503)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *_arguments: object) -> None:
            """Nobody reads it."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Health) as serving:
        threading.Thread(target=serving.serve_forever, daemon=True).start()
        yield serving.server_address[1]
        serving.shutdown()


@contextmanager
def server(folder: Path) -> Iterator[int]:
    environ = {**os.environ, "BSM_STATE_DIR": str(folder / "state"), "BSM_TOKEN": TOKEN}
    with (folder / "log").open("w+") as log:
        command = [sys.executable, "-m", "bsm_remediate", "serve", "--port", "0"]
        process = subprocess.Popen(command, cwd=folder, env=environ, stderr=log)
        try:
            while "The engine runs at" not in (text := (folder / "log").read_text()):
                if process.poll() is not None:
                    raise SystemExit(text)
                time.sleep(0.05)
            yield int(text.split("127.0.0.1:")[1].split(";")[0])
        finally:
            process.terminate()
            process.wait(60)


def post(port: int, *names: str) -> float:
    """Alerts about `names` in one delivery; when it was sent."""
    now = datetime.now(UTC)
    alerts = [
        {
            "status": "firing",
            "labels": {"alertname": "Down", "instance": name, "severity": "critical"},
            "startsAt": now.isoformat(),
        }
        for name in names
    ]
    answer = requests.post(
        f"http://127.0.0.1:{port}/api/v1/webhooks/alertmanager",
        json={"version": "4", "alerts": alerts},
        headers={"Authorization": f"Bearer {TOKEN}"},
        timeout=10,
    )
    answer.raise_for_status()
    return now.timestamp()


# --- ansible-rulebook ------------------------------------------------------------------------------------------------


def rulebook(program: Path, folder: Path) -> float:
    stamps, pipe = folder / "stamps", folder / "events"
    playbook = folder / "playbooks" / "restart.yml"
    for one in (stamps, folder / "sources", playbook.parent):  # it copies the playbook's folder, whatever is there
        one.mkdir()
    os.mkfifo(pipe)
    (folder / "sources" / "pipe.py").write_text(SOURCE)
    playbook.write_text(PLAYBOOK.format(hosts="localhost", stamps=stamps, name="{{ ansible_eda.event.number }}"))
    rules = folder / "rules.yml"
    rules.write_text(RULEBOOK.format(pipe=pipe, playbook=playbook))
    command = [str(program), "-r", str(rules), "-i", str(hosts_file(folder)), "-S", str(folder / "sources")]
    with running([*command, "--execution-strategy", "parallel"], program):
        seconds_until(stamps / WARM_UP, written(pipe, WARM_UP))
        time.sleep(3)
        return seconds_until(stamps / CRITICAL, written(pipe, *CROWD, CRITICAL))


def written(pipe: Path, *names: str) -> float:
    """Events called `names`, given to the source at once; when."""
    now = time.time()
    with pipe.open("w") as opened:
        opened.write("".join(f"{name}\n" for name in names))
    return now


if __name__ == "__main__":
    main()
