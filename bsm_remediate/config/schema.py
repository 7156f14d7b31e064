"""The bundle's schema: what may be written, key by key (DESIGN 4). Source of `schema` and of the reference page."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, Literal

from pydantic import Field, model_validator

from bsm_remediate.config.change_schema import ChangeSection
from bsm_remediate.config.fields import (
    ClockTime,
    Duration,
    HostName,
    Id,
    ModeName,
    Money,
    RateText,
    Share,
    SomeTime,
    StateName,
    Text,
)
from bsm_remediate.config.formula_schema import with_formulas
from bsm_remediate.config.organisation_schema import (
    CalendarSection,
    GoalSection,
    NotifySettingsSection,
    PersonSection,
    TeamSection,
)
from bsm_remediate.config.pool_schema import PoolSection
from bsm_remediate.config.schema_parts import CheckSection, ExpectSection, RollbackSection
from bsm_remediate.config.schema_parts import Section as _Section

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
