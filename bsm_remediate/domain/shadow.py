"""Shadow decisions: what a policy that may not act would have done, as the journal keeps it and as episodes.

An episode is one component under one policy in mode shadow, from the first decision until its alert ends or the policy
leaves the shadow. The journal has an event only where a decision changes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from bsm_remediate.domain.alert import AlertKey
from bsm_remediate.domain.decision import Verdict
from bsm_remediate.domain.event import Event, Json
from bsm_remediate.domain.ids import Fingerprint, NodeId, PolicyId

SUBJECT = "shadow"
"""Of all these events, so that the report finds them by the journal's index among everything else."""
DECIDED = "shadow.decided"
ENDED = "shadow.ended"

Pair = tuple[NodeId, PolicyId]


@dataclass(frozen=True, kw_only=True, slots=True)
class Budget:
    """At most `count` starts within `window_s` seconds of all that share `key`."""

    key: str
    count: int
    window_s: float


@dataclass(frozen=True, kw_only=True, slots=True)
class ShadowRun:
    """The run that would have been, with everything its start would have depended on."""

    component: NodeId
    host: str
    policy: PolicyId
    playbook: str
    vars: Mapping[str, Json]
    expected_duration_s: float
    success: float
    """Within 0..1, as expected."""
    written_mode: str
    """What policy and alternative say; not `shadow` where only the engine's `--max-mode` is."""
    services: tuple[str, ...]
    """Whose loss it is a cause of."""
    loss_per_minute: float
    """Money: of each of these services its share among all causes, so that nothing is counted twice."""
    weighted_loss_per_minute: float
    """The same weighted by the goal: what the order of runs goes by."""
    locks: tuple[str, ...]
    group: str
    """Same for all components that one run of scope host would restore; else of this pair alone."""
    executors: int
    cooldown_s: float
    budgets: tuple[Budget, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class ShadowDecision:
    """What was decided about a pair at one moment, and what would be run by it."""

    at: datetime
    verdict: Verdict
    reason: str
    began_at: datetime
    """When its earliest alert began."""
    alerts: tuple[AlertKey, ...]
    run: ShadowRun

    @property
    def pair(self) -> Pair:
        return self.run.component, self.run.policy


@dataclass(frozen=True, kw_only=True, slots=True)
class ShadowEnd:
    """The end of an episode."""

    at: datetime
    component: NodeId
    policy: PolicyId
    cleared_at: datetime | None
    """When the last of its alerts ended; None when the policy left the shadow instead."""
    restored_by: str = ""
    """The run of another policy that restored the component meanwhile; empty when there was none."""

    @property
    def pair(self) -> Pair:
        return self.component, self.policy


@dataclass(frozen=True, kw_only=True, slots=True)
class ShadowEpisode:
    """All decisions about a pair, the earliest first and at least one, and its end; None while it lasts."""

    decisions: tuple[ShadowDecision, ...]
    end: ShadowEnd | None = None

    @property
    def decisive(self) -> ShadowDecision:
        """The first that nothing stood in the way of; the latest when something always did."""
        free = (one for one in self.decisions if one.verdict is Verdict.SHADOW)
        return next(free, self.decisions[-1])

    @property
    def run(self) -> ShadowRun:
        return self.decisive.run

    @property
    def began_at(self) -> datetime:
        return min(one.began_at for one in self.decisions)

    def up_to(self, moment: datetime) -> ShadowEpisode | None:
        """What was known of it then, with the end of its alert if that came before; None when it had not begun."""
        decisions = tuple(one for one in self.decisions if one.at < moment)
        end = self.end
        if end is not None and end.at > moment:
            has_cleared = end.cleared_at is not None and end.cleared_at <= moment
            end = replace(end, at=moment) if has_cleared else None
        return replace(self, decisions=decisions, end=end) if decisions else None

    def spans(self, until: datetime) -> tuple[tuple[ShadowDecision, datetime, datetime], ...]:
        """Each decision with the time during which it held, up to `until` at most; those of no length are left out."""
        last = min(self.end.at, until) if self.end is not None else until
        following = [*(one.at for one in self.decisions[1:]), last]
        spans = ((one, one.at, min(end, last)) for one, end in zip(self.decisions, following, strict=True))
        return tuple((one, begin, end) for one, begin, end in spans if begin < end)


def episodes_of(events: Iterable[Event]) -> tuple[ShadowEpisode, ...]:
    """The episodes that `events`, in their order, tell of; other events are passed over. Oldest first."""
    found: list[ShadowEpisode] = []
    under_way: dict[Pair, list[ShadowDecision]] = {}
    for event in events:
        if event.kind == DECIDED:
            decision = decision_of(event)
            under_way.setdefault(decision.pair, []).append(decision)
        elif event.kind == ENDED:
            end = end_of(event)
            decisions = under_way.pop(end.pair, None)
            if decisions:
                found.append(ShadowEpisode(decisions=tuple(decisions), end=end))
    found += [ShadowEpisode(decisions=tuple(decisions)) for decisions in under_way.values()]
    return tuple(sorted(found, key=lambda one: (one.decisions[0].at, one.decisions[0].pair)))


# --- as the journal keeps them ---------------------------------------------------------------------------------------


def decided_event(decision: ShadowDecision) -> Event:
    run = decision.run
    facts: dict[str, Json] = {
        "component": run.component,
        "policy": run.policy,
        "verdict": decision.verdict.value,
        "reason": decision.reason,
        "began_at": decision.began_at.isoformat(),
        "alerts": [list(key) for key in decision.alerts],
        "host": run.host,
        "playbook": run.playbook,
        "vars": dict(run.vars),
        "expected_duration_s": run.expected_duration_s,
        "success": run.success,
        "written_mode": run.written_mode,
        "services": list(run.services),
        "loss_per_minute": run.loss_per_minute,
        "weighted_loss_per_minute": run.weighted_loss_per_minute,
        "locks": list(run.locks),
        "group": run.group,
        "executors": run.executors,
        "cooldown_s": run.cooldown_s,
        "budgets": [[one.key, one.count, one.window_s] for one in run.budgets],
    }
    return Event(kind=DECIDED, at=decision.at, subject=SUBJECT, facts=facts)


def ended_event(end: ShadowEnd) -> Event:
    facts: dict[str, Json] = {
        "component": end.component,
        "policy": end.policy,
        "cleared_at": end.cleared_at.isoformat() if end.cleared_at is not None else None,
        "restored_by": end.restored_by,
    }
    return Event(kind=ENDED, at=end.at, subject=SUBJECT, facts=facts)


def decision_of(event: Event) -> ShadowDecision:
    """The decision that a `shadow.decided` event tells of."""
    facts: Mapping[str, Any] = event.facts
    run = ShadowRun(
        component=NodeId(facts["component"]),
        host=facts["host"],
        policy=PolicyId(facts["policy"]),
        playbook=facts["playbook"],
        vars=facts["vars"],
        expected_duration_s=facts["expected_duration_s"],
        success=facts["success"],
        written_mode=facts["written_mode"],
        services=tuple(facts["services"]),
        loss_per_minute=facts["loss_per_minute"],
        weighted_loss_per_minute=facts["weighted_loss_per_minute"],
        locks=tuple(facts["locks"]),
        group=facts["group"],
        executors=facts["executors"],
        cooldown_s=facts["cooldown_s"],
        budgets=tuple(Budget(key=key, count=count, window_s=window) for key, count, window in facts["budgets"]),
    )
    return ShadowDecision(
        at=event.at,
        verdict=Verdict(facts["verdict"]),
        reason=facts["reason"],
        began_at=datetime.fromisoformat(facts["began_at"]),
        alerts=tuple(AlertKey(source, Fingerprint(print_)) for source, print_ in facts["alerts"]),
        run=run,
    )


def end_of(event: Event) -> ShadowEnd:
    """The end that a `shadow.ended` event tells of."""
    facts: Mapping[str, Any] = event.facts
    cleared_at = facts["cleared_at"]
    return ShadowEnd(
        at=event.at,
        component=NodeId(facts["component"]),
        policy=PolicyId(facts["policy"]),
        cleared_at=datetime.fromisoformat(cleared_at) if cleared_at is not None else None,
        restored_by=facts["restored_by"],
    )
