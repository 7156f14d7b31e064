"""Alerts a second through the webhook: ours (token checked, 1,000 policies, every alert fsynced before its 202) and
ansible-rulebook's (100 rules, nothing stored).

    python benchmarks/intake.py [--rounds 3] [--rulebook VENV/bin/ansible-rulebook]

The contenders take turns in every round, each started anew, with the same bodies from the same generator: 1 and 10
alerts a POST over 16 connections on loopback. Every other delivery resolves the alert before it, so the number of
firing ones stays small; no two bodies are alike. ansible-rulebook is optional: it needs Java 17 and a virtual
environment of its own (`pip install ansible-rulebook==1.3.2 ansible-core==2.19.14`); its own webhook takes one event a
POST, for ten a minimal source on aiohttp stands in for it.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import platform
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import goals

POLICIES, COMPONENTS, RULES = 1_000, 2_000, 100
CONNECTIONS = 16
REQUESTS = {1: 8_000, 10: 3_000}
WARM_UP = 400
GOALS = {1: 3.0, 10: 5.0}
TOKEN = "a-token-for-the-benchmark"
SOURCE = """
import asyncio
from aiohttp import web

async def main(queue, args):
    async def take(request):
        for alert in (await request.json())["alerts"]:
            await queue.put({"payload": alert})
        return web.Response(text="ok")
    app = web.Application()
    app.router.add_post("/{rest:.*}", take)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", int(args["port"])).start()
    await asyncio.Future()
"""


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--rounds", type=int, default=3)
    arguments.add_argument("--rulebook", type=Path, help="ansible-rulebook, to measure it in the same run")
    chosen = arguments.parse_args()
    print(f"Python {platform.python_version()}, {os.cpu_count()} cores, {chosen.rounds} rounds")
    rates: dict[tuple[str, int], list[float]] = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_bundle(folder)
        for _ in range(chosen.rounds):
            for per_post in REQUESTS:
                with ours(folder) as port:
                    measured = asyncio.run(load(port, per_post, wrapped=True))
                    rates.setdefault(("bsm-remediate", per_post), []).append(measured)
                if chosen.rulebook is not None:
                    with rulebook(folder, chosen.rulebook, per_post) as port:
                        measured = asyncio.run(load(port, per_post, wrapped=per_post > 1))
                        rates.setdefault(("ansible-rulebook", per_post), []).append(measured)
    report(rates)


def report(rates: dict[tuple[str, int], list[float]]) -> None:
    for (name, per_post), found in sorted(rates.items(), key=lambda one: (one[0][1], one[0][0])):
        shown = " ".join(f"{rate:.0f}" for rate in found)
        print(f"{per_post:3} a POST  {name:18} {statistics.median(found):8.0f} alerts/s   ({shown})")
        peer = rates.get(("ansible-rulebook", per_post))
        if name == "bsm-remediate" and peer:
            ratio = statistics.median(found) / statistics.median(peer)
            goals.told(
                f"webhook, {per_post} a POST, against ansible-rulebook",
                f"{ratio:.1f} times",
                f"at least {GOALS[per_post]:g} times",
                met=ratio >= GOALS[per_post],
            )


def write_bundle(folder: Path) -> None:
    for name in ("policies", "inventories", "playbooks"):
        (folder / name).mkdir()
    lines = ["services: {shop: {tier: high, requires: [node-0]}}", "components:"]
    lines += [f"  node-{number}: {{}}" for number in range(COMPONENTS)]
    lines.append("policies:")
    for number in range(POLICIES):
        lines.append(f"  restore-{number}:")
        lines.append(f"    match: ['alertname=\"Alert{number}\"', 'severity=~\"critical|page\"', 'job!=\"test\"']")
        lines.append("    do: [{playbook: restart.yml}]")
        lines.append("    mode: shadow")
    (folder / "policies" / "bundle.yml").write_text("\n".join(lines) + "\n")
    hosts = "\n".join(f"    node-{number}:" for number in range(COMPONENTS))
    (folder / "inventories" / "hosts.yml").write_text(f"all:\n  hosts:\n{hosts}\n    localhost:\n")
    (folder / "playbooks" / "restart.yml").write_text("- name: Restart\n  hosts: all\n  tasks: []\n")


@contextmanager
def ours(folder: Path) -> Iterator[int]:
    with tempfile.TemporaryDirectory() as state:
        process = subprocess.Popen(
            [sys.executable, "-m", "bsm_remediate", "serve", "--port", "0"],
            cwd=folder,
            env={**os.environ, "BSM_STATE_DIR": state, "BSM_TOKEN": TOKEN},
            stderr=subprocess.PIPE,
            text=True,
        )
        assert process.stderr is not None
        line = next(one for one in process.stderr if "The engine runs at" in one)
        try:
            yield int(line.split("127.0.0.1:")[1].split(";")[0])
        finally:
            process.terminate()
            process.wait(60)


@contextmanager
def rulebook(folder: Path, program: Path, per_post: int) -> Iterator[int]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    (folder / "amhook.py").write_text(SOURCE)
    source = f"eda.builtin.webhook: {{host: 127.0.0.1, port: {port}}}" if per_post == 1 else f"amhook: {{port: {port}}}"
    rules = "".join(
        f'\n    - name: r{number}\n      condition: event.payload.labels.alertname == "Alert{number}"'
        "\n      action:\n        none: {}"
        for number in range(RULES)
    )
    file = folder / f"rulebook-{per_post}.yml"
    file.write_text(f"- name: bench\n  hosts: all\n  sources:\n    - name: wh\n      {source}\n  rules:{rules}\n")
    hosts = folder / "inventories" / "hosts.yml"
    with running([str(program), "-r", str(file), "-i", str(hosts), "-S", str(folder)], program):
        wait_for(port)
        time.sleep(2)  # its rule engine starts after its source
        yield port


@contextmanager
def running(command: list[str], program: Path) -> Iterator[None]:
    """ansible-rulebook (`program`), started with `command`."""
    process = subprocess.Popen(
        command,
        env={**os.environ, "PATH": f"{program.parent}:{os.environ['PATH']}"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        yield
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def wait_for(port: int) -> None:
    end = time.monotonic() + 60
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            if time.monotonic() > end:
                raise
            time.sleep(0.1)
        else:
            return


def request(number: int, per_post: int, *, wrapped: bool) -> bytes:
    alerts = [alert(number * per_post + place) for place in range(per_post)]
    value = {"version": "4", "status": "firing", "receiver": "bsm", "alerts": alerts} if wrapped else alerts[0]
    body = json.dumps(value).encode()
    head = (
        "POST /api/v1/webhooks/alertmanager HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        f"Authorization: Bearer {TOKEN}\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


def alert(number: int) -> dict[str, object]:
    about, is_end = divmod(number, 2)
    second = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    return {
        "status": "resolved" if is_end else "firing",
        "labels": {
            "alertname": f"Alert{about % RULES}",
            "instance": f"node-{about % COMPONENTS}:9100",
            "severity": "critical",
            "job": "node",
            "service": f"svc{about % 97}",
        },
        "annotations": {"summary": f"{about} is gone, since {number} deliveries"},
        "startsAt": second,
        "endsAt": second if is_end else "0001-01-01T00:00:00Z",
        "fingerprint": f"{about:016x}",
    }


async def load(port: int, per_post: int, *, wrapped: bool) -> float:
    """Alerts a second, after a warm-up."""
    count = REQUESTS[per_post]
    bodies = [request(number, per_post, wrapped=wrapped) for number in range(WARM_UP + count)]
    await send(port, bodies[:WARM_UP])
    begin = time.perf_counter()
    await send(port, bodies[WARM_UP:])
    return count * per_post / (time.perf_counter() - begin)


async def send(port: int, bodies: Iterable[bytes], *, connections: int = CONNECTIONS) -> None:
    waiting = iter(bodies)

    async def connection() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for body in waiting:
            writer.write(body)
            head = await reader.readuntil(b"\r\n\r\n")
            if not head.split(b" ", 2)[1].startswith(b"2"):
                raise SystemExit(f"refused: {head!r}")
            length = next(line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))
            await reader.readexactly(int(length.split(b":")[1]))
        writer.close()

    await asyncio.gather(*(connection() for _ in range(connections)))


if __name__ == "__main__":
    main()
