"""A storm of alerts: memory before, in and after it, and how soon the newest business-critical alert is decided.

    python benchmarks/storm.py [--alerts 100000] [--distinct 100000] [--flat]

A server with 1,000 policies and 2,000 components gets the alerts, ten a POST over 16 connections, as fast as it takes
them. While they come, once a second, an alert on the component that the costliest service needs is posted over a line
of its own; the time from its 202 until the journal has its decision is measured. With `--distinct` below `--alerts` the
same alerts come again and again, changed each time. `--flat` tells the memory on the way, and asks that it stays what
it was when a tenth had come.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import goals
import intake

PER_POST = 10
MEMORY_MIB, FLAT_MIB, DECIDED_S = 40.0, 20.0, 1.0
CRITICAL = 40
"""Components of their own that critical alerts are about, one after the other."""
LOOKS = (0.1, 0.25, 0.5, 1.0)
"""When `--flat` looks at the memory: shares of all alerts."""


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--alerts", type=int, default=100_000)
    arguments.add_argument("--distinct", type=int, help="how many different ones fire (default: all)")
    arguments.add_argument("--flat", action="store_true")
    chosen = arguments.parse_args()
    distinct = chosen.distinct or chosen.alerts
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_bundle(folder)
        with server(folder) as (port, process):
            asyncio.run(storm(port, process, chosen.alerts, distinct, flat=chosen.flat))


def write_bundle(folder: Path) -> None:
    intake.write_bundle(folder)
    vital = "".join(f"  vital-{number}: {{}}\n" for number in range(CRITICAL))
    names = ", ".join(f"vital-{number}" for number in range(CRITICAL))
    (folder / "policies" / "business.yml").write_text(
        f"services:\n  checkout: {{tier: critical, requires: [{names}]}}\ncomponents:\n{vital}"
        "policies:\n  restore-checkout:\n    match: {alertname: CheckoutDown}\n    evidence: direct\n"
        "    do: [{playbook: restart.yml}]\n    mode: approve\n"
    )
    hosts = folder / "inventories" / "hosts.yml"
    hosts.write_text(hosts.read_text() + "".join(f"    vital-{number}:\n" for number in range(CRITICAL)))


@contextmanager
def server(folder: Path) -> Iterator[tuple[int, int]]:
    with tempfile.TemporaryDirectory() as state:
        process = subprocess.Popen(
            [sys.executable, "-m", "bsm_remediate", "serve", "--port", "0"],
            cwd=folder,
            env={**os.environ, "BSM_STATE_DIR": state, "BSM_TOKEN": intake.TOKEN},
            stderr=subprocess.PIPE,
            text=True,
        )
        assert process.stderr is not None
        line = next(one for one in process.stderr if "The engine runs at" in one)
        try:
            yield int(line.split("127.0.0.1:")[1].split(";")[0]), process.pid
        finally:
            process.terminate()
            process.wait(60)


async def storm(port: int, process: int, alerts: int, distinct: int, *, flat: bool) -> None:
    await intake.send(port, [request(alert(0, distinct))])
    await asyncio.sleep(3)
    before = memory_mib(process)
    over = asyncio.Event()
    watcher = asyncio.create_task(decisions(port, over))
    began = time.perf_counter()
    seen: dict[int, float] = {}
    sending = asyncio.create_task(intake.send(port, posts(process, alerts, distinct, seen)))
    posted = await asyncio.create_task(critical_alerts(port, sending, over))
    took = time.perf_counter() - began
    found = await watcher
    delays = sorted(found[node] - at for node, at in posted.items())
    await asyncio.sleep(5)
    after = memory_mib(process)
    if flat:
        seen[alerts] = after
        tell_flat(seen)
    print(f"{alerts} alerts, {distinct} different ones firing at once, in {took:.1f} s ({alerts / took:.0f} a second)")
    print(f"memory of the server: {before:.0f} MiB before, {peak_mib(process):.0f} at most, {after:.0f} after")
    goals.told(
        f"storm: memory after {alerts} alerts, {distinct} firing at once",
        f"{after - before:+.0f} MiB",
        f"at most +{MEMORY_MIB:g} MiB",
        met=after - before <= MEMORY_MIB,
    )
    goals.told(
        "storm: newest critical alert, from its 202 to its decision",
        f"{statistics.median(delays):.2f} s, {delays[-1]:.2f} s at most",
        f"within {DECIDED_S:g} s",
        met=delays[-1] <= DECIDED_S,
    )
    print(
        f"critical alert: from its 202 to its decision {statistics.median(delays):.2f} s in the middle,"
        f" {delays[-1]:.2f} s at most, {len(delays)} of them"
    )


def posts(process: int, alerts: int, distinct: int, seen: dict[int, float]) -> Iterator[bytes]:
    """The requests, made when they are sent; `seen` gets the memory of `process` on the way."""
    looks = [round(alerts * share) // PER_POST * PER_POST for share in LOOKS]
    for first in range(0, alerts, PER_POST):
        if first in looks:
            seen[first] = memory_mib(process)
        yield request(*(alert(number, distinct) for number in range(first, first + PER_POST)))


def tell_flat(seen: dict[int, float]) -> None:
    counts = sorted(seen)
    shown = ", ".join(f"{seen[count]:.0f} MiB after {count}" for count in counts)
    print(f"memory on the way: {shown}")
    grown = seen[counts[-1]] - seen[counts[0]]
    goals.told(
        f"memory from {counts[0]} to {counts[-1]} alerts",
        f"{grown:+.0f} MiB",
        f"flat: at most +{FLAT_MIB:g} MiB",
        met=grown <= FLAT_MIB,
    )


async def critical_alerts(port: int, sending: asyncio.Task[None], over: asyncio.Event) -> dict[str, float]:
    """One each second until the storm is over and one more after it; component → time of its 202."""
    posted: dict[str, float] = {}
    for number in range(CRITICAL):
        is_last = sending.done()
        node = f"vital-{number}"
        await intake.send(port, [request(critical(node))], connections=1)
        posted[node] = time.perf_counter()
        if is_last:
            break
        await asyncio.sleep(1)
    await sending
    over.set()
    return posted


async def decisions(port: int, over: asyncio.Event) -> dict[str, float]:
    """Component → when the journal said what was decided about it, as the stream of events told it."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1 << 24)
    writer.write(
        f"GET /api/v1/events HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {intake.TOKEN}\r\n\r\n".encode("ascii")
    )
    found: dict[str, float] = {}
    quiet_since = time.perf_counter()
    while not over.is_set() or time.perf_counter() - quiet_since < 5:
        try:
            line = await asyncio.wait_for(reader.readline(), 0.2)
        except TimeoutError:
            continue
        told = re.search(rb'"subject":"(vital-\d+)"', line)
        if told is not None and b"decision.made" in line:
            found.setdefault(told.group(1).decode(), time.perf_counter())
            quiet_since = time.perf_counter()
    writer.close()
    return found


def alert(number: int, distinct: int) -> dict[str, object]:
    about = number % distinct
    return {
        "status": "firing",
        "labels": {
            "alertname": f"Alert{about % intake.POLICIES}",
            "instance": f"node-{about % intake.COMPONENTS}:9100",
            "severity": "critical",
            "job": "node",
            "shard": str(about),
        },
        "annotations": {"summary": f"{about} is gone, since {number} deliveries"},
        "startsAt": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "endsAt": "0001-01-01T00:00:00Z",
        "fingerprint": f"{about:016x}",
    }


def critical(node: str) -> dict[str, object]:
    labels = {"alertname": "CheckoutDown", "instance": node, "severity": "critical"}
    return {**alert(0, 1), "labels": labels, "fingerprint": node}


def request(*alerts: dict[str, object]) -> bytes:
    body = json.dumps({"version": "4", "status": "firing", "receiver": "bsm", "alerts": alerts}).encode()
    head = (
        "POST /api/v1/webhooks/alertmanager HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        f"Authorization: Bearer {intake.TOKEN}\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


def memory_mib(process: int) -> float:
    return _status_kib(process, "VmRSS") / 1024


def peak_mib(process: int) -> float:
    return _status_kib(process, "VmHWM") / 1024


def _status_kib(process: int, field: str) -> int:
    status = Path(f"/proc/{process}/status").read_text()
    return int(re.findall(rf"{field}:\s+(\d+) kB", status)[0])


if __name__ == "__main__":
    main()
