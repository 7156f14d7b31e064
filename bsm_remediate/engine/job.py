"""A job: one run with everything needed to carry it out, taken from the bundle that decided it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from bsm_remediate.domain.alert import Alert
from bsm_remediate.domain.bundle import Bundle, Team
from bsm_remediate.domain.event import Json
from bsm_remediate.domain.impact import Impact
from bsm_remediate.domain.playbook import PlaybookCall
from bsm_remediate.domain.policy import Alternative, Policy, Value
from bsm_remediate.domain.run import Run
from bsm_remediate.domain.service_map import Component


@dataclass(frozen=True, kw_only=True, slots=True)
class Job:
    """A run beside its policy, alternative and component. A reload never changes it (DESIGN 8)."""

    run: Run
    policy: Policy
    alternative: Alternative
    component: Component
    alerts: tuple[Alert, ...]
    services: tuple[str, ...]
    loss_per_minute: float
    team: Team | None = None
    """Whom the component belongs to."""

    def hand_over(self, outcome: str, now: datetime, *, why: str = "no alternative is left") -> str:
        """`outcome` with whom it is up to at `now`, and `why` it isn't up to the engine any more."""
        person = self.team.on_call_person(now) if self.team is not None else None
        who = f"{person}, on call for {self.team.name}," if person and self.team else "a person"
        return f"{outcome}; {why}, {who} must take over"

    @property
    def is_last_alternative(self) -> bool:
        return self.run.alternative + 1 >= len(self.policy.do)

    def hosts(self) -> tuple[str, ...]:
        """Exact inventory hosts of the run; `self` is the component's."""
        named = (self.component.host if host == "self" else host for host in self.alternative.hosts)
        return tuple(dict.fromkeys(named))

    def call(self, run: Run, alternative: Alternative) -> PlaybookCall:
        """What the executor is asked for: `alternative` is this job's own or its rollback."""
        return PlaybookCall(
            run=run.id,
            attempt=run.attempt,
            fence=run.fence,
            playbook=alternative.playbook,
            hosts=self.hosts(),
            component=self.component,
            alerts=self.alerts,
            services=self.services,
            loss_per_minute=self.loss_per_minute,
            vars=rendered(alternative.vars, self.component),
            time_limit=alternative.time_limit,
        )


def job_for(run: Run, *, bundle: Bundle, impact: Impact | None, alerts: tuple[Alert, ...]) -> Job | None:
    """The job of `run` by `bundle`; None when the bundle no longer has its policy, alternative or component."""
    policy = bundle.policies.get(run.policy)
    component = bundle.service_map.components.get(run.component)
    if policy is None or component is None or run.alternative >= len(policy.do):
        return None
    hit = () if impact is None else tuple(one for one in impact.services.values() if run.component in one.causes)
    return Job(
        run=run,
        policy=policy,
        alternative=policy.do[run.alternative],
        component=component,
        alerts=alerts,
        services=tuple(one.service for one in hit),
        loss_per_minute=sum(one.loss_per_minute for one in hit),
        team=bundle.teams.get(component.owner) if component.owner is not None else None,
    )


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
