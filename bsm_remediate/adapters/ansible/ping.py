"""Whether hosts can be reached as runs reach them, and how far their clocks are off."""

from __future__ import annotations

import shutil
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from bsm_remediate.adapters.ansible.events import Account
from bsm_remediate.adapters.ansible.folder import RunFolder
from bsm_remediate.adapters.ansible.inert import written
from bsm_remediate.adapters.ansible.launch import Launch
from bsm_remediate.adapters.ansible.project import OURS, AnsibleProject
from bsm_remediate.adapters.ansible.redact import Redactor
from bsm_remediate.domain.ids import RunId
from bsm_remediate.domain.playbook import PlaybookEvent

_PLAYBOOK = OURS / "doctor.yml"


@dataclass(frozen=True, kw_only=True, slots=True)
class Pinged:
    """What became of one host."""

    host: str
    trouble: str = ""
    """Why it can't be used; empty when it can."""
    skew_s: float | None = None
    """Its clock minus ours, in seconds, to about one; None where it didn't tell."""


def ping(
    hosts: Sequence[str],
    *,
    project: AnsibleProject,
    state: Path,
    redact: Redactor,
    answered: Callable[[Pinged], None],
    time_limit_s: float,
) -> list[Pinged]:
    """Ping `hosts`, exact names of the inventory, side by side; `answered` hears of each as it is done."""
    told: dict[str, Pinged] = {}

    def hear(event: PlaybookEvent) -> None:
        found = _reading(event)
        if found is not None and found.host not in told:
            told[found.host] = found
            answered(found)

    folder = RunFolder.fresh(state / "checks", str(uuid.uuid4()))
    try:
        folder.write_variables(written({"asked_by": "doctor"}))
        launch = Launch(project=project, playbook=_PLAYBOOK, hosts=hosts, time_limit_s=time_limit_s)
        account = Account(run=RunId(folder.path.name), attempt=1, redact=redact, tell=hear)
        ended = launch.carry_out(folder, account, cancelled=lambda: False, redact=redact)
    finally:
        shutil.rmtree(folder.path, ignore_errors=True)
    silent = f"no answer within {time_limit_s:.0f} s" if ended.stopped else ended.trouble or ended.last_words
    return [told.get(host, Pinged(host=host, trouble=silent or "Ansible said nothing about it")) for host in hosts]


def _reading(event: PlaybookEvent) -> Pinged | None:
    if event.host is None:
        return None
    if event.kind in {"failed", "unreachable"}:
        return Pinged(host=event.host, trouble=f"{event.kind}: {event.message}")
    if event.kind == "ok" and event.task == "Tell it":
        return Pinged(host=event.host, skew_s=_skew(event.message, event.at))
    return None


def _skew(told: str, at: datetime) -> float | None:
    return int(told) - at.timestamp() if told.isascii() and told.isdigit() else None
