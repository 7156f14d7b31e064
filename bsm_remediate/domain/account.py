"""An account of an incident: what the journal, the alerts and the runs say about it, gathered one by one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from bsm_remediate.domain.alert import Alert
from bsm_remediate.domain.bundle import Bundle
from bsm_remediate.domain.classify import Classifier
from bsm_remediate.domain.decision import Verdict
from bsm_remediate.domain.event import Event
from bsm_remediate.domain.ids import NodeId, RunId
from bsm_remediate.domain.incident import APART, Incident
from bsm_remediate.domain.ranking import Ranking, ranking_of
from bsm_remediate.domain.review_timeline import Telling, Timeline
from bsm_remediate.domain.review_words import Words, of_alert
from bsm_remediate.domain.run import Run

_MOST_NAMES = 1_000
"""Names of alerts that are told apart."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Promise:
    """What the plan said when a run was planned."""

    order: int
    """Its place, from 1."""
    restores: tuple[NodeId, ...]
    """Services that would be up again once it, and those before it, were done."""
    at_stake: float | None = None
    """Money that the run itself could lose, where a person had to approve it for that."""


@dataclass(slots=True)
class Wait:
    """An approval that was waited for."""

    since: datetime
    until: datetime | None = None
    by: str = ""


@dataclass(frozen=True, kw_only=True)
class Account:
    """Everything that a review is made from."""

    incident: Incident
    bundle: Bundle
    now: datetime
    """What comes later isn't known."""
    runs: tuple[Run, ...]
    timeline: Timeline
    promises: Mapping[RunId, Promise]
    waits: Mapping[RunId, Wait]
    rollbacks: Mapping[RunId, str]
    """What became of undoing them."""
    rankings: Sequence[tuple[datetime, Ranking]]
    held: Mapping[NodeId, datetime]
    """Components whose repair was first held as that of a symptom then."""
    verdicts: Mapping[NodeId, tuple[str, str]]
    """Components → what was decided last about repairing them, and why."""
    unmapped: Mapping[str, int]
    """Names of alerts that fit nothing → how many came."""
    no_policy: Mapping[str, int]
    """The same of alerts that no policy names."""

    @property
    def until(self) -> datetime:
        """Its end, or now."""
        return min(self.incident.end or self.now, self.now)


@dataclass
class Gathering:
    """Takes in what happened, each kind in the order of time."""

    incident: Incident
    bundle: Bundle
    now: datetime
    runs: tuple[Run, ...]
    timeline: Timeline = field(default_factory=Timeline)
    promises: dict[RunId, Promise] = field(default_factory=dict)
    waits: dict[RunId, Wait] = field(default_factory=dict)
    rollbacks: dict[RunId, str] = field(default_factory=dict)
    rankings: list[tuple[datetime, Ranking]] = field(default_factory=list)
    held: dict[NodeId, datetime] = field(default_factory=dict)
    verdicts: dict[NodeId, tuple[str, str]] = field(default_factory=dict)
    unmapped: Counter[str] = field(default_factory=Counter)
    no_policy: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self._classifier = Classifier(self.bundle)
        self._ids = frozenset(run.id for run in self.runs)
        self._words = Words(self.incident.nodes, self._ids, self.bundle.currency)
        began = self.incident.alert_began
        self.timeline.add(Telling(began, "began", "", "The first alert about it begins", "alerts begin", 0))

    @property
    def since(self) -> datetime:
        """From when on events and alerts are wanted."""
        return self.incident.alert_received

    @property
    def until(self) -> datetime:
        """And up to when: a run's failure may be known only after everything was ok."""
        if self.incident.end is None:
            return self.now
        ends = [run.ended_at or self.now for run in self.runs]
        return min(max(self.incident.end + APART, *ends, self.incident.end), self.now)

    def event(self, event: Event) -> None:
        """Take in a sealed event."""
        telling = self._words.of(event)
        if telling is not None:
            self.timeline.add(telling)
        ranking = ranking_of(event)
        if ranking is not None and (not ranking.causes or self.incident.nodes.intersection(ranking.names)):
            self.rankings.append((event.at, ranking))
        if event.kind == "decision.made":
            self._of_decision(NodeId(event.subject), event)
        elif event.subject in self._ids:
            self._of_run(event, RunId(event.subject))

    def _of_decision(self, node: NodeId, event: Event) -> None:
        if node in self.incident.nodes:
            verdict, reason = str(event.facts["verdict"]), str(event.facts["reason"])
            self.verdicts[node] = (verdict, reason)
            if verdict == Verdict.SYMPTOM:
                self.held.setdefault(node, event.at)

    def _of_run(self, event: Event, run: RunId) -> None:
        facts: Mapping[str, Any] = event.facts
        if event.kind in {"run.queued", "run.awaiting_approval"} and "order" in facts:
            before = self.promises.get(run)
            stake = facts.get("at_stake", before.at_stake if before is not None else None)
            restores = tuple(NodeId(one) for one in facts["restores"])
            self.promises[run] = Promise(order=facts["order"], restores=restores, at_stake=stake)
        if event.kind == "run.awaiting_approval":
            self.waits[run] = Wait(event.at)
        elif event.kind in {"run.approved", "run.rejected", "run.cancelled"} and run in self.waits:
            wait = self.waits[run]
            if wait.until is None:
                wait.until, wait.by = event.at, event.actor if event.kind != "run.cancelled" else ""
        elif event.kind == "run.rollback_started":
            self.rollbacks[run] = f"{facts['playbook']} began"
        elif event.kind == "run.rollback_ended":
            begun = self.rollbacks.get(run, "").removesuffix(" began")
            self.rollbacks[run] = f"{begun} {facts['playbook_outcome']}".strip()

    def alert(self, alert: Alert) -> None:
        """Take in a delivery."""
        reading = self._classifier.read(alert)
        mapped = reading.mapped
        if alert.is_firing:
            if mapped.reason:
                _count(self.unmapped, alert.name)
            elif not reading.policies and (mapped.components or mapped.service is not None):
                _count(self.no_policy, alert.name)
        targets = [mapped.service] if mapped.service is not None else mapped.components
        about = next((one.node for one in targets if one.node in self.incident.nodes), None)
        if about is not None:
            self.timeline.add(of_alert(alert, about))
        elif mapped.reason:
            self.timeline.add(of_alert(alert, ""))

    def account(self) -> Account:
        """All of it."""
        return Account(
            incident=self.incident,
            bundle=self.bundle,
            now=self.now,
            runs=self.runs,
            timeline=self.timeline,
            promises=self.promises,
            waits=self.waits,
            rollbacks=self.rollbacks,
            rankings=tuple(self.rankings),
            held=self.held,
            verdicts=self.verdicts,
            unmapped=dict(self.unmapped),
            no_policy=dict(self.no_policy),
        )


def _count(names: Counter[str], name: str) -> None:
    if name in names or len(names) < _MOST_NAMES:
        names[name] += 1
    else:
        names["others"] += 1
