"""The policy bundle as a value: everything that the files say, checked and resolved."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, time, timedelta
from functools import cached_property

from bsm_remediate.domain.calendar import Calendar
from bsm_remediate.domain.ids import Digest, NodeId, PolicyId
from bsm_remediate.domain.on_call import OnCall
from bsm_remediate.domain.planned_change import PlannedChange
from bsm_remediate.domain.policy import Policy, Rate
from bsm_remediate.domain.pool import Pool
from bsm_remediate.domain.route import Route
from bsm_remediate.domain.service_map import ServiceMap

DEFAULT_GOAL = "default"
APPROVER = "approver"
"""The duty to approve."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Goal:
    """Weights by business function; a function without one weighs 1."""

    name: str
    weights: Mapping[str, float] = field(default_factory=dict)

    def weight(self, function: str | None) -> float:
        return self.weights.get(function, 1.0) if function is not None else 1.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Team:
    """People and their duties."""

    name: str
    members: tuple[str, ...]
    on_call: OnCall | None = None
    duties: tuple[str, ...] = ()
    """A team that names any has these and no others."""

    @property
    def may_approve_runs(self) -> bool:
        """One that names no duties may, too; changes are approved by teams only that name this one."""
        return not self.duties or APPROVER in self.duties

    def on_call_person(self, now: datetime) -> str | None:
        """Who is on call at `now` (aware); the first of the rotation before its start; None without a rotation."""
        return self.on_call.person(now) if self.on_call is not None else None


@dataclass(frozen=True, kw_only=True, slots=True)
class StormLimit:
    """More than `share` of all components (and at least `at_least`) beginning to signal within `within` is a storm; the
    same with `set_share` of the members of one set or pool, for these.
    """

    share: float = 0.30
    set_share: float = 0.50
    at_least: int = 10
    within: timedelta = timedelta(minutes=5)


@dataclass(frozen=True, kw_only=True, slots=True)
class Watchdog:
    """An alert that always fires: without it for `within`, monitoring is broken and `auto` is held (DESIGN 5.6)."""

    alertname: str
    within: timedelta = timedelta(minutes=5)


@dataclass(frozen=True, kw_only=True, slots=True)
class WeeklyReport:
    """A team is told once a week what the week brought."""

    team: str
    weekday: int = 0
    """0 is Monday."""
    at: time = time(8)
    timezone: str = "UTC"


@dataclass(frozen=True, kw_only=True, slots=True)
class NotifySettings:
    """When people are told, and how often at most."""

    loss_over: float = 0.0
    """Money per minute: a loss of more than that is told."""
    every: timedelta = timedelta(minutes=5)
    """At most one message to an address in that time, and one more of what is critical."""
    gather: timedelta = timedelta(seconds=5)
    """What comes within that time is told in one message."""
    remind: timedelta = timedelta(hours=4)
    """What still stands is told again after so long without a message."""
    escalate_after: timedelta | None = None
    """What nobody answers for so long is told to the next person; None: `approval` of the settings."""
    burn: Mapping[str, float] = field(default_factory=lambda: {"1h": 14.4, "6h": 6.0, "3d": 1.0})
    """By window of time: a budget that is used up that many times faster than allowed is told."""
    weekly_report: WeeklyReport | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Settings:
    """What a reviewer of policies must see (DESIGN 4, `settings:`)."""

    executors: int = 4
    settle: timedelta = timedelta(seconds=20)
    alert_timeout: timedelta = timedelta(hours=24)
    skew: timedelta = timedelta(seconds=30)
    component_labels: tuple[str, ...] = ("component", "instance", "host", "hostname", "node", "pod", "service")
    not_about: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Label to values: alerts with one of them don't name their component through `instance`, host or alias labels."""
    state_from_severity: bool = False
    """True with `state_from_severity: all`: alerts that no policy names change states too."""
    max_runs: Rate | None = None
    """Engine-wide, `guard: {max_runs: 20/1h}`."""
    storm: StormLimit = StormLimit()
    watchdog: Watchdog | None = None
    freeze: tuple[str, ...] = ()
    """Calendars of change freezes."""
    dry_run: bool = False
    """Whether each approval that is asked for comes with a dry run."""
    approval: timedelta = timedelta(minutes=10)
    """An approval that nobody answers for so long is escalated."""
    person: timedelta | None = None
    """What handing over to a person costs, if that is said."""
    notify: NotifySettings = NotifySettings()


@dataclass(frozen=True, kw_only=True, eq=False)
class Bundle:
    """All policies and the business model. Immutable; a reload makes a new one."""

    digest: Digest
    git_commit: str | None = None
    currency: str
    """What losses are counted in: the bundle's currency, or `points` when it knows only tiers."""
    service_map: ServiceMap
    policies: Mapping[PolicyId, Policy]
    goals: Mapping[str, Goal]
    calendars: Mapping[str, Calendar]
    teams: Mapping[str, Team]
    settings: Settings
    sets: Mapping[str, tuple[NodeId, ...]] = field(default_factory=dict)
    """Component sets and pools: their members."""
    pools: Mapping[str, Pool] = field(default_factory=dict)
    """Those whose members' capacities are known."""
    routes: tuple[Route, ...] = ()
    """Where people are told."""
    changes: Mapping[str, PlannedChange] = field(default_factory=dict)
    """Planned work, by name."""

    @cached_property
    def sets_of(self) -> Mapping[NodeId, tuple[str, ...]]:
        """Component → the sets and pools that it belongs to, by name."""
        found: dict[NodeId, tuple[str, ...]] = {}
        for name, members in sorted(self.sets.items()):
            for node in members:
                found[node] = (*found.get(node, ()), name)
        return found

    def freezes(self, now: datetime) -> tuple[str, ...]:
        """The change freezes in force. One whose calendar isn't there any more holds: nobody has lifted it."""
        calendars = ((name, self.calendars.get(name)) for name in self.settings.freeze)
        return tuple(name for name, one in calendars if one is None or one.is_in_force(now))

    def playbooks(self) -> frozenset[str]:
        """Names of all playbooks that policies and changes may run: those of rollbacks and checks too."""
        acting: tuple[Policy | PlannedChange, ...] = (*self.policies.values(), *self.changes.values())
        return frozenset(name for one in acting for name in one.playbooks())
