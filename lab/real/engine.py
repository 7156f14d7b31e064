"""The engine of a lab: a real `bsm-remediate serve` in the lab's folder, and what its API says."""

from __future__ import annotations

import http.client
import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from lab.engine import Engine
from lab.real.shop import Lab
from lab.real.site import engine_environment
from lab.serving import die_with_parent

Json = dict[str, Any]
_READY_WITHIN_S = 30.0
_ENDS_WITHIN_S = 45.0
_LOOK_EVERY_S = 0.05


class NotInTime(AssertionError):
    """What was waited for didn't come true."""


def until(holds: Callable[[], object], what: str, *, within_s: float = 40.0) -> None:
    """Wait until `holds`. Raises `NotInTime` with `what`."""
    deadline = time.monotonic() + within_s
    while not holds():
        if time.monotonic() > deadline:
            raise NotInTime(f"not within {within_s:.0f} s: {what}")
        time.sleep(_LOOK_EVERY_S)


class LabEngine:
    """Started, killed and asked by those who test or play."""

    def __init__(self, lab: Lab) -> None:
        self.lab = lab
        self._token = lab.layout.file("admin.token").read_text().strip()
        self._api = Engine(lab.layout.engine_url, self._token)
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Raises `RuntimeError` with its last words when it doesn't come up."""
        log = self.lab.layout.file("engine.log")
        with log.open("ab") as output:
            self._process = subprocess.Popen(
                [str(Path(sys.executable).parent / "bsm-remediate"), "serve"],
                cwd=self.lab.layout.folder,
                env=engine_environment(self.lab.layout),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                preexec_fn=die_with_parent,  # noqa: PLW1509 - nothing here has threads that hold locks
            )
        deadline = time.monotonic() + _READY_WITHIN_S
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > deadline:
                self.stop(signal.SIGKILL)
                raise RuntimeError(f"the engine didn't start:\n{log.read_text(errors='replace')[-2000:]}")
            time.sleep(_LOOK_EVERY_S)

    @property
    def is_running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def stop(self, how: signal.Signals = signal.SIGTERM) -> None:
        """End it; nothing when it isn't running."""
        if self._process is not None:
            self._process.send_signal(how)
            self._process.wait(_ENDS_WITHIN_S)
            self._process = None

    def _answers(self) -> bool:
        try:
            self._api.get("/api/v1/plan")
        except (OSError, RuntimeError, http.client.HTTPException):
            return False
        return True

    # --- what it knows ---------------------------------------------------------------------------------------------

    def alerts(self) -> dict[tuple[str, str], Json]:
        """Alertname and component → row, of what fires, save the heartbeat."""
        rows = {(row["labels"]["alertname"], row["labels"].get("component", "")): row for row in self.listing("alerts")}
        return {key: row for key, row in rows.items() if key[0] != "Watchdog"}

    def verdict(self, alertname: str, component: str) -> tuple[str, str]:
        """Verdict and reason of the decision about that alert; empty when it doesn't fire."""
        signals = self.alerts().get((alertname, component), {}).get("signals", [])
        return (signals[0]["verdict"], signals[0]["reason"]) if signals else ("", "")

    def runs(self, *, since: datetime, component: str = "") -> list[Json]:
        """Those planned since then, oldest first, save those that found their component well and ran nothing."""
        listed = [row for row in self.listing("runs") if row["end"] != "already_ok"]
        rows = [row for row in listed if datetime.fromisoformat(row["planned_at"]) >= since]
        return [row for row in rows[::-1] if component in ("", row["component"])]

    def run(self, *, since: datetime, component: str, state: str) -> Json | None:
        """The latest of that component in that state."""
        found = [row for row in self.runs(since=since, component=component) if row["state"] == state]
        return found[-1] if found else None

    def is_busy(self) -> bool:
        return any(row["state"] in ("queued", "running", "verifying") for row in self.listing("runs"))

    def listing(self, name: str) -> list[Json]:
        return self._api.listing(name)

    def get(self, path: str) -> Json:
        return self._api.get(path)

    def account(self) -> str:
        """What it thinks and did, and its last words, for people."""
        lines = [self.lab.layout.file("engine.log").read_text(errors="replace")[-3000:]]
        if self._answers():
            for key, row in self.alerts().items():
                decided = [f"{one['policy']}: {one['verdict']} ({one['reason']})" for one in row["signals"]]
                lines.append(f"alert {key} since {row['starts_at']}: {'; '.join(decided)}")
            for run in self.listing("runs")[:20]:
                told = " ".join(str(run[name]) for name in ("planned_at", "component", "playbook", "state", "end"))
                lines.append(f"run {told}: {run['outcome']}")
        return "\n".join(lines)

    # --- steering --------------------------------------------------------------------------------------------------

    def ask(self, control: str, **wish: str) -> Json:
        """Use one of people's controls, like `pause` or `runs/ID/approve`. Raises `RuntimeError` when it is refused."""
        return self._post(control, wish)

    def read_sources(self) -> None:
        """Have it read Alertmanager's list soon, as after a webhook that was cut."""
        self._post("webhooks/alertmanager", {"version": "4", "truncatedAlerts": 1, "alerts": []})

    def _post(self, path: str, body: Json) -> Json:
        where = urlsplit(self.lab.layout.engine_url)
        connection = http.client.HTTPConnection(where.hostname or "", where.port, timeout=20)
        headers = {"Authorization": f"Bearer {self._token}", "Content-Type": "application/json"}
        try:
            connection.request("POST", f"/api/v1/{path}", body=json.dumps(body), headers=headers)
            answer = connection.getresponse()
            said = answer.read()
        finally:
            connection.close()
        if answer.status not in (200, 202):
            raise RuntimeError(f"{path} answers {answer.status}: {said.decode(errors='replace')[:500]}")
        found: Json = json.loads(said)
        return found


def now() -> datetime:
    return datetime.now(UTC)
