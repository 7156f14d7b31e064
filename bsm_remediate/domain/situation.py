"""What is the case: everything that evaluation looks at beside the bundle. A value; the engine reads it from the store,
`plan` from a file, tests write it down.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from bsm_remediate.domain.alert import Alert, AlertKey
from bsm_remediate.domain.bundle import DEFAULT_GOAL
from bsm_remediate.domain.experience import Experience, ExperienceKey
from bsm_remediate.domain.ids import NodeId, PolicyId
from bsm_remediate.domain.policy import Mode
from bsm_remediate.domain.pool import Load
from bsm_remediate.domain.rebalancing_course import Course
from bsm_remediate.domain.run import Run
from bsm_remediate.domain.state import State


@dataclass(frozen=True, kw_only=True, slots=True)
class Hold:
    """A person works on a host or component: nothing is run there."""

    target: str
    """A component id or host name."""
    who: str
    reason: str
    since: datetime
    until: datetime | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Pause:
    """New runs are stopped."""

    who: str
    reason: str
    since: datetime
    until: datetime | None = None
    scope: str = ""
    """Only those of one `component:ID`, `host:NAME`, `policy:ID` or `team:NAME`; empty: all."""


@dataclass(frozen=True, kw_only=True, slots=True)
class MaintenanceWindow:
    """A person works on something: what it covers doesn't serve, costs nothing and starts no runs (DESIGN 5.1)."""

    id: str
    target: str
    """A component, set, pool, host or service."""
    who: str
    reason: str
    since: datetime
    until: datetime | None = None
    calendar: str = ""
    """In force only while that calendar is; empty: all the time."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Situation:
    """The facts of one moment `at` (aware)."""

    at: datetime
    alerts: tuple[Alert, ...]
    """All that fire or have neither repeated nor resolved."""
    last_seen: Mapping[AlertKey, datetime] = field(default_factory=dict)
    """Last repeat, where later than `received_at`; older than `alert_timeout` is unknown (DESIGN 5.6)."""
    suppressed: Mapping[AlertKey, str] = field(default_factory=dict)
    """Silenced or inhibited at their source → by what, for people: evidence for causes, never triggers (DESIGN 5.6)."""
    doubt: str = ""
    """Why monitoring can't be relied on now (its heartbeat is missing, its list can't be read): then `auto` waits for
    a person. Empty when it can.
    """
    runs: tuple[Run, ...] = ()
    """Unfinished ones and those that ended within the longest window any guard looks back."""
    onsets: Mapping[AlertKey, tuple[datetime, ...]] = field(default_factory=dict)
    """When each alert that began more than once of late began, by our clock."""
    experience: Mapping[ExperienceKey, Experience] = field(default_factory=dict)
    """What past runs of alternatives took and brought."""
    loads: Mapping[str, Load] = field(default_factory=dict)
    """Pool → its live load; one that isn't known now is left out."""
    courses: Mapping[str, Course] = field(default_factory=dict)
    """Pool → where it stood at the look before; one whose weights were never moved may be left out."""
    holds: tuple[Hold, ...] = ()
    maintenance: tuple[MaintenanceWindow, ...] = ()
    """Those ordered, in force or not."""
    pauses: tuple[Pause, ...] = ()
    released: Mapping[NodeId, datetime] = field(default_factory=dict)
    """Component → when a person gave it back to the engine after an escalation."""
    closed: Mapping[PolicyId, datetime] = field(default_factory=dict)
    """Policy → when a person last closed its breaker."""
    adopted: Mapping[PolicyId, datetime] = field(default_factory=dict)
    """Policy → when a person let it act on old signals."""
    policy_active_since: Mapping[PolicyId, datetime] | None = None
    """When each policy began to act; None asks no age (a plan on a file)."""
    goal: str = DEFAULT_GOAL
    executors: int | None = None
    """None: the bundle's `executors`."""
    max_mode: Mode = Mode.AUTO
    assume: Mode | None = None
    """`--assume auto`: shadow policies count as this mode."""
    stated: Mapping[NodeId, State] = field(default_factory=dict)
    """Own states given outright (`what-if`), beside those from alerts."""
    standing_order: tuple[tuple[NodeId | None, PolicyId | None, str], ...] = ()
    """The steps of the plan before, in their order: it stays unless another is clearly better (`StepKey`)."""
    exact: bool = False
    """Whether to prove the order the best one, which may take seconds (`plan --exact`)."""
