"""Policies: what may be done about a matching signal, how it is verified, and its limits."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from enum import IntEnum, StrEnum
from typing import Protocol, TypeAlias

from bsm_remediate.domain.duration import format_duration
from bsm_remediate.domain.facts import Facts
from bsm_remediate.domain.ids import NodeId, PolicyId
from bsm_remediate.domain.matcher import Matcher
from bsm_remediate.domain.metric import Metric
from bsm_remediate.domain.service_map import Component
from bsm_remediate.domain.state import State


class Mode(IntEnum):
    """The ladder of trust (DESIGN 5.7)."""

    OFF = 0
    SHADOW = 1
    APPROVE = 2
    AUTO = 3

    def __str__(self) -> str:
        return self.name.lower()


class Evidence(StrEnum):
    DIRECT = "direct"
    INDIRECT = "indirect"


class Scope(StrEnum):
    COMPONENT = "component"
    HOST = "host"


class Condition(Protocol):
    """A compiled `when` expression. Raises `InvalidExpression` when a value has not the type that it needs."""

    @property
    def source(self) -> str: ...

    def __call__(self, facts: Facts) -> bool: ...


class Template(Protocol):
    """A compiled text over component facts only (id, host, address, labels); never over alert text."""

    @property
    def source(self) -> str: ...

    def __call__(self, component: Component) -> str: ...


class LabelTemplate(Protocol):
    """A compiled `component:` of a policy: alert labels in, the id of an existing component out (or nothing)."""

    @property
    def source(self) -> str: ...

    def __call__(self, labels: Mapping[str, str]) -> str: ...


Value: TypeAlias = "str | int | float | bool | None | Template | tuple[Value, ...] | Mapping[str, Value]"
"""A variable of a playbook as the policy's author wrote it, with its templates compiled."""


class CheckKind(StrEnum):
    TCP = "tcp"
    HTTP = "http"
    COMMAND = "command"
    PROMQL = "promql"
    PLAYBOOK = "playbook"
    ALERT = "alert"


@dataclass(frozen=True, kw_only=True, slots=True)
class Check:
    """One condition of `verify`: must hold within `within`, and then for `hold`; asked again each `every`."""

    kind: CheckKind
    target: Template | None
    """`host:port` of tcp, the address of http, the command line of command, the expression of promql, the file of
    playbook; None for `alert: off`.
    """
    status: int = 200
    body: Matcher | None = None
    """For http: a matcher of operator `=~` on the body (label "body"), searched, not anchored."""
    source: str | None = None
    """For promql: which Prometheus is asked; None: the only one."""
    within: timedelta = timedelta(seconds=60)
    hold: timedelta = timedelta(0)
    every: timedelta = timedelta(seconds=1)

    @property
    def is_independent(self) -> bool:
        """Whether it is a second opinion, that is, doesn't come from the alert itself (DESIGN 4)."""
        return self.kind is not CheckKind.ALERT


@dataclass(frozen=True, kw_only=True, slots=True)
class Alternative:
    """One playbook that may restore the component."""

    playbook: str
    """Path relative to the playbooks folder."""
    vars: Mapping[str, Value] = field(default_factory=dict)
    duration: timedelta = timedelta(seconds=60)
    success: float = 0.9
    """Chance, given that the alternatives before it failed."""
    mode: Mode | None = None
    """Stricter than the policy's, where given."""
    timeout: timedelta | None = None
    once: bool = False
    check: bool = True
    hosts: tuple[str, ...] = ("self",)
    """Limit and lock set; `self` is the component's own host. Of a rebalancing the host of what sets the weights."""
    affects: tuple[NodeId, ...] = ()
    rollback: Alternative | None = None
    rebalance: str = ""
    """Pool whose weights the playbook sets; empty: it restores the component."""

    @property
    def time_limit(self) -> timedelta:
        """`timeout`, else 3 times the expected duration + 60 s (DESIGN 4)."""
        return self.timeout if self.timeout is not None else 3 * self.duration + timedelta(seconds=60)


@dataclass(frozen=True, kw_only=True, slots=True)
class Rate:
    """At most `count` within `window`."""

    count: int
    window: timedelta

    def __str__(self) -> str:
        return f"{self.count} in {format_duration(self.window)}"


@dataclass(frozen=True, kw_only=True, slots=True)
class GuardLimits:
    """A policy's own limits, defaults of DESIGN 4."""

    cooldown: timedelta = timedelta(minutes=10)
    max_runs_per_component: Rate | None = Rate(count=3, window=timedelta(hours=1))
    max_runs_per_policy: Rate | None = None
    max_unavailable: str | None = None
    """A number or percentage as written, of the siblings in the nearest formula; None: no limit of its own."""
    approve_above: float | None = None
    approvers: tuple[str, ...] = ()
    """Teams; empty: whoever has the role may approve."""
    canary: int | None = None
    """Of a set, how many are verified before their siblings start; None: they start at once."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Policy:
    """What to do about a matching signal."""

    id: PolicyId
    description: str = ""
    match: tuple[Matcher, ...]
    """With `metric`, the alerts that are made of its series."""
    metric: Metric | None = None
    when: Condition | None = None
    sets: State | None = None
    evidence: Evidence = Evidence.INDIRECT
    component: LabelTemplate | None = None
    precedence: int = 0
    do: tuple[Alternative, ...] = ()
    verify: tuple[Check, ...] = ()
    """Empty: the default, the policy's signals go off."""
    mode: Mode = Mode.SHADOW
    guard: GuardLimits = GuardLimits()
    scope: Scope = Scope.COMPONENT
    unchecked: bool = False
    learn: bool = True
    """Whether past runs correct what it expects."""
    holds_in_freeze: bool = False
    """With `freeze: hold`."""
    max_age: timedelta = timedelta(hours=1)
    resolve_within: timedelta = timedelta(minutes=10)
    place: str = ""
    """`file:line` where it is written."""

    @property
    def has_second_opinion(self) -> bool:
        """Whether something beside the alert is asked. A rebalancing asks the pool's live load."""
        is_asked = self.unchecked or any(check.is_independent for check in self.verify)
        return is_asked or all(one.rebalance for one in self.do)

    def playbooks(self) -> Iterator[str]:
        """The playbooks that it may run: those of rollbacks and checks too."""
        for one in self.do:
            yield one.playbook
            if one.rollback is not None:
                yield one.rollback.playbook
        for check in self.verify:
            if check.kind is CheckKind.PLAYBOOK and check.target is not None:
                yield check.target.source
