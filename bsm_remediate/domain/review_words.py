"""What happened, in words: each event of the journal, and each alert, as a telling of a review's timeline."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import timedelta
from typing import Any

from bsm_remediate.domain.alert import Alert, AlertStatus
from bsm_remediate.domain.duration import format_duration
from bsm_remediate.domain.event import ENGINE, Event
from bsm_remediate.domain.ids import NodeId
from bsm_remediate.domain.ledger import ComponentEntry, ServiceEntry, entry_of
from bsm_remediate.domain.ranking import RANKED, ranking_of
from bsm_remediate.domain.review_timeline import Telling
from bsm_remediate.domain.state import State

_NO_NEWS = frozenset({"already_running"})
"""Verdicts that the run's own events say better."""
_LEFT_OUT = ("token.", "journal.", "ledger.", "shadow.")
"""Kinds that have nothing to do with what fails."""
_RUN_WORDS = {
    "run.queued": "is planned",
    "run.awaiting_approval": "waits for approval",
    "run.approval_escalated": "has waited for approval for too long",
    "run.started": "begins",
    "run.playbook_ended": "has ended its playbook",
    "run.checks_hold": "has all its checks passed",
    "run.checks_broke": "has a check fail again",
    "run.not_verified": "isn't verified",
    "run.approved": "is approved",
    "run.rejected": "is rejected",
    "run.succeeded": "has succeeded",
    "run.failed": "has failed",
    "run.cancelled": "is cancelled",
    "run.rolled_back": "has failed, and is undone",
    "run.rollback_started": "is being undone",
    "run.rollback_ended": "has ended being undone",
    "run.already_ok": "finds its component ok",
    "run.escalated": "is handed over to a person",
    "run.still_firing": "failed after all: its alert still fires",
    "run.relapsed": "failed after all: its component fails again",
    "run.repeated": "is repeated after the death of its engine",
    "run.outcome_unknown": "has an outcome that nobody knows",
}
_TOLD_BY = ("outcome", "detail", "checks", "reason", "answer", "message")
_ABOUT = ("component", "service", "run", "incident")
"""Facts that say what an event is about."""
_FEW_CAUSES = 5
_MORE = 8
"""Of what states, decisions and runs say as many are told one by one: there is something to each."""
_ALERT, _COMPONENT, _SERVICE, _RANKING, _RECOVERS = 0, 1, 2, 3, 5
"""Ranks of what one look finds: what came, what it means, who is suspected; decisions and runs have the usual one."""


class Words:
    """Words for what has to do with some nodes and runs; remembers how each service stood."""

    def __init__(self, nodes: Collection[NodeId], runs: Collection[str], currency: str) -> None:
        self._nodes = nodes
        self._runs = runs
        self._currency = currency
        self._stood: dict[NodeId, ServiceEntry] = {}
        self._component_stood: dict[NodeId, tuple[State, State]] = {}

    def of(self, event: Event) -> Telling | None:
        """None for what has nothing to do with them, or says nothing new."""
        entry = entry_of(event)
        if isinstance(entry, ServiceEntry):
            return self._service(entry) if entry.service in self._nodes else None
        if isinstance(entry, ComponentEntry):
            return self._component(entry) if entry.component in self._nodes else None
        if event.kind == RANKED:
            return self._ranking(event)
        if event.kind == "decision.made":
            return self._decision(event)
        if event.kind == "run.task":
            return self._task(event)
        if event.kind.startswith("control."):
            return self._control(event)
        if event.kind.startswith(_LEFT_OUT) or not self._is_about_us(event):
            return None
        return self._run(event) if event.kind.startswith("run.") else self._other(event)

    def _is_about_us(self, event: Event) -> bool:
        if event.kind.startswith("run."):
            return event.subject in self._runs
        named = {event.subject, *(str(event.facts[name]) for name in _ABOUT if name in event.facts)}
        return any(one in self._runs or NodeId(one) in self._nodes for one in named)

    # --- how things stand ------------------------------------------------------------------------------------------

    def _service(self, entry: ServiceEntry) -> Telling | None:
        before = self._stood.get(entry.service)
        self._stood[entry.service] = entry
        state, money = entry.state.value, f"{entry.loss_per_minute:,.2f} {self._currency}/min"
        causes = _few(entry.causes) if entry.causes else "nothing that is known"
        if entry.state is State.OK:
            text = f"Service {entry.service} is ok again"
        elif before is None or before.state is not entry.state:
            text = f"Service {entry.service} is {state}, losing {money}, because of {causes}"
        elif before.causes != entry.causes:
            text = f"Service {entry.service} is still {state}, now because of {causes}"
        elif before.loss_per_minute != entry.loss_per_minute:
            text = f"Service {entry.service} is still {state}, now losing {money}"
        else:
            return None
        rank = _RECOVERS if entry.state is State.OK else _SERVICE
        return Telling(entry.at, f"service {state}", entry.service, text, f"services are {state}", rank, _MORE)

    def _component(self, entry: ComponentEntry) -> Telling | None:
        stands = (entry.state, entry.own)
        if self._component_stood.get(entry.component) == stands:
            return None
        self._component_stood[entry.component] = stands
        state = entry.state.value
        if entry.state is State.OK:
            text = f"{entry.component} is ok again"
            return Telling(entry.at, "component ok", entry.component, text, "components are ok again", _RECOVERS, _MORE)
        how = "" if entry.own is entry.state else ", through what it requires"
        text = f"{entry.component} is {state}{how}"
        return Telling(
            entry.at,
            f"component {state}{how}",
            entry.component,
            text,
            f"components are {state}{how}",
            _COMPONENT,
            _MORE,
        )

    def _ranking(self, event: Event) -> Telling | None:
        ranking = ranking_of(event)
        if ranking is None or not any(one in self._nodes for one in ranking.names):
            return None
        ranked = ", ".join(
            f"{one.component} {one.score:.2f}{' (suspect)' if one.is_suspect else ''}" for one in ranking.causes
        )
        return Telling(event.at, "ranking", "", f"Likeliest causes: {ranked}", "rankings of causes", _RANKING, _MORE)

    # --- what was decided and done ---------------------------------------------------------------------------------

    def _decision(self, event: Event) -> Telling | None:
        facts: Mapping[str, Any] = event.facts
        verdict, policy = facts["verdict"], facts["policy"]
        if NodeId(event.subject) not in self._nodes or verdict in _NO_NEWS:
            return None
        under = f" under {policy}" if policy else ""
        text = f"Decided about {event.subject}{under}: {verdict}, {facts['reason']}"
        return Telling(
            event.at, f"decision {verdict} {policy}", event.subject, text, f"decisions: {verdict}{under}", singly=_MORE
        )

    def _run(self, event: Event) -> Telling:
        facts: Mapping[str, Any] = event.facts
        words = _RUN_WORDS.get(event.kind) or f"is {event.kind.removeprefix('run.').replace('_', ' ')}"
        by = f" by {event.actor}" if event.actor != ENGINE else ""
        what = f" ({facts['playbook']} for {facts['component']})" if {"playbook", "component"} <= facts.keys() else ""
        why = told_by(event)
        text = f"Run {event.subject}{what} {words}{by}{': ' if why else ''}{why}"
        return Telling(event.at, event.kind, event.subject, text, f"runs, each {words}", singly=_MORE)

    def _task(self, event: Event) -> Telling | None:
        if event.subject not in self._runs:
            return None
        facts: Mapping[str, Any] = event.facts
        status = str(facts.get("status"))
        where = f"task {facts.get('task') or '?'} on {facts.get('host') or '?'}"
        text = f"Run {event.subject}: {where} {status}"
        if status in {"failed", "unreachable"}:
            said = f": {facts['message']}" if facts.get("message") else ""
            return Telling(event.at, f"task {status}", event.subject, text + said, f"tasks {status}, of runs")
        return Telling(event.at, f"task of {event.subject}", event.subject, text, "tasks done, of run")

    def _control(self, event: Event) -> Telling:
        facts: Mapping[str, Any] = event.facts
        what = event.kind.removeprefix("control.").replace("_", " ")
        target = f" {event.subject}" if event.subject else ""
        reason = f" ({facts['reason']})" if facts.get("reason") else ""
        answer = f": {facts['answer']}" if facts.get("answer") else ""
        refused = "" if facts.get("done", True) else ", which was refused"
        text = f"{event.actor} asks to {what}{target}{reason}{refused}{answer}"
        return Telling(event.at, f"{event.kind} {event.actor}", event.subject, text, f"wishes of {event.actor}: {what}")

    def _other(self, event: Event) -> Telling:
        """Of a kind that this version doesn't know."""
        why = told_by(event)
        about = f" {event.subject}" if event.subject else ""
        text = f"{event.kind}{about}{': ' if why else ''}{why}"
        return Telling(event.at, event.kind, event.subject, text, f"events {event.kind}")


def told_by(event: Event) -> str:
    """What an event says for people."""
    return next((str(event.facts[name]) for name in _TOLD_BY if event.facts.get(name)), "")


def of_alert(alert: Alert, about: str) -> Telling:
    """A delivery; `about` is the component or service that it names, if any."""
    name, subject = alert.name or "without a name", about or "nothing that is known"
    late = alert.received_at - alert.starts_at
    if alert.is_over:
        kind, what = "ends", "ends"
    elif alert.status is AlertStatus.UNKNOWN:
        kind, what = "is unknown", "is unknown: its source can't tell"
    else:
        kind = "comes"
        what = f"comes, {format_duration(late)} after it began" if late >= timedelta(seconds=1) else "comes"
    text, many = f"Alert {name} about {subject} {what}", f"alerts {name}: each {kind}"
    return Telling(alert.received_at, f"alert {kind} {name}", subject, text, many, _ALERT)


def _few(names: tuple[NodeId, ...]) -> str:
    more = len(names) - _FEW_CAUSES
    return ", ".join(names[:_FEW_CAUSES]) + (f" and {more:,} others" if more > 0 else "")
