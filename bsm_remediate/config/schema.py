"""The bundle's schema: what may be written, key by key (DESIGN 4). Source of `schema` and of the reference page."""

from __future__ import annotations

from datetime import time, timedelta
from typing import Any, Literal

from pydantic import Field, model_validator

from bsm_remediate.config.change_schema import ChangeSection
from bsm_remediate.config.fields import (
    ClockTime,
    Day,
    Duration,
    HostName,
    Hours,
    Id,
    LocalTime,
    ModeName,
    Money,
    NoticeName,
    RateText,
    Share,
    SomeTime,
    StateName,
    Text,
    Weekdays,
)
from bsm_remediate.config.formula_schema import with_formulas
from bsm_remediate.config.schema_parts import CheckSection, ExpectSection, RollbackSection
from bsm_remediate.config.schema_parts import Section as _Section
from bsm_remediate.domain.pool import LOAD_EVERY

LATER: dict[str, str] = {
    "sources": "sources that are read",
}
"""Keys of the design that come with later versions: a clear refusal instead of silence."""


class ObjectiveSection(_Section):
    """What was promised to the business."""

    availability: float = Field(ge=0, le=100, description="Percent of the time.")
    window: SomeTime | None = Field(default=None, description="Over which time.")


class DeadlineSection(_Section):
    """Work that must be done each day by a certain time."""

    by: ClockTime = Field(description="Like 05:00.")
    needs: SomeTime = Field(description="How long the work takes.")
    timezone: Text = Field(default="UTC", description="Whose clock that is.")


class ServiceSection(_Section):
    """Something that the business values."""

    title: Text = Field(default="", description="What it is, for people.")
    function: Text | None = Field(default=None, description="Business function; goals weigh it.")
    owner: Text | None = Field(default=None, description="A team.")
    loss_per_minute: Money | dict[Text, Money] | None = Field(
        default=None, description="Money per minute while down; one number, or `default` and calendars."
    )
    tier: Text | None = Field(default=None, description="Instead of money: critical, high, medium or low.")
    degraded: Share = Field(default=0.5, description="Share of the loss while degraded.")
    grace: Duration = Field(default=timedelta(0), description="An outage shorter than that costs nothing.")
    per_outage: float = Field(
        default=0.0, ge=0, allow_inf_nan=False, description="Money once for each outage that outlasts the grace."
    )
    deadline: DeadlineSection | None = Field(
        default=None, description="Daily work: an outage costs only once the rest no longer fits."
    )
    objective: ObjectiveSection | None = Field(default=None, description="What was promised.")
    requires: Any = Field(description="Formula over components, sets and services.")


class ComponentSection(_Section):
    """Something that can fail and be restored: process, host, database, link, queue."""

    title: Text = Field(default="", description="What it is, for people.")
    owner: Text | None = Field(default=None, description="A team.")
    host: HostName | None = Field(
        default=None, description="Inventory host that playbooks are limited to (default: id)."
    )
    hosts: Any = Field(default=None, description="Makes it a set: a group, a pattern with *, or a list of hosts.")
    requires: Any = Field(default=None, description="Formula over what it needs.")
    aliases: list[Text] = Field(
        default_factory=list, description="Other names that alerts use for it; in a set with {host} or {address}."
    )
    match: dict[Text, Text] | list[Text] | None = Field(
        default=None, description="Alerts with these labels are about it."
    )
    labels: dict[Text, Text] = Field(default_factory=dict, description="Facts for expressions and templates.")
    host_level: bool = Field(default=False, description="Alerts that name only its host are about it.")
    lock: Literal["host", "component"] | None = Field(
        default=None, description="`component`: its host is only a place to run from (default for localhost)."
    )


class PoolMemberSection(_Section):
    """One member of a pool: a component, or a set for all of its own."""

    capacity: float | None = Field(
        default=None, gt=0, le=1e15, allow_inf_nan=False, description="Most that it can take, in the unit of the load."
    )
    serves: list[Id] | None = Field(default=None, min_length=1, description="Only these of the pool's services.")


class PoolLoadSection(_Section):
    """Where the live load is read."""

    query: Text = Field(description="PromQL; each series names its member, or the service whose load it is.")
    every: SomeTime = Field(default=LOAD_EVERY, description="Asked so often.")


class PoolReplicasSection(_Section):
    """Members that are all alike: how many of them may run."""

    at_least: int = Field(default=1, ge=0, le=10_000, description="Never fewer.")
    at_most: int = Field(ge=1, le=10_000, description="Never more.")
    capacity: float = Field(
        gt=0, le=1e15, allow_inf_nan=False, description="Most that each can take, in the unit of the load."
    )
    running: Text = Field(default="", description="PromQL for how many run now: one series, or their sum.")
    cost_per_minute: float = Field(
        default=0.0, ge=0, allow_inf_nan=False, description="What each costs; one more must save more than that."
    )


class PoolApplySection(_Section):
    """How weights, or the number of replicas, get into force."""

    component: Id = Field(description="Where the playbook runs, the load balancer; locked meanwhile, as the pool is.")
    playbook: Text = Field(description="File in the playbooks folder; it gets `bsm.weights`, or `bsm.replicas`.")
    vars: dict[Text, Any] = Field(default_factory=dict, description="Variables; templates see component facts only.")
    expect: ExpectSection = Field(default_factory=ExpectSection, description="Duration and success chance.")


class PoolSection(_Section):
    """Members that share load: their weights, or how many of them run, follow capacity, load and business value."""

    members: dict[Id, PoolMemberSection] = Field(default_factory=dict, description="Components with their capacity.")
    replicas: PoolReplicasSection | None = Field(default=None, description="Instead of `members`: as many as needed.")
    load: PoolLoadSection | None = Field(default=None, description="Where the live load is read.")
    serves: list[Id] = Field(default_factory=list, description="Services that live on it.")
    apply: PoolApplySection | None = Field(default=None, description="The playbook that sets weights.")
    comfortable: Share = Field(default=0.8, description="Share of its capacity up to which a member has room.")
    clear: Share = Field(
        default=0.7, description="The pressure is gone when normal weights would keep all members below that."
    )
    hold: Duration = Field(default=timedelta(minutes=10), description="For so long, before weights return to normal.")
    window: Duration = Field(
        default=timedelta(minutes=1), description="Until a move shows in the load; no further move before."
    )


class GoalSection(_Section):
    """A named profile of weights."""

    weights: dict[Text, float] = Field(default_factory=dict, description="Weight by business function (default 1).")


class CalendarSection(_Section):
    """When something is in force: exactly one of `hours`, `ics`, `rrule` and `holidays`."""

    timezone: Text | None = Field(default=None, description="A zone like Europe/Berlin; `hours` need one, else UTC.")
    weekdays: Weekdays | None = Field(default=None, description="Days on which `hours` begin (default: all).")
    hours: Hours | None = Field(default=None, description="One range or several, like 08:00-18:00.")
    ics: Text | None = Field(default=None, description="An iCalendar file in the folder of policies; its events count.")
    rrule: Text | None = Field(default=None, description="A recurrence rule of RFC 5545, like FREQ=MONTHLY;BYDAY=-1FR.")
    start: LocalTime | None = Field(default=None, description="When the first of `rrule` begins, in that time zone.")
    duration: SomeTime | None = Field(default=None, description="How long each of `rrule` lasts.")
    holidays: Text | None = Field(default=None, description="Public holidays of a country, like DE, or a part, DE-BY.")
    exceptions: list[Id] = Field(
        default_factory=list, alias="except", description="Calendars: while one is in force, this one isn't."
    )


class OnCallSection(_Section):
    """Who is on call."""

    rotation: list[Text] = Field(min_length=1, description="People in turn.")
    every: SomeTime = Field(description="How long a turn lasts.")
    start: Day = Field(description="The day on which the first turn begins.")
    at: ClockTime = Field(default=time(0), description="At what time of the day turns change.")
    timezone: Text = Field(default="UTC", description="Whose clock that is.")


class NotifySection(_Section):
    """An address, and what goes there; where several say the same address, whatever one of them lets through."""

    to: Text = Field(description="Apprise address, `env:NAME` or `file:PATH` (where it is kept secret).")
    severity: Literal["info", "warning", "critical"] = Field(default="info", description="The least that goes there.")
    kinds: list[NoticeName] = Field(default_factory=list, description="Only these (default: all).")
    about: Literal["own", "all"] = Field(default="own", description="`all`: what concerns other teams, too.")
    when: Id | None = Field(
        default=None, description="Only while that calendar is in force; what still stands then is told then."
    )


class PersonSection(_Section):
    """A person who can be told when it is their turn."""

    notify: list[Text | NotifySection] = Field(default_factory=list, description="Their own addresses.")


class TeamSection(_Section):
    """People and their duties."""

    members: list[Text] = Field(default_factory=list, description="People.")
    on_call: OnCallSection | None = Field(default=None, description="The rotation.")
    notify: list[Text | NotifySection] = Field(default_factory=list, description="Where they are told.")
    duties: list[Literal["owner", "approver"]] = Field(default_factory=list, description="What they may do.")


class AlternativeSection(_Section):
    """One playbook that may restore the component, or the rebalancing of a pool; exactly one of the two."""

    playbook: Text | None = Field(default=None, description="File in the playbooks folder.")
    rebalance: Id | None = Field(default=None, description="Pool whose weights are set, by its `apply`.")
    vars: dict[Text, Any] = Field(default_factory=dict, description="Variables; templates see component facts only.")
    expect: ExpectSection = Field(default_factory=ExpectSection, description="Duration and success chance.")
    mode: ModeName | None = Field(default=None, description="Stricter than the policy's.")
    timeout: SomeTime | None = Field(default=None, description="Default: 3 times the expected duration + 60 s.")
    once: bool = Field(default=False, description="Not repeatable: after a crash in its middle a person decides.")
    check: bool = Field(default=True, description="Whether it can run in check mode.")
    hosts: list[HostName] = Field(
        default_factory=lambda: ["self"], description="Limit and locks; self is its own host."
    )
    affects: list[Id] = Field(default_factory=list, description="What else it disturbs.")
    rollback: RollbackSection | None = Field(default=None, description="Run when it failed.")


class GuardSection(_Section):
    """A policy's limits."""

    cooldown: Duration | None = Field(default=None, description="After a remediation (default 10m).")
    max_runs: RateText | dict[Literal["component", "policy"], RateText] | None = Field(
        default=None, description="Per component (default 3/1h), or {component: …, policy: …}."
    )
    max_unavailable: Text | None = Field(default=None, description="Number or share of siblings worked on at once.")
    approve_above: float | None = Field(default=None, ge=0, description="Approval when the run itself could lose more.")
    approvers: list[Text] = Field(default_factory=list, description="Teams that may approve.")
    canary: int | None = Field(
        default=None, ge=1, description="Of a set, so many first; then twice as many, and so on."
    )


class MetricSection(_Section):
    """A figure, and the threshold beyond which each of its series is a signal; exactly one of above and below."""

    query: Text = Field(description="What the source is asked: PromQL, or a selector where it is no Prometheus.")
    source: Text | None = Field(default=None, description="Who is asked (default: the Prometheus).")
    above: float | None = Field(default=None, description="On when the figure is greater.")
    below: float | None = Field(default=None, description="On when it is less.")
    clear: float | None = Field(default=None, description="Off again there (default: the threshold itself).")
    hold: Duration | None = Field(default=None, alias="for", description="On only after so long (default 0s).")
    forecast: SomeTime | None = Field(
        default=None, description="Also on when the threshold is expected to be crossed within that time."
    )
    every: SomeTime | None = Field(default=None, description="Asked so often (default 30s).")

    @model_validator(mode="after")
    def _make_sense(self) -> MetricSection:
        if (self.above is None) is (self.below is None):
            raise ValueError("a metric needs exactly one of above and below")
        if self.clear is not None and self.above is not None and self.clear > self.above:
            raise ValueError(f"clear: {self.clear:g} lies above {self.above:g}, where it is on")
        if self.clear is not None and self.below is not None and self.clear < self.below:
            raise ValueError(f"clear: {self.clear:g} lies below {self.below:g}, where it is on")
        return self


class PolicySection(_Section):
    """What to do about a matching signal; exactly one of match and metric."""

    description: Text = Field(default="", description="What it is for.")
    match: dict[Text, Text] | list[Text] | None = Field(
        default=None, description="Labels that must be equal, or a list of matchers."
    )
    metric: MetricSection | None = Field(default=None, description="Instead of alerts: a figure and its threshold.")
    when: Text | None = Field(default=None, description="Expression that must hold for it to act.")
    sets: StateName | None = Field(default=None, description="State that the signal gives (default from severity).")
    evidence: Literal["direct", "indirect"] = Field(
        default="indirect", description="Broken itself, or maybe a symptom."
    )
    component: Text | None = Field(default=None, description="The component, or a template over labels.")
    precedence: int = Field(default=0, description="Of several that act the highest decides.")
    do: list[AlternativeSection] = Field(default_factory=list, description="Alternatives, in this order.")
    choose: Literal["written", "gain"] = Field(
        default="written", description="`gain`: alternatives by success per time, the best first."
    )
    verify: list[CheckSection] | None = Field(default=None, description="All must hold (default: the alert ends).")
    mode: ModeName | None = Field(default=None, description="off, shadow, approve or auto (default shadow).")
    guard: GuardSection | None = Field(default=None, description="Its limits.")
    scope: Literal["component", "host"] = Field(default="component", description="`host`: once per host, restores all.")
    unchecked: bool = Field(default=False, description="May act on its own without a check of its own.")
    learn: bool | None = Field(default=None, description="Past runs correct what it expects (default true).")
    freeze: Literal["hold", "ignore"] | None = Field(
        default=None, description="`hold`: not during a change freeze (default ignore: restorations go on)."
    )
    max_age: Duration | None = Field(default=None, description="Older signals wait for a person (default 1h).")
    resolve_within: Duration | None = Field(default=None, description="Time for its alert to end (default 10m).")

    @model_validator(mode="after")
    def _one_trigger(self) -> PolicySection:
        if (self.match is None) is (self.metric is None):
            raise ValueError("a policy needs exactly one of match and metric")
        return self


class DefaultsSection(_Section):
    """For every policy that doesn't say otherwise."""

    mode: ModeName | None = Field(default=None, description="As in a policy.")
    guard: GuardSection | None = Field(default=None, description="As in a policy.")
    verify: list[CheckSection] | None = Field(default=None, description="As in a policy.")
    learn: bool | None = Field(default=None, description="As in a policy.")
    freeze: Literal["hold", "ignore"] | None = Field(default=None, description="As in a policy.")


class StormSection(_Section):
    """When too much begins to signal at once, people approve."""

    all: Share = Field(default=0.30, description="Share of all components.")
    set: Share = Field(default=0.50, description="Share of the members of one set or pool, for these.")
    at_least: int = Field(default=3, ge=1, description="And at least so many.")
    within: SomeTime | None = Field(default=None, description="Within so long (default 5m).")


class EngineGuardSection(_Section):
    """Limits of the whole engine."""

    max_runs: RateText | None = Field(default=None, description="Of all policies together.")
    storm: Share | StormSection | None = Field(default=None, description="The storm brake.")


class WatchdogSection(_Section):
    """An alert that always fires; when it is missing, monitoring is broken and `auto` waits for a person."""

    alertname: Text = Field(default="Watchdog", description="What it is called.")
    within: SomeTime | None = Field(default=None, description="Missing after so long (default 5m).")


class WeeklyReportSection(_Section):
    """What the week brought, as a message."""

    to: Id = Field(description="The team that gets it.")
    weekday: Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"] = Field(default="mon", description="On that day.")
    at: ClockTime = Field(default=time(8), description="At that time.")
    timezone: Text = Field(default="UTC", description="Whose clock that is.")


class NotifySettingsSection(_Section):
    """When people are told."""

    loss_over: float = Field(default=0.0, ge=0, description="A loss of more than that per minute is told.")
    every: SomeTime | None = Field(default=None, description="At most one message to an address in that time (5m).")
    gather: Duration | None = Field(default=None, description="What comes within that time is one message (5s).")
    remind: SomeTime | None = Field(default=None, description="What still stands is told again after that time (4h).")
    escalate_after: SomeTime | None = Field(
        default=None, description="What nobody answers is told to the next person then (default: `approval`)."
    )
    burn: dict[Literal["1h", "6h", "3d"], float] | None = Field(
        default=None, description="How many times too fast an objective's budget may go (1h: 14.4, 6h: 6, 3d: 1)."
    )
    weekly_report: WeeklyReportSection | None = Field(default=None, description="The weekly report.")


class SettingsSection(_Section):
    """What a reviewer of policies must see."""

    executors: int = Field(default=4, ge=1, le=256, description="Playbooks at once.")
    settle: Duration | None = Field(default=None, description="Wait after a cause is restored (default 20s).")
    tiers: dict[Text, Money] = Field(default_factory=dict, description="Points per minute of each tier.")
    alert_timeout: SomeTime | None = Field(default=None, description="Unknown when silent for so long (default 24h).")
    skew: Duration | None = Field(default=None, description="Clock error that is tolerated (default 30s).")
    component_labels: list[Text] | None = Field(default=None, description="Labels that may name a component.")
    not_about: dict[Text, list[Text]] = Field(
        default_factory=dict, description="Labels of exporters that run elsewhere."
    )
    state_from_severity: Literal["named", "all"] = Field(
        default="named", description="`all`: unnamed alerts count too."
    )
    guard: EngineGuardSection = Field(default_factory=EngineGuardSection, description="Engine-wide limits.")
    watchdog: WatchdogSection | None = Field(default=None, description="The heartbeat of monitoring.")
    freeze: list[Id] = Field(default_factory=list, description="Calendars of change freezes.")
    dry_run: bool = Field(default=False, description="Each approval comes with a dry run (Ansible's check mode).")
    approval: SomeTime | None = Field(
        default=None, description="An approval that nobody answers for so long is escalated (default 10m)."
    )
    person: SomeTime | None = Field(
        default=None, description="What handing over to a person costs: a further alternative is tried if that is less."
    )
    notify: NotifySettingsSection = Field(
        default_factory=NotifySettingsSection, description="When people are told, and how often."
    )


class BundleSchema(_Section):
    """A policy bundle: what the business sells, what it needs, and what restores it."""

    currency: Text | None = Field(default=None, description="Of all money in the bundle, like EUR.")
    services: dict[Id, ServiceSection] = Field(default_factory=dict, description="What the business values.")
    components: dict[Id, ComponentSection] = Field(default_factory=dict, description="What can fail and be restored.")
    pools: dict[Id, PoolSection] = Field(default_factory=dict, description="Members that share load.")
    goals: dict[Id, GoalSection] = Field(default_factory=dict, description="Profiles of weights; `default` is active.")
    calendars: dict[Id, CalendarSection] = Field(default_factory=dict, description="Times that losses name.")
    teams: dict[Id, TeamSection] = Field(default_factory=dict, description="People and their duties.")
    people: dict[Id, PersonSection] = Field(default_factory=dict, description="How members of teams are reached.")
    policies: dict[Id, PolicySection] = Field(default_factory=dict, description="What may be done.")
    changes: dict[Id, ChangeSection] = Field(default_factory=dict, description="Planned work.")
    defaults: DefaultsSection = Field(default_factory=DefaultsSection, description="For all policies.")
    settings: SettingsSection = Field(default_factory=SettingsSection, description="For the engine.")


NAMED_SECTIONS = ("services", "components", "pools", "goals", "calendars", "teams", "people", "policies", "changes")
"""Sections whose keys are ids; several files may add to them."""


def json_schema() -> dict[str, Any]:
    """The JSON Schema of a bundle file."""
    schema = with_formulas(BundleSchema.model_json_schema())
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}
