"""What one run is to do, whole: written when the run is reserved, and carried out as written whatever is reloaded
meanwhile, by whichever replica.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from bsm_remediate.domain.alert import Alert
from bsm_remediate.domain.bundle import Bundle, Team
from bsm_remediate.domain.event import Json
from bsm_remediate.domain.impact import Impact
from bsm_remediate.domain.playbook import PlaybookCall
from bsm_remediate.domain.policy import Alternative, Check, Value
from bsm_remediate.domain.pool import Weights
from bsm_remediate.domain.run import Run
from bsm_remediate.domain.service_map import Component
from bsm_remediate.domain.verification import checks_after_run


@dataclass(frozen=True, slots=True)
class Written:
    """A template that has been filled in. Implements `Template`."""

    source: str

    def __call__(self, component: Component) -> str:  # noqa: ARG002 - it has been asked
        return self.source


@dataclass(frozen=True, kw_only=True, slots=True)
class Play:
    """A playbook with its variables filled in."""

    playbook: str
    vars: Mapping[str, Json] = field(default_factory=dict)
    time_limit: timedelta


@dataclass(frozen=True, kw_only=True, slots=True)
class WorkOrder:
    """Plain data: it can be kept as text."""

    play: Play
    rollback: Play | None = None
    component: Component
    """As the checks and the playbook see it; what it requires is left out."""
    hosts: tuple[str, ...]
    """Exact inventory hosts; never empty."""
    checks: tuple[Check, ...]
    """Their templates are filled in. Never empty: without any in the policy, its signal must go off."""
    alerts: tuple[Alert, ...] = ()
    services: tuple[str, ...] = ()
    loss_per_minute: float = 0.0
    resolve_within: timedelta
    is_last: bool
    """Whether no alternative comes after this one."""
    team: Team | None = None
    """Whom the component belongs to."""
    weights: Weights | None = None
    """Of a rebalancing, as they were worked out when it was reserved."""
    is_change: bool = False
    """Of a planned change (`change_work`)."""

    def checks_beforehand(self) -> tuple[Check, ...]:
        """What to look at right before acting: the checks that don't come from the alert, which still fires then. None
        before a rebalancing, that all still work is no reason to leave one of them pressed; nor before a planned
        change, which begins while all is well.
        """
        if self.weights is not None or self.is_change:
            return ()
        return tuple(check for check in self.checks if check.is_independent)

    def hand_over(self, outcome: str, now: datetime, *, why: str = "no alternative is left") -> str:
        """`outcome` with whom it is up to at `now`, and `why` it isn't up to the engine any more."""
        person = self.team.on_call_person(now) if self.team is not None else None
        who = f"{person}, on call for {self.team.name}," if person and self.team else "a person"
        return f"{outcome}; {why}, {who} must take over"

    def call(self, run: Run, play: Play) -> PlaybookCall:
        """What the executor is asked for: `play` is this order's own or its rollback."""
        return PlaybookCall(
            run=run.id,
            attempt=run.attempt,
            fence=run.fence,
            playbook=play.playbook,
            hosts=self.hosts,
            component=self.component,
            alerts=self.alerts,
            services=self.services,
            loss_per_minute=self.loss_per_minute,
            vars=play.vars,
            time_limit=play.time_limit,
            weights=self.weights if play == self.play else None,
        )


def work_order(
    run: Run, *, bundle: Bundle, impact: Impact | None, alerts: tuple[Alert, ...], weights: Weights | None = None
) -> WorkOrder | None:
    """The order for `run` by `bundle`; None when the bundle doesn't have its policy, alternative or component."""
    policy = bundle.policies.get(run.policy)
    component = bundle.service_map.components.get(run.component)
    if policy is None or component is None or run.alternative >= len(policy.do):
        return None
    hit = () if impact is None else tuple(one for one in impact.services.values() if run.component in one.causes)
    alternative = policy.do[run.alternative]
    hosts = (component.host if host == "self" else host for host in alternative.hosts)
    return WorkOrder(
        play=play_of(alternative, component),
        rollback=play_of(alternative.rollback, component) if alternative.rollback is not None else None,
        component=replace(component, requires=None, match=()),
        hosts=tuple(dict.fromkeys(hosts)),
        checks=tuple(written_check(check, component) for check in checks_after_run(policy)),
        alerts=tuple(replace(one, labels=dict(one.labels), annotations=dict(one.annotations)) for one in alerts),
        services=tuple(one.service for one in hit),
        loss_per_minute=sum(one.loss_per_minute for one in hit),
        resolve_within=policy.resolve_within,
        is_last=run.alternative + 1 >= len(policy.do),
        team=bundle.teams.get(component.owner) if component.owner is not None else None,
        weights=weights,
    )


def play_of(alternative: Alternative, component: Component) -> Play:
    """`alternative` as it is run for `component`."""
    return Play(
        playbook=alternative.playbook,
        vars=rendered(alternative.vars, component),
        time_limit=alternative.time_limit,
    )


def written_check(check: Check, component: Component) -> Check:
    """`check` with its templates filled in."""
    target = Written(check.target(component)) if check.target is not None else None
    body = replace(check.body, pattern=None) if check.body is not None else None
    return replace(check, target=target, body=body)


def rendered(variables: Mapping[str, Value], component: Component) -> dict[str, Json]:
    """A policy's variables with their templates over component facts filled in."""
    return {name: _rendered(value, component) for name, value in variables.items()}


def _rendered(value: Value, component: Component) -> Json:
    if value is None or isinstance(value, str | int | float | bool):
        return value
    if isinstance(value, Mapping):
        return rendered(value, component)
    if isinstance(value, tuple):
        return [_rendered(one, component) for one in value]
    return value(component)
