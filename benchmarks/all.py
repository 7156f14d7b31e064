"""Runs all benchmarks, side by side with ansible-rulebook, and writes docs/benchmarks.md.

    python benchmarks/all.py [--quick] [--rulebook VENV/bin/ansible-rulebook]

Without --rulebook it is installed into a virtual environment of its own under .bench/; it needs Java 17. --quick takes
fewer rounds, to see that everything works, and writes no page.
"""

from __future__ import annotations

import argparse
import os
import platform
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import goals

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "docs" / "benchmarks.md"
PEER = ("ansible-rulebook==1.3.2", "ansible-core==2.19.14")
INTRODUCTION = """# Benchmarks

<!-- Written by `make bench`; the texts are in benchmarks/all.py. -->

Ratios count, not absolute figures: contenders take turns in one run on one machine, started by a command under
`benchmarks/`. `make bench` repeats all of it and writes this page; it needs Java 17 for ansible-rulebook.
"""


@dataclass(frozen=True, kw_only=True, slots=True)
class Part:
    """One script, and what its figures mean."""

    title: str
    script: str
    text: str
    options: tuple[str, ...] = ()
    quick: tuple[str, ...] = ()
    has_peer: bool = False


PARTS = (
    Part(
        title="Intake",
        script="intake.py",
        options=("--rounds", "5"),
        quick=("--rounds", "1"),
        has_peer=True,
        text="Alerts a second through the webhook, over 16 connections on loopback, the generator on the same cores."
        " Ours checks a token, has 1,000 policies and fsyncs every alert before its 202, while its engine looks at what"
        " came in; ansible-rulebook has 100 rules and stores nothing.",
    ),
    Part(
        title="Decision",
        script="decision.py",
        options=("--rounds", "3"),
        quick=("--rounds", "1"),
        has_peer=True,
        text="From parsed alerts to decisions, in memory: 10,000 alerts on 2,000 components. Ours goes on to states,"
        " loss, causes, guards and the plan; ansible-rulebook's rules have the action `none`.",
    ),
    Part(
        title="Event to first task",
        script="first_task.py",
        options=("--rounds", "11"),
        quick=("--rounds", "2"),
        has_peer=True,
        text="From the event until the command of the first task of a local playbook runs. Nearly all of it is"
        " Ansible's own start. Ours includes the check of the inventory, the variables written inert and read back, and"
        " the guard process; it does not include the webhook, the store and the decision.",
    ),
    Part(
        title="A critical run behind others",
        script="critical_run.py",
        options=("--rounds", "5"),
        quick=("--rounds", "1"),
        has_peer=True,
        text="20 events at once, and right behind them the critical one: until its playbook's first task runs. Ours is"
        " the server, with webhook, store, decision, plan, and checks before and after each run, two runs at a time;"
        " ansible-rulebook runs up to 25 at a time (`--execution-strategy parallel`), first come first served.",
    ),
    Part(
        title="Remediation workflows",
        script="workflows.py",
        options=("--rounds", "5"),
        quick=("--rounds", "1", "--runs", "48"),
        text="Runs a second where playbooks and checks take no time: what the durable engine itself costs. Each run is"
        " a workflow of four steps, and seven commits of ours in the same database: reserved, claimed, started, task,"
        " ended, checked, succeeded. `DBOS alone` are workflows of five empty steps. By the engine everything is"
        " evaluated and planned anew before each start.",
    ),
    Part(
        title="Take-over",
        script="takeover.py",
        options=("--rounds", "20"),
        quick=("--rounds", "2"),
        text="Three replicas on PostgreSQL, real playbooks; the replica that carries a run out gets SIGKILL in the"
        " middle of it. A replica counts as dead 3.5 s after its last sign of life; after that another one goes on.",
    ),
    Part(
        title="Storm",
        script="storm.py",
        text="100,000 different alerts, all of them firing at once, as fast as the server takes them; each second one"
        " more on what the costliest service needs, timed from its 202 to its decision in the journal. About 1.4 KiB"
        " stay in memory for each alert that fires.",
        quick=("--alerts", "20000"),
    ),
    Part(
        title="Storm of repeats",
        script="storm.py",
        options=("--distinct", "10000"),
        quick=("--alerts", "20000", "--distinct", "2000"),
        text="The same with 10,000 different alerts, each of which comes ten times, changed each time.",
    ),
    Part(
        title="A million alerts",
        script="storm.py",
        options=("--alerts", "1000000", "--distinct", "10000", "--flat"),
        quick=("--alerts", "40000", "--distinct", "2000", "--flat"),
        text="10,000 different alerts, each of which comes a hundred times, changed each time: the server's memory on"
        " the way.",
    ),
    Part(
        title="Impact",
        script="impact.py",
        quick=("--sizes", "1000,10000", "--largest", "0", "--rounds", "1"),
        text="What fails with one component, with one in a hundred, and with a core switch, beside plain networkx;"
        " [impact](impact.md) says how.",
    ),
    Part(
        title="Order of restoration",
        script="order.py",
        quick=("--quick",),
        text="Made outages of three families, outages on real graphs, and stored cases with proven optima;"
        " [the order of restoration](restoration-order.md) says how it is found.",
    ),
    Part(
        title="Causes",
        script="causes.py",
        text="Recorded outages whose cause is known: how often it is named first. [Causes](causes.md) says how.",
    ),
    Part(
        title="Forecasts",
        script="forecast.py",
        quick=("--quick",),
        text="Whether recorded and made series cross a threshold, beside simple rules; then speed and memory."
        " [Forecasts](forecasts.md) says how.",
    ),
    Part(
        title="Rebalancing",
        script="rebalancing.py",
        quick=("--rounds", "3"),
        text="Weights of a pool of 1,000 members by linear programme, with duals and reason;"
        " [rebalancing](rebalancing.md) says how.",
    ),
    Part(
        title="Metric policies",
        script="metering.py",
        quick=("--series", "1000"),
        text="Series of a query a second of one core: threshold with hysteresis, the store of what fires, and what is"
        " kept of the figures, minutes that are over included. Every eighth reading a tenth of them crosses and another"
        " one crosses back. [Metrics](metrics.md) says how.",
    ),
    Part(
        title="History of metrics",
        script="metric_history.py",
        quick=("--series", "500"),
        text="What keeping the figures costs, on SQLite: minutes as they are written, their roll-up into an hour, and"
        " the database. Seconds of a processor, and in brackets those of the clock.",
    ),
    Part(
        title="Reports",
        script="reports.py",
        quick=("--outages", "5000"),
        text="Two years of a ledger, on SQLite: a report over its last 30 days and what a leader's first look reads,"
        " from the journal alone, and from the statistics kept of it. [Reports](reports.md) says how.",
    ),
    Part(
        title="Command line",
        script="help.py",
        text="Whole processes, started anew by turns.",
    ),
    Part(
        title="Large bundle",
        script="large_bundle.py",
        quick=("--rounds", "1"),
        text="`plan --alerts` on 1,000 policies, 10,000 components and 200 alerts, as a multiple of importing what it"
        " needs anyway.",
    ),
)


def main() -> int:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--quick", action="store_true")
    arguments.add_argument("--rulebook", type=Path)
    chosen = arguments.parse_args()
    rulebook = (chosen.rulebook or installed_peer()).absolute()
    printed = {part: run(part, rulebook, quick=chosen.quick) for part in PARTS}
    if not chosen.quick:
        PAGE.write_text(page(printed), encoding="utf-8")
        print(f"wrote {PAGE.relative_to(ROOT)}")
    return 0


def installed_peer() -> Path:
    folder = ROOT / ".bench"
    program = folder / "bin" / "ansible-rulebook"
    if not program.exists():
        subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
        subprocess.run([str(folder / "bin" / "pip"), "install", "-q", *PEER], check=True)
    return program


def run(part: Part, rulebook: Path, *, quick: bool) -> str:
    """What the script printed. Raises `CalledProcessError` unless it ends well; a goal that is missed is no failure."""
    command = [*words(part, quick=quick), *(["--rulebook", str(rulebook)] if part.has_peer else [])]
    print(f"== {' '.join(words(part, quick=quick))}", flush=True)
    done = subprocess.run([sys.executable, *command], cwd=ROOT, stdout=subprocess.PIPE, text=True, check=False)
    print(done.stdout, flush=True)
    if done.returncode and goals.MARK not in done.stdout:
        raise subprocess.CalledProcessError(done.returncode, command)
    return done.stdout


def words(part: Part, *, quick: bool) -> list[str]:
    return [f"benchmarks/{part.script}", *(part.quick if quick else part.options)]


def page(printed: dict[Part, str]) -> str:
    """The whole page."""
    parts = [INTRODUCTION, f"\n{setting()}\n\n", "| what | measured | goal | |\n|---|---|---|---|\n", *rows(printed)]
    for part, text in printed.items():
        shown = "\n".join(line for line in text.splitlines() if not line.startswith(goals.MARK))
        peer = " --rulebook VENV/bin/ansible-rulebook" if part.has_peer else ""
        command = f"python {' '.join(words(part, quick=False))}{peer}"
        parts.append(f"\n## {part.title}\n\n{wrapped(part.text)}\n\n```\n$ {command}\n{shown}\n```\n")
    return "".join(parts)


def rows(printed: dict[Part, str]) -> Iterator[str]:
    for text in printed.values():
        for line in text.splitlines():
            if line.startswith(goals.MARK):
                yield f"| {line.removeprefix(goals.MARK).strip()} |\n"


def setting() -> str:
    tools = ", ".join(f"{name} {version(name)}" for name in ("ansible-core", "ansible-runner"))
    return wrapped(
        f"Measured on {datetime.now(UTC):%Y-%m-%d} with Python {platform.python_version()} on {os.cpu_count()} cores"
        f" that other work may share, {tools}, {PEER[0].replace('==', ' ')}."
    )


def wrapped(text: str) -> str:
    lines, line = [], ""
    for word in text.split():
        if len(line) + len(word) + 1 > 120:
            lines.append(line)
            line = ""
        line = f"{line} {word}" if line else word
    return "\n".join([*lines, line])


if __name__ == "__main__":
    raise SystemExit(main())
