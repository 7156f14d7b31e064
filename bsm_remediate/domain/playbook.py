"""One execution of a playbook, asked for and reported as values; who carries it out is a port."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

from bsm_remediate.domain.alert import Alert
from bsm_remediate.domain.event import Json
from bsm_remediate.domain.ids import RunId
from bsm_remediate.domain.pool import Weights
from bsm_remediate.domain.service_map import Component


@dataclass(frozen=True, kw_only=True, slots=True)
class PlaybookCall:
    """What to execute, where and with which facts.

    `vars` are the policy's own, already rendered: plain JSON values under author-chosen names.
    """

    run: RunId
    attempt: int
    fence: int
    playbook: str
    hosts: tuple[str, ...]
    """Exact inventory hosts; never empty, since no limit means all hosts."""
    component: Component
    alerts: tuple[Alert, ...]
    services: tuple[str, ...]
    loss_per_minute: float
    vars: Mapping[str, Json] = field(default_factory=dict)
    time_limit: timedelta
    check_mode: bool = False
    weights: Weights | None = None
    """Of a rebalancing: what it is to set."""


class PlaybookOutcome(StrEnum):
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    UNREACHABLE = "unreachable"
    TIMED_OUT = "timed_out"
    CANCELLED = "cancelled"
    NO_HOST_MATCHED = "no_host_matched"
    """Ansible was content (exit code 0 too), but its statistics lack a host that was meant."""
    NOT_STARTED = "not_started"
    """Refused before or by ansible-playbook itself: missing file, syntax error, unknown host."""
    DIED = "died"
    """The process vanished without statistics."""


@dataclass(frozen=True, kw_only=True, slots=True)
class PlaybookResult:
    outcome: PlaybookOutcome
    reason: str
    """One line for people: `failed on db-1 in task 'Restart the unit': …`."""
    exit_code: int | None
    duration_s: float
    changed: int = 0
    """Tasks that changed something, over all hosts."""
    artifacts: str = ""
    """Folder with what ansible-runner left, relative to the state directory."""
    digest: str = ""
    """sha256 of the event stream, for the journal."""


@dataclass(frozen=True, kw_only=True, slots=True)
class PlaybookEvent:
    """One thing that happened in a playbook, already redacted."""

    run: RunId
    attempt: int
    at: datetime
    kind: str
    """`play`, `task`, `ok`, `changed`, `failed`, `unreachable`, `skipped`, `stats`."""
    host: str | None
    task: str | None
    message: str = ""
    diff: str = ""
    """What a change would look like, or looked like; in check mode only, since it may be long."""
    duration_s: float | None = None
