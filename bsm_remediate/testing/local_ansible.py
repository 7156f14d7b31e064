"""A small Ansible project in a folder, whose hosts are all this machine; and calls to run in it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from textwrap import indent

from bsm_remediate.adapters.ansible.executor import AnsibleExecutor, Retention
from bsm_remediate.adapters.ansible.project import AnsibleProject, AnsibleProjects
from bsm_remediate.adapters.ansible.warm import WarmServers
from bsm_remediate.adapters.system_clock import SystemClock
from bsm_remediate.domain.alert import Alert, AlertStatus
from bsm_remediate.domain.event import Json
from bsm_remediate.domain.ids import Fingerprint, NodeId, RunId
from bsm_remediate.domain.playbook import PlaybookCall
from bsm_remediate.domain.pool import Weights
from bsm_remediate.domain.service_map import Component

_WARM_WITHIN_S = 60.0
NEW_YEAR = datetime(2026, 1, 5, 9, 0, tzinfo=UTC)


class LocalAnsible:
    """Hosts h1 and h2 in group `shop`, playbooks as written by a test, an executor on them.

    With `warm`, its executors wait until a server is ready for them.
    """

    def __init__(self, root: Path, *, environment: tuple[str, ...] = (), warm: WarmServers | None = None) -> None:
        self.root = root
        self.warm = warm
        self.state = root / "state"
        self.playbooks = root / "playbooks"
        self.playbooks.mkdir(parents=True)
        self.inventory = root / "hosts.yml"
        # The interpreter is pinned, since discovery takes whatever python is first in PATH.
        self.inventory.write_text(
            "all:\n"
            "  vars: {ansible_connection: local, ansible_python_interpreter: '{{ ansible_playbook_python }}'}\n"
            "  children: {shop: {hosts: {h1: {}, h2: {ansible_host: 10.0.0.2}}}}\n"
        )
        self.project = AnsibleProject(inventory=(self.inventory,), environment=environment)

    def write_playbook(self, name: str, tasks: str, *, hosts: str = "all") -> str:
        """A playbook of one play with `tasks` (YAML list, not indented); returns its name."""
        text = f"- hosts: {hosts}\n  gather_facts: false\n  tasks:\n{indent(tasks, '    ')}\n"
        (self.playbooks / name).write_text(text)
        return name

    def executor(self, *, secrets: Iterable[str] = (), retention: Retention | None = None) -> AnsibleExecutor:
        executor = AnsibleExecutor(
            projects=AnsibleProjects(usual=self.project),
            playbooks=self.playbooks,
            state=self.state,
            clock=SystemClock(),
            secrets=secrets,
            retention=retention,
            warm=self.warm,
        )
        if self.warm is not None and not executor.warm_up(within_s=_WARM_WITHIN_S):
            raise TimeoutError(f"no warm server within {_WARM_WITHIN_S:.0f} s")
        return executor

    def artifacts(self) -> str:
        """All that is left in the state directory, as one text."""
        files = (path for path in sorted(self.state.rglob("*")) if path.is_file())
        return "\n".join(f"{path.name}: {path.read_text(errors='replace')}" for path in files)


def an_alert(labels: Mapping[str, str] | None = None, annotations: Mapping[str, str] | None = None) -> Alert:
    """A firing alert of the first Monday of 2026."""
    return Alert(
        source="test",
        fingerprint=Fingerprint("f1"),
        status=AlertStatus.FIRING,
        labels={"alertname": "Down", "instance": "h1:9100"} if labels is None else labels,
        annotations=annotations or {},
        starts_at=NEW_YEAR,
        received_at=NEW_YEAR,
    )


def a_call(
    playbook: str,
    *,
    hosts: tuple[str, ...] = ("h1",),
    run: str = "run-1",
    attempt: int = 1,
    alerts: tuple[Alert, ...] | None = None,
    variables: Mapping[str, Json] | None = None,
    labels: Mapping[str, str] | None = None,
    time_limit_s: float = 30.0,
    weights: Weights | None = None,
) -> PlaybookCall:
    """A call about one component on the first of `hosts`."""
    return PlaybookCall(
        run=RunId(run),
        attempt=attempt,
        fence=7,
        playbook=playbook,
        hosts=hosts,
        component=Component(id=NodeId("web-1"), host=hosts[0] if hosts else "", labels=labels or {}),
        alerts=(an_alert(),) if alerts is None else alerts,
        services=("checkout",),
        loss_per_minute=300.0,
        vars=variables or {},
        time_limit=timedelta(seconds=time_limit_s),
        weights=weights,
    )
