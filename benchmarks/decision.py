"""Parsed alerts to decisions, a second: our evaluation and ansible-rulebook's rules, both in memory.

    python benchmarks/decision.py [--rounds 3] [--rulebook VENV/bin/ansible-rulebook]

10,000 alerts, each matched by exactly one of 1, 10, 100 or 1,000 policies (rules). Ours goes all the way: which
component each is about, states, loss, causes, guards and the plan, over 2,000 components. ansible-rulebook's rules have
the action `none`; its events come from a source in its own process. The contenders take turns in every round.
"""

from __future__ import annotations

import argparse
import os
import platform
import statistics
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

import goals
import intake

from bsm_remediate.config.loader import load_bundle
from bsm_remediate.domain.alert import Alert, AlertStatus
from bsm_remediate.domain.bundle import Bundle
from bsm_remediate.domain.evaluation import Evaluator
from bsm_remediate.domain.ids import Fingerprint
from bsm_remediate.domain.situation import Situation
from bsm_remediate.web.server import collect_garbage_rarely

ALERTS, COMPONENTS = 10_000, 2_000
SIZES = (1, 10, 100, 1_000)
GOAL = 15.0
FLAT = 3.0
SOURCE = """
import asyncio, time

def event(number, name):
    return {
        "status": "firing",
        "labels": {"alertname": name, "instance": "node-%d:9100" % number, "severity": "critical", "job": "node"},
        "annotations": {"summary": "it is gone"}, "fingerprint": "%016x" % number,
    }

async def main(queue, args):
    await asyncio.sleep(3)
    for number in range(500):
        await queue.put(event(number, "Warm"))
    begin = time.perf_counter()
    for number in range(int(args["events"])):
        await queue.put(event(number, "Alert%d" % (number % int(args["rules"]))))
    await queue.put(event(0, "Warm"))  # taken once the one before it is through
    with open(args["answer"], "w") as answer:
        answer.write(str(time.perf_counter() - begin))
    await asyncio.sleep(60)
"""


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--rounds", type=int, default=3)
    arguments.add_argument("--rulebook", type=Path, help="ansible-rulebook, to measure it in the same run")
    chosen = arguments.parse_args()
    print(f"Python {platform.python_version()}, {os.cpu_count()} cores, {chosen.rounds} rounds, {ALERTS} alerts each")
    rates: dict[tuple[str, int], list[float]] = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        bundles = {size: bundle(folder / f"bundle-{size}", size) for size in SIZES}
        collect_garbage_rarely()  # as the server does
        for _ in range(chosen.rounds):
            for size in SIZES:
                rates.setdefault(("bsm-remediate", size), []).append(ours(bundles[size], size))
                if chosen.rulebook is not None:
                    rates.setdefault(("ansible-rulebook", size), []).append(rulebook(folder, chosen.rulebook, size))
    report(rates)


def report(rates: dict[tuple[str, int], list[float]]) -> None:
    medians = {key: statistics.median(found) for key, found in rates.items()}
    ratios = []
    for size in SIZES:
        ours_, peer = medians["bsm-remediate", size], medians.get(("ansible-rulebook", size))
        beside = f"{peer:8.0f}   ratio {ours_ / peer:5.1f}" if peer else ""
        print(f"{size:5} policies   {ours_:8.0f} decided alerts/s   {beside}")
        ratios += [ours_ / peer] if peer else []
    if ratios:
        least = min(ratios)
        goals.told(
            "parsed alert to decision, against ansible-rulebook",
            f"{least:.1f} times or more",
            f"at least {GOAL:g} times",
            met=least >= GOAL,
        )
    ours_only = [medians["bsm-remediate", size] for size in SIZES]
    spread = max(ours_only) / min(ours_only)
    goals.told(
        "the same from 1 to 1,000 policies, fastest by slowest",
        f"{spread:.1f}",
        f"flat: at most {FLAT:g}",
        met=spread <= FLAT,
    )


def bundle(folder: Path, policies: int) -> Bundle:
    folder.mkdir()
    lines = ["services: {shop: {tier: high, requires: [node-0]}}", "components:"]
    lines += [f"  node-{number}: {{}}" for number in range(COMPONENTS)]
    lines.append("policies:")
    for number in range(policies):
        lines.append(f"  restore-{number}:")
        lines.append(f"    match: ['alertname=\"Alert{number}\"', 'severity=~\"critical|page\"', 'job!=\"test\"']")
        lines.append("    do: [{playbook: restart.yml}]")
        lines.append("    mode: shadow")
    (folder / "bundle.yml").write_text("\n".join(lines) + "\n")
    loaded = load_bundle(folder, inventory=None, playbooks=None, scrutinise=False)
    assert loaded.bundle is not None, loaded.findings
    return loaded.bundle


def ours(policies: Bundle, size: int) -> float:
    """Alerts a second, by an evaluator that has seen none of them."""
    now = datetime.now(UTC)
    alerts = tuple(alert(number, size, now) for number in range(ALERTS))
    evaluator = Evaluator(policies)
    evaluator.evaluate(Situation(at=now, alerts=()))
    begin = time.perf_counter()
    found = evaluator.evaluate(Situation(at=now, alerts=alerts))
    took = time.perf_counter() - begin
    assert sum(len(one.alerts) for one in found.decisions) == ALERTS
    return ALERTS / took


def alert(number: int, policies: int, now: datetime) -> Alert:
    return Alert(
        source="alertmanager",
        fingerprint=Fingerprint(f"{number:016x}"),
        status=AlertStatus.FIRING,
        labels={
            "alertname": f"Alert{number % policies}",
            "instance": f"node-{number % COMPONENTS}:9100",
            "severity": "critical",
            "job": "node",
        },
        annotations={"summary": "it is gone"},
        starts_at=now,
        received_at=now,
    )


def rulebook(folder: Path, program: Path, rules: int) -> float:
    """Events a second, as its own source saw them taken."""
    answer = folder / "answer"
    answer.unlink(missing_ok=True)
    (folder / "burst.py").write_text(SOURCE)
    (folder / "hosts.yml").write_text("all:\n  hosts:\n    localhost:\n")
    listed = "".join(
        f'\n    - name: r{number}\n      condition: event.labels.alertname == "Alert{number}"'
        "\n      action:\n        none: {}"
        for number in range(rules)
    )
    source = f"burst: {{events: {ALERTS}, rules: {rules}, answer: {answer}}}"
    file = folder / "rules.yml"
    file.write_text(f"- name: bench\n  hosts: all\n  sources:\n    - name: s\n      {source}\n  rules:{listed}\n")
    with intake.running([str(program), "-r", str(file), "-i", str(folder / "hosts.yml"), "-S", str(folder)], program):
        deadline = time.monotonic() + 120
        while not answer.exists() or not answer.read_text():
            if time.monotonic() > deadline:
                raise SystemExit("ansible-rulebook took none of the events within two minutes")
            time.sleep(0.1)
        return ALERTS / float(answer.read_text())


if __name__ == "__main__":
    main()
