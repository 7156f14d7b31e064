"""Builders: small worlds in a few words, for tests. Everything has a sensible default, times are around `NINE`.

shop = bundle(
    component("db-1"),
    service("checkout", requires=["db-1"]),
    policy("restart-db", match={"alertname": "DbDown"}),
)
found = Evaluator(shop).evaluate(situation(alert("DbDown", instance="db-1")))
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from hashlib import sha256
from typing import TypeAlias

from bsm_remediate.domain.alert import Alert, AlertStatus
from bsm_remediate.domain.bundle import DEFAULT_GOAL, Bundle, Goal, Settings, Team
from bsm_remediate.domain.calendar import Calendar
from bsm_remediate.domain.formula import AS_IT_IS, Edge, Gate, Impact, Quantity, all_of, any_of, at_least, more_than
from bsm_remediate.domain.ids import Digest, Fingerprint, NodeId, PolicyId, RunId
from bsm_remediate.domain.matcher import Matcher, MatchOperator
from bsm_remediate.domain.policy import (
    Alternative,
    Check,
    CheckKind,
    Condition,
    Evidence,
    GuardLimits,
    LabelTemplate,
    Mode,
    Policy,
    Scope,
)
from bsm_remediate.domain.route import Route
from bsm_remediate.domain.run import Run, RunEnd, RunState
from bsm_remediate.domain.service_map import Component, LossRates, Service, ServiceMap
from bsm_remediate.domain.situation import Hold, Pause, Situation
from bsm_remediate.domain.state import State

NINE = datetime(2026, 1, 5, 9, 0, tzinfo=UTC)
"""A Monday; in Berlin it is ten."""
_DIGEST = Digest("sha256:" + "0" * 64)

Child: TypeAlias = "str | Gate | Edge"
Requirement: TypeAlias = "Gate | Iterable[Child] | None"


# --- formulas --------------------------------------------------------------------------------------------------------


def child(what: Child, *, weight: str | int = 1, impact: Impact = AS_IT_IS) -> Edge:
    """An id or a whole formula as a child; an edge stays what it is. `weight` is exact: "0.7" is seven tenths."""
    if isinstance(what, Edge):
        return what
    return Edge(child=what if isinstance(what, Gate) else NodeId(what), weight=Fraction(weight), impact=impact)


def every(*children: Child) -> Gate:
    return all_of([child(one) for one in children])


def either(*children: Child, counting_ok: bool = False) -> Gate:
    return any_of([child(one) for one in children], counting_ok=counting_ok)


def at_least_of(
    number: str | int, *children: Child, comfortable: str | int | None = None, counting_ok: bool = False
) -> Gate:
    """`number` and `comfortable` as in a bundle: 2, -1, "60%"."""
    return at_least(
        Quantity.parse(number),
        [child(one) for one in children],
        comfortable=None if comfortable is None else Quantity.parse(comfortable),
        counting_ok=counting_ok,
    )


def more_than_of(share: str | int, *children: Child) -> Gate:
    return more_than(Quantity.parse(share), [child(one) for one in children])


def _gate(requires: Requirement) -> Gate | None:
    return requires if requires is None or isinstance(requires, Gate) else every(*requires)


# --- the map ---------------------------------------------------------------------------------------------------------


def component(
    name: str,
    *,
    requires: Requirement = None,
    host: str | None = None,
    aliases: Iterable[str] = (),
    match: Mapping[str, str] | None = None,
    labels: Mapping[str, str] | None = None,
    host_level: bool = False,
    lock_host: bool = True,
    owner: str | None = None,
) -> Component:
    """On a host of its own name unless said otherwise; a list in `requires` means all of them."""
    return Component(
        id=NodeId(name),
        host=host if host is not None else name,
        address=host if host is not None else name,
        requires=_gate(requires),
        aliases=tuple(aliases),
        match=equal(match or {}),
        labels=labels or {},
        host_level=host_level,
        lock_host=lock_host,
        owner=owner,
    )


def service(
    name: str,
    *,
    requires: Gate | Iterable[Child],
    loss: float = 60.0,
    by_calendar: Mapping[str, float] | None = None,
    degraded: float = 0.5,
    function: str | None = None,
    owner: str | None = None,
    availability: float | None = None,
) -> Service:
    """`loss` is per minute while down: 60 makes one a second."""
    return Service(
        id=NodeId(name),
        function=function,
        owner=owner,
        availability=availability,
        loss_per_minute=LossRates(default=loss, by_calendar=tuple((by_calendar or {}).items())),
        degraded=degraded,
        requires=requires if isinstance(requires, Gate) else every(*requires),
    )


def service_map(*nodes: Component | Service) -> ServiceMap:
    return ServiceMap(
        components={one.id: one for one in nodes if isinstance(one, Component)},
        services={one.id: one for one in nodes if isinstance(one, Service)},
    )


def bundle(
    *parts: Component | Service | Policy,
    settings: Settings | None = None,
    goals: Mapping[str, Mapping[str, float]] | None = None,
    calendars: Iterable[Calendar] = (),
    teams: Iterable[Team] = (),
    routes: Iterable[Route] = (),
    currency: str = "EUR",
    sets: Mapping[str, Iterable[str]] | None = None,
) -> Bundle:
    """All of `parts`, in any order; `goals` are weights by function, the default goal is always there."""
    named = {DEFAULT_GOAL: Goal(name=DEFAULT_GOAL)}
    named |= {name: Goal(name=name, weights=weights) for name, weights in (goals or {}).items()}
    return Bundle(
        digest=_DIGEST,
        currency=currency,
        service_map=service_map(*(one for one in parts if not isinstance(one, Policy))),
        policies={one.id: one for one in parts if isinstance(one, Policy)},
        goals=named,
        calendars={one.name: one for one in calendars},
        teams={one.name: one for one in teams},
        settings=settings if settings is not None else Settings(),
        sets={name: tuple(NodeId(one) for one in members) for name, members in (sets or {}).items()},
        routes=tuple(routes),
    )


# --- policies --------------------------------------------------------------------------------------------------------


def equal(labels: Mapping[str, str]) -> tuple[Matcher, ...]:
    """Matchers for exactly these labels."""
    return tuple(
        Matcher(label=label, operator=MatchOperator.EQUAL, value=value) for label, value in sorted(labels.items())
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class FixedText:
    """A template without anything to fill in."""

    source: str

    def __call__(self, component: Component) -> str:  # noqa: ARG002  # the protocol of templates
        return self.source


TCP_CHECK = Check(kind=CheckKind.TCP, target=FixedText(source="127.0.0.1:1"))
"""A second opinion."""


def alternative(
    playbook: str = "restart.yml",
    *,
    seconds: float = 20.0,
    success: float = 1.0,
    mode: Mode | None = None,
    affects: Iterable[str] = (),
) -> Alternative:
    return Alternative(
        playbook=playbook,
        duration=timedelta(seconds=seconds),
        success=success,
        mode=mode,
        affects=tuple(NodeId(one) for one in affects),
    )


def policy(
    name: str,
    *,
    match: Mapping[str, str] | Iterable[Matcher],
    do: Iterable[Alternative] | None = None,
    mode: Mode = Mode.AUTO,
    verify: Iterable[Check] = (TCP_CHECK,),
    sets: State | None = None,
    evidence: Evidence = Evidence.INDIRECT,
    when: Condition | None = None,
    component: LabelTemplate | None = None,
    precedence: int = 0,
    guard: GuardLimits | None = None,
    scope: Scope = Scope.COMPONENT,
    unchecked: bool = False,
    max_age: timedelta = timedelta(hours=1),
    resolve_within: timedelta = timedelta(minutes=10),
    learn: bool = True,
    holds_in_freeze: bool = False,
) -> Policy:
    """One that acts by itself, with one alternative of 20 s and a second opinion, unless said otherwise."""
    return Policy(
        id=PolicyId(name),
        match=equal(match) if isinstance(match, Mapping) else tuple(match),
        do=(alternative(),) if do is None else tuple(do),
        mode=mode,
        verify=tuple(verify),
        sets=sets,
        evidence=evidence,
        when=when,
        component=component,
        precedence=precedence,
        guard=guard if guard is not None else GuardLimits(),
        scope=scope,
        unchecked=unchecked,
        max_age=max_age,
        resolve_within=resolve_within,
        learn=learn,
        holds_in_freeze=holds_in_freeze,
    )


# --- what happens ----------------------------------------------------------------------------------------------------


def alert(
    name: str,
    *,
    since: datetime = NINE - timedelta(seconds=30),
    severity: str = "critical",
    status: AlertStatus = AlertStatus.FIRING,
    source: str = "alertmanager",
    received_at: datetime | None = None,
    more: Mapping[str, str] | None = None,
    **labels: str,
) -> Alert:
    """`labels` (and `more` of them) say what it is about: `instance="db-1"`; a severity of "" leaves that out."""
    whole = {"alertname": name, **({"severity": severity} if severity else {}), **(more or {}), **labels}
    return Alert(
        source=source,
        fingerprint=Fingerprint(sha256(repr(sorted(whole.items())).encode()).hexdigest()[:16]),
        status=status,
        labels=whole,
        starts_at=since,
        received_at=received_at if received_at is not None else since,
    )


def run(
    component: str,
    policy: str,
    state: RunState = RunState.RUNNING,
    *,
    end: RunEnd | None = None,
    started_at: datetime | None = NINE - timedelta(seconds=10),
    passed_at: datetime | None = None,
    ended_at: datetime | None = None,
    remediation: str = "",
    alternative: int = 0,
    host: str | None = None,
    locks: Iterable[str] | None = None,
    approved_by: str | None = None,
    expected_duration_s: float = 20.0,
) -> Run:
    """A run as the store keeps it; without `started_at` its playbook has not begun."""
    begun = started_at if started_at is not None else NINE - timedelta(seconds=10)
    usual_locks = (f"component:{component}", f"host:{host or component}") if state.holds_locks else ()
    return Run(
        id=RunId(f"{component}-{policy}-{begun:%H%M%S}-{alternative}"),
        remediation=remediation or f"{component}-{policy}",
        component=NodeId(component),
        host=host or component,
        policy=PolicyId(policy),
        playbook="restart.yml",
        alternative=alternative,
        state=state,
        attempt=0 if started_at is None else 1,
        reason="",
        end=end,
        expected_duration_s=expected_duration_s,
        planned_at=begun,
        started_at=started_at,
        passed_at=passed_at,
        ended_at=ended_at,
        bundle=_DIGEST,
        approved_by=approved_by,
        locks=tuple(locks) if locks is not None else usual_locks,
    )


def situation(
    *alerts: Alert,
    at: datetime = NINE,
    runs: Iterable[Run] = (),
    holds: Iterable[Hold] = (),
    pauses: Iterable[Pause] = (),
    stated: Mapping[str, State] | None = None,
    released: Mapping[str, datetime] | None = None,
    active_since: Mapping[str, datetime] | None = None,
    adopted: Mapping[str, datetime] | None = None,
    goal: str = DEFAULT_GOAL,
    executors: int | None = None,
    max_mode: Mode = Mode.AUTO,
    assume: Mode | None = None,
    standing_order: Iterable[tuple[NodeId, PolicyId, str]] = (),
) -> Situation:
    """These alerts fire at `at`, and nothing else is the case unless said so."""
    return Situation(
        at=at,
        alerts=alerts,
        runs=tuple(runs),
        holds=tuple(holds),
        pauses=tuple(pauses),
        stated={NodeId(node): state for node, state in (stated or {}).items()},
        released={NodeId(node): when for node, when in (released or {}).items()},
        policy_active_since=None if active_since is None else {PolicyId(one): at_ for one, at_ in active_since.items()},
        adopted={PolicyId(one): when for one, when in (adopted or {}).items()},
        goal=goal,
        executors=executors,
        max_mode=max_mode,
        assume=assume,
        standing_order=tuple(standing_order),
    )
