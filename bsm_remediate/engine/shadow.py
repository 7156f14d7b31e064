"""The shadow's journal: what policies that may not act would have done, written where it changes (DESIGN 5.7)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime

from bsm_remediate.domain.alert import Alert, AlertStatus
from bsm_remediate.domain.bundle import Bundle
from bsm_remediate.domain.decision import Decision
from bsm_remediate.domain.evaluation import Evaluation
from bsm_remediate.domain.event import Event
from bsm_remediate.domain.ids import NodeId, PolicyId
from bsm_remediate.domain.plan import Step
from bsm_remediate.domain.policy import Alternative, Mode, Policy, Rate, Scope
from bsm_remediate.domain.run import Run
from bsm_remediate.domain.service_map import Component
from bsm_remediate.domain.shadow import (
    DECIDED,
    ENDED,
    SUBJECT,
    Budget,
    Pair,
    ShadowDecision,
    ShadowEnd,
    ShadowRun,
    decided_event,
    decision_of,
    end_of,
    ended_event,
    episodes_of,
)
from bsm_remediate.domain.shadow_report import LOOK_BACK, ShadowReport, shadow_report
from bsm_remediate.domain.work_order import rendered
from bsm_remediate.engine.statistics_keeper import FOREVER, account, pages
from bsm_remediate.records import Store

_KEPT_ALERTS = 100
"""Of an episode; whoever has more of them on one component gets its end from these."""


class ShadowJournal:
    """Follows the decisions of the policies in shadow from tick to tick."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._open: dict[Pair, ShadowDecision] | None = None
        """The latest decision of each episode that hasn't ended; None until the journal was read."""
        self._following: dict[Pair, ShadowDecision] = {}

    def events(self, evaluation: Evaluation, bundle: Bundle) -> list[Event]:
        """What must be appended now; once that is done, `written` says so."""
        if self._open is None:
            self._open = _left_open(self._store)
        following: dict[Pair, ShadowDecision] = {}
        changed: list[ShadowDecision] = []
        scene: _Scene | None = None
        for component, decision, policy, alternative in _in_shadow(evaluation, bundle):
            pair: Pair = component, policy.id
            known = self._open.get(pair)
            if known is not None and known.verdict is decision.verdict and known.run.playbook == alternative.playbook:
                following[pair] = known
                continue
            scene = scene or _Scene(evaluation, bundle)
            following[pair] = scene.decision(component, decision, policy, alternative)
            changed.append(following[pair])
        ended = self._ends([one for pair, one in self._open.items() if pair not in following], evaluation)
        self._following = following
        return [*(ended_event(one) for one in ended), *(decided_event(one) for one in changed)]

    def written(self) -> None:
        """The latest `events` are in the journal."""
        self._open = self._following

    def _ends(self, left: Sequence[ShadowDecision], evaluation: Evaluation) -> list[ShadowEnd]:
        """The ends of the episodes whose latest decisions are `left`; the store is asked once for all of them."""
        if not left:
            return []
        now, runs = evaluation.situation.at, evaluation.situation.runs
        known = {alert.key: alert for alert in self._store.current([key for one in left for key in one.alerts])}
        ends = []
        for one in left:
            component, policy = one.pair
            run = next((run for run in reversed(runs) if _restored(run, component, one.began_at)), None)
            alerts = [known[key] for key in one.alerts if key in known]
            ends.append(
                ShadowEnd(
                    at=now,
                    component=component,
                    policy=policy,
                    cleared_at=_cleared_at(alerts, one.began_at, now),
                    restored_by=f"run {run.id} of {run.policy}" if run is not None else "",
                )
            )
        return ends


def _cleared_at(alerts: Sequence[Alert], began: datetime, now: datetime) -> datetime | None:
    """When the last of them ended, by its sender's word where that is possible; None while one isn't over."""
    if not alerts or any(alert.status is not AlertStatus.RESOLVED for alert in alerts):
        return None
    ended = max(alert.ends_at if alert.ends_at is not None else alert.received_at for alert in alerts)
    return min(max(ended, began), now)


def _left_open(store: Store) -> dict[Pair, ShadowDecision]:
    """The episodes that an earlier engine saw begin but not end."""
    found: dict[Pair, ShadowDecision] = {}
    for event in account(store, SUBJECT, since=FOREVER).events:
        if event.kind == DECIDED:
            decision = decision_of(event)
            found[decision.pair] = decision
        elif event.kind == ENDED:
            found.pop(end_of(event).pair, None)
    return found


def shadow_events(store: Store) -> Iterator[Event]:
    """All that the journal says about shadows, in its order."""
    return (event for event in pages(store, SUBJECT) if event.kind in {DECIDED, ENDED})


def shadow_policies(bundle: Bundle, cap: Mode) -> list[PolicyId]:
    """Those that would do something, but may not, where no policy goes further than `cap`."""
    return [
        policy.id
        for policy in bundle.policies.values()
        if any(min(_written_mode(policy, one), cap) is Mode.SHADOW for one in policy.do)
    ]


def read_shadow_report(store: Store, bundle: Bundle, cap: Mode, *, since: datetime, until: datetime) -> ShadowReport:
    """The shadow report from what the store knows."""
    return shadow_report(
        episodes_of(account(store, SUBJECT, since=since - LOOK_BACK, until=until).events),
        store.runs(since=since - LOOK_BACK),
        since=since,
        until=until,
        policies=shadow_policies(bundle, cap),
    )


def _in_shadow(evaluation: Evaluation, bundle: Bundle) -> Iterator[tuple[NodeId, Decision, Policy, Alternative]]:
    """The decisions about policies that may not act here, by their own mode or by this engine's cap."""
    cap = evaluation.situation.max_mode
    for decision in evaluation.decisions:
        if decision.policy is None or decision.component is None:
            continue
        policy = bundle.policies[decision.policy]
        alternative = policy.do[min(decision.alternative, len(policy.do) - 1)] if policy.do else None
        if alternative is not None and min(_written_mode(policy, alternative), cap) is Mode.SHADOW:
            yield decision.component, decision, policy, alternative


def _written_mode(policy: Policy, alternative: Alternative) -> Mode:
    return min(policy.mode, alternative.mode) if alternative.mode is not None else policy.mode


def _restored(run: Run, component: NodeId, since: datetime) -> bool:
    return run.component == component and run.attempt > 0 and run.passed_at is not None and run.passed_at >= since


class _Scene:
    """What the decisions of one tick that changed share; made only when there is one."""

    def __init__(self, evaluation: Evaluation, bundle: Bundle) -> None:
        self._evaluation = evaluation
        self._bundle = bundle
        self._steps: dict[tuple[str, str], Step] = {}
        for step in evaluation.plan.shadow:
            self._steps[step.decision.component or "", step.decision.policy or ""] = step

    def decision(self, node: NodeId, decision: Decision, policy: Policy, alternative: Alternative) -> ShadowDecision:
        component = self._bundle.service_map.components[node]
        now = self._evaluation.situation.at
        since = {one.alert.key: one.since for one in self._evaluation.signals_on.get(node, ())}
        began = min((since.get(key, now) for key in decision.alerts), default=now)
        return ShadowDecision(
            at=now,
            verdict=decision.verdict,
            reason=decision.reason,
            began_at=min(began, now),
            alerts=decision.alerts[:_KEPT_ALERTS],
            run=self._run(component, policy, alternative),
        )

    def _run(self, component: Component, policy: Policy, alternative: Alternative) -> ShadowRun:
        services = [one for one in self._evaluation.impact.services.values() if component.id in one.causes]
        step = self._steps.get((component.id, policy.id))
        of_host = policy.scope is Scope.HOST
        settings = self._bundle.settings
        return ShadowRun(
            component=component.id,
            host=component.host,
            policy=policy.id,
            playbook=alternative.playbook,
            vars=rendered(alternative.vars, component),
            expected_duration_s=alternative.duration.total_seconds(),
            success=alternative.success,
            written_mode=str(_written_mode(policy, alternative)),
            services=tuple(one.service for one in services),
            loss_per_minute=sum(one.loss_per_minute / len(one.causes) for one in services),
            weighted_loss_per_minute=sum(one.weighted_loss_per_minute / len(one.causes) for one in services),
            locks=step.locks if step is not None else _own_locks(component),
            group=f"{policy.id} on host {component.host}" if of_host else f"{policy.id} on {component.id}",
            executors=self._evaluation.situation.executors or settings.executors,
            cooldown_s=policy.guard.cooldown.total_seconds(),
            budgets=_budgets(component, policy, self._bundle),
        )


def _own_locks(component: Component) -> tuple[str, ...]:
    """At the least; of a run that something stands in the way of, or that comes with another one's."""
    host = (f"host:{component.host}",) if component.lock_host else ()
    return (f"component:{component.id}", *host)


def _budgets(component: Component, policy: Policy, bundle: Bundle) -> tuple[Budget, ...]:
    guard = policy.guard
    limits: dict[str, Rate | None] = {
        f"{policy.id} on {component.id}": guard.max_runs_per_component,
        policy.id: guard.max_runs_per_policy,
        "this engine": bundle.settings.max_runs,
    }
    return tuple(
        Budget(key=key, count=rate.count, window_s=rate.window.total_seconds())
        for key, rate in limits.items()
        if rate is not None
    )
