#!/usr/bin/env python3
"""From an event to the first task of a local playbook: our executor, plain ansible-playbook, and ansible-rulebook.

    python benchmarks/first_task.py [--rounds 15] [--rulebook VENV/bin/ansible-rulebook]

The contenders take turns in every round, with the same playbook and inventory; what counts is the time from the event
until the first task's command runs on this machine. ansible-rulebook is optional: it needs Java 17 and a virtual
environment of its own (`pip install ansible-rulebook==1.3.2 ansible-core==2.19.14`).
"""

from __future__ import annotations

import argparse
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import goals

from bsm_remediate.adapters.ansible.warm import WarmServers
from bsm_remediate.testing.local_ansible import LocalAnsible, a_call

COLD, WARM, WARM_MODULES = "cold", "warm", "warm, local modules too"
TASK = """- name: Say when
  ansible.builtin.command: /bin/sh -c 'date +%s.%N > {stamp}.new && mv {stamp}.new {stamp}'"""
RULEBOOK = """- name: First task
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
SOURCE = """
import asyncio

async def main(queue, args):
    loop = asyncio.get_running_loop()
    while True:
        with await loop.run_in_executor(None, open, args["path"]) as pipe:
            for line in iter(pipe.readline, ""):
                await queue.put({"alertname": "Down", "number": line.strip()})
"""


def until_stamp(stamp: Path, begin: float, within_s: float = 30.0) -> float:
    """Milliseconds from `begin` to what the task wrote."""
    deadline = time.monotonic() + within_s
    while not stamp.exists():
        if time.monotonic() > deadline:
            raise TimeoutError(f"no task ran within {within_s:.0f} s")
        time.sleep(0.005)
    took = float(stamp.read_text()) - begin
    stamp.unlink()
    return took * 1000


def ours(
    local: LocalAnsible, root: Path, name: str, *, python: str = "{{ ansible_playbook_python }}"
) -> Callable[[], float]:
    """Runs of `local`; with another `python` than Ansible's own, modules start in a fresh interpreter."""
    stamp = root / f"{name}.stamp"
    task = f"{TASK.format(stamp=stamp)}\n  vars: {{ansible_python_interpreter: '{python}'}}"
    playbook = local.write_playbook(f"{name}.yml", task, hosts="h1")
    executor = local.executor()
    number = iter(range(10_000))

    def once() -> float:
        begin = time.time()
        call = a_call(playbook, run=f"{name}-{next(number)}")
        result = executor.execute(call, on_event=lambda _: None, cancelled=lambda: False)
        assert result.outcome == "succeeded", result
        return until_stamp(stamp, begin)

    return once


def plain(local: LocalAnsible, root: Path) -> Callable[[], float]:
    stamp = root / "plain.stamp"
    local.write_playbook("plain.yml", TASK.format(stamp=stamp), hosts="h1")
    command = [local.project.program("ansible-playbook"), "-i", str(local.inventory), "-l", "h1"]
    command.append(str(local.playbooks / "plain.yml"))
    environ = {**os.environ, "LC_ALL": "C.UTF-8", "ANSIBLE_PIPELINING": "1"}

    def once() -> float:
        begin = time.time()
        subprocess.run(command, env=environ, stdout=subprocess.DEVNULL, check=True)
        return until_stamp(stamp, begin)

    return once


class Rulebook:
    """A running ansible-rulebook that takes events from a named pipe."""

    def __init__(self, program: Path, local: LocalAnsible, root: Path) -> None:
        self._stamp = root / "rulebook.stamp"
        local.write_playbook("rulebook.yml", TASK.format(stamp=self._stamp), hosts="h1")
        self._pipe = root / "events"
        os.mkfifo(self._pipe)
        (root / "sources").mkdir()
        (root / "sources" / "pipe.py").write_text(SOURCE)
        rules = root / "rules.yml"
        rules.write_text(RULEBOOK.format(pipe=self._pipe, playbook=local.playbooks / "rulebook.yml"))
        environ = {**os.environ, "PATH": f"{program.parent}:{os.environ['PATH']}", "LC_ALL": "C.UTF-8"}
        self._log = (root / "rulebook.log").open("w")
        command = [str(program), "-r", str(rules), "-i", str(local.inventory), "-S", str(root / "sources")]
        self._process = subprocess.Popen(
            command, env={**environ, "ANSIBLE_PIPELINING": "1"}, cwd=root, stdout=self._log, stderr=self._log
        )

    def once(self) -> float:
        begin = time.time()
        with self._pipe.open("w") as pipe:
            pipe.write("1\n")
        took = until_stamp(self._stamp, begin)
        time.sleep(1.0)  # it is not done yet when the task runs; the next contender must not feel it
        return took

    def close(self) -> None:
        self._process.terminate()
        self._process.wait(20)
        self._log.close()


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--rounds", type=int, default=15)
    options.add_argument("--rulebook", type=Path)
    given = options.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        local = LocalAnsible(root / "project")
        warm = LocalAnsible(root / "warm", warm=WarmServers(root / "warm" / "state"))
        beside = str(Path(sys.executable).parent / "python3")  # the same Python by another name
        contenders = {
            COLD: ours(local, root, "cold"),
            WARM: ours(warm, root, "warm", python=beside),
            WARM_MODULES: ours(warm, root, "modules"),
            "ansible-playbook": plain(local, root),
        }
        rulebook = Rulebook(given.rulebook.absolute(), local, root) if given.rulebook is not None else None
        if rulebook is not None:
            contenders["ansible-rulebook"] = rulebook.once
        try:
            took = measured(contenders, given.rounds)
        finally:
            if rulebook is not None:
                rulebook.close()
        memory = [f"{pid}: {pss_mib(pid):.0f} MiB" for pid in processes("warm_server.py", str(root))]
        assert warm.warm is not None
        warm.warm.close()
    report(took, given.rounds)
    print(f"memory of the two warm processes (proportional): {', '.join(memory)}")


def processes(*words: str) -> list[int]:
    """Whose command lines hold all of `words`."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line = path.read_text(errors="replace")
        except OSError:
            continue
        if all(word in line for word in words):
            found.append(int(path.parent.name))
    return found


def pss_mib(pid: int) -> float:
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("Pss:")).split()[1]) / 1024


def measured(contenders: dict[str, Callable[[], float]], rounds: int) -> dict[str, list[float]]:
    """Milliseconds per contender and round; the first round warms the page cache and doesn't count.

    Another one begins in each round, so that nobody always follows the same neighbour.
    """
    took: dict[str, list[float]] = {name: [] for name in contenders}
    names = list(contenders)
    for number in range(rounds + 1):
        first = number % len(names)
        for name in names[first:] + names[:first]:
            milliseconds = contenders[name]()
            if number:
                took[name].append(milliseconds)
    return took


def report(took: dict[str, list[float]], rounds: int) -> None:
    print(f"{rounds} interleaved rounds, {os.cpu_count()} cores, Python {platform.python_version()}, {sys.platform}")
    medians = {name: statistics.median(times) for name, times in took.items()}
    print(f"{'event to first task':28s} {'median':>9s} {'best':>9s} {'worst':>9s}  ratio to cold")
    for name, times in took.items():
        ratio = medians[name] / medians[COLD]
        print(f"{name:28s} {medians[name]:6.0f} ms {min(times):6.0f} ms {max(times):6.0f} ms  {ratio:.2f}")
    if "ansible-rulebook" in took:
        for name, parts, goal in ((COLD, 1, "not slower"), (WARM, 2, "at most 1/2"), (WARM_MODULES, 8, "at most 1/8")):
            ratio = medians[name] / medians["ansible-rulebook"]
            what = f"event to first task, {name}, against ansible-rulebook"
            goals.told(what, f"{ratio:.3f} of its time", goal, met=ratio <= 1 / parts)


if __name__ == "__main__":
    main()
