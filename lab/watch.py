"""The shop's monitoring: asks every component twice a second, and tells the engine as an Alertmanager would.

A component that doesn't answer gives `ProcessDown`; one that answers but lacks what it needs gives `ServiceErrors`,
which is a symptom of something else; a shop without a standby gives `NoStandby`. Bodies are version 4 of Alertmanager's
webhook.
"""

from __future__ import annotations

import argparse
import hashlib
import http.client
import json
import os
import signal
import sys
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from urllib.parse import urlsplit

from lab.serving import Unavailable, die_with_parent, fetch
from lab.topology import PROCESSES, Network, Process

EVERY_S = 0.5
GROUP_WAIT_S = 1.0
"""How long the first firing alert waits for others, as Alertmanager's `group_wait`."""
_NEVER_ENDED = "0001-01-01T00:00:00Z"
_TIMEOUT_S = 5.0


@dataclass(frozen=True, slots=True)
class Alert:
    """One condition of one component, as long as it holds."""

    name: str
    process: Process
    instance: str
    severity: str
    summary: str
    starts_at: datetime
    ends_at: datetime | None = None

    @property
    def key(self) -> tuple[str, str]:
        return self.name, self.process.component

    def body(self) -> dict[str, object]:
        labels = {
            "alertname": self.name,
            "component": self.process.component,
            "instance": self.instance,
            "job": self.process.kind,
            "severity": self.severity,
        }
        return {
            "status": "firing" if self.ends_at is None else "resolved",
            "labels": labels,
            "annotations": {"summary": self.summary},
            "startsAt": _rfc3339(self.starts_at),
            "endsAt": _NEVER_ENDED if self.ends_at is None else _rfc3339(self.ends_at),
            "generatorURL": "",
            "fingerprint": hashlib.sha256(json.dumps(labels, sort_keys=True).encode()).hexdigest()[:16],
        }


def look(network: Network, process: Process) -> Alert | None:
    """What is wrong with `process` now, if anything."""
    address, port = network.where(process)
    now = datetime.now(UTC)

    def alert(name: str, severity: str, summary: str) -> Alert:
        return Alert(name, process, f"{address}:{port}", severity, summary, now)

    try:
        health = fetch(address, port, "/healthz")
    except Unavailable as gone:
        return alert("ProcessDown", "critical", f"{process.component} doesn't answer: {gone}")
    if process.component == "standby" and health.body.get("role") != "standby":
        return alert("NoStandby", "warning", "no database is a standby")
    if not process.has_needs:
        return None
    try:
        ready = fetch(address, port, "/ready", timeout_s=3.0)
    except Unavailable as gone:
        return alert("ProcessDown", "critical", f"{process.component} doesn't answer: {gone}")
    if ready.status == 200:
        return None
    severity = "critical" if process.kind == "line" else "warning"  # the others still serve what doesn't need it
    return alert(
        "ServiceErrors", severity, f"{process.component} answers {ready.status}: {ready.body.get('error', '')}"
    )


class Watch:
    """Remembers what fires, and what the engine hasn't been told yet."""

    def __init__(self, network: Network) -> None:
        self._network = network
        self._firing: dict[tuple[str, str], Alert] = {}
        self._untold: dict[tuple[str, str], Alert] = {}
        self._wait_until = 0.0

    def sweep(self, pool: ThreadPoolExecutor) -> None:
        """Look at everything once."""
        seen = pool.map(lambda process: look(self._network, process), PROCESSES)
        self.note([alert for alert in seen if alert is not None], at=time.monotonic())

    def note(self, seen: Iterable[Alert], *, at: float) -> None:
        """Compare with what fired before; `at` in seconds of a clock that never jumps."""
        now = {alert.key: alert for alert in seen}
        fresh = {key: alert for key, alert in now.items() if key not in self._firing}
        ended = {key: alert for key, alert in self._firing.items() if key not in now}
        if fresh and not self._firing:
            self._wait_until = at + GROUP_WAIT_S
        self._untold |= fresh
        self._untold |= {key: replace(alert, ends_at=datetime.now(UTC)) for key, alert in ended.items()}
        self._firing = {key: self._firing.get(key, alert) for key, alert in now.items()}

    def due(self, *, at: float) -> list[Alert]:
        """What is to be told now; it stays until `told`."""
        return list(self._untold.values()) if at >= self._wait_until else []

    def told(self, alerts: Iterable[Alert]) -> None:
        """The engine has stored `alerts`."""
        for alert in alerts:
            if self._untold.get(alert.key) == alert:
                del self._untold[alert.key]


def webhook_body(alerts: list[Alert]) -> dict[str, object]:
    """Alertmanager's webhook, version 4."""
    firing = any(alert.ends_at is None for alert in alerts)
    return {
        "version": "4",
        "groupKey": '{}:{job="shop"}',
        "truncatedAlerts": 0,
        "status": "firing" if firing else "resolved",
        "receiver": "bsm-remediate",
        "groupLabels": {},
        "commonLabels": {},
        "commonAnnotations": {},
        "externalURL": "",
        "alerts": [alert.body() for alert in alerts],
    }


def post(url: str, token: str, body: dict[str, object]) -> bool:
    """Whether the engine has accepted `body`; what it answers else goes to standard error."""
    where = urlsplit(url)
    connection = http.client.HTTPConnection(where.hostname or "", where.port, timeout=_TIMEOUT_S)
    headers = {"Content-Type": "application/json", "Authorization": f"Bearer {token}"}
    try:
        connection.request("POST", where.path, json.dumps(body), headers)
        answer = connection.getresponse()
        if answer.status != 202:
            print(f"{url} answers {answer.status}: {answer.read()[:500]!r}", file=sys.stderr, flush=True)
        is_accepted = answer.status == 202
    except (OSError, http.client.HTTPException) as error:
        print(f"{url}: {error}", file=sys.stderr, flush=True)
        return False
    finally:
        connection.close()
    return is_accepted


def main() -> None:
    options = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    options.add_argument("--network", type=int, required=True, help="X of the lab's addresses 127.0.X.N")
    options.add_argument("--webhook", required=True, metavar="URL", help="token in the environment: BSM_TOKEN")
    given = options.parse_args()
    die_with_parent()
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    token = os.environ["BSM_TOKEN"]
    watch = Watch(Network(given.network))
    with ThreadPoolExecutor(max_workers=len(PROCESSES)) as pool:
        while True:
            begin = time.monotonic()
            watch.sweep(pool)
            due = watch.due(at=time.monotonic())
            if due and post(given.webhook, token, webhook_body(due)):
                watch.told(due)
            time.sleep(max(0.0, EVERY_S - (time.monotonic() - begin)))


def _rfc3339(moment: datetime) -> str:
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


if __name__ == "__main__":
    main()
