"""What the model got wrong in an incident: each finding is computed from what was expected and what happened."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from bsm_remediate.domain.account import Account
from bsm_remediate.domain.duration import format_duration
from bsm_remediate.domain.event import Json
from bsm_remediate.domain.experience import taken_s
from bsm_remediate.domain.ids import NodeId
from bsm_remediate.domain.incident import FOREVER, Incident, node_of, own_spans
from bsm_remediate.domain.ledger import ServiceEntry
from bsm_remediate.domain.review_causes import all_restorers, lost_to
from bsm_remediate.domain.run import Run, RunEnd
from bsm_remediate.domain.state import State
from bsm_remediate.domain.statistics import Outage, Span

_FAR_OFF = 1.5
"""A duration that many times the expected one, or the other way round, was expected wrongly."""
_AT_ONCE = timedelta(seconds=2)
"""What ends within one look, or two."""
_FOLLOWS_WITHIN = timedelta(seconds=30)
"""A service that is up again that soon after a repair was restored by it."""
_NOTICEABLE_S = 5.0
_SLOW_SHARE = 1 / 3
"""Of the time to restore: monitoring that takes more is what to mend first."""
_SLOW_S = 30.0
_MOST_NAMED = 5


@dataclass(frozen=True, kw_only=True, slots=True)
class Finding:
    """One thing to put right."""

    kind: str
    about: str
    """A component, service or policy, for finding who looks after it; empty: the deployment's own matter."""
    told: str
    question: str
    """What people should answer."""

    def row(self) -> dict[str, Json]:
        """As documents have it."""
        return {"kind": self.kind, "about": self.about, "told": self.told, "question": self.question}


def findings(account: Account) -> list[Finding]:
    """All of them, by kinds in the order of the pages."""
    return [one for find in _KINDS for one in find(account)]


# --- runs ------------------------------------------------------------------------------------------------------------


def _durations(account: Account) -> Iterator[Finding]:
    for run in account.runs:
        took, expected = taken_s(run) if run.attempt else None, run.expected_duration_s
        if took is None or abs(took - expected) < _NOTICEABLE_S:
            continue
        if took > expected * _FAR_OFF or took * _FAR_OFF < expected:
            yield Finding(
                kind="expected_duration",
                about=run.policy,
                told=f"run {run.id}: {run.playbook} for {run.component} took {_length(took)} until its checks passed,"
                f" where {_length(expected)} was expected",
                question=f"Should expect: duration of {run.playbook} under {run.policy} be corrected?",
            )


def _still_firing(account: Account) -> Iterator[Finding]:
    for run in account.runs:
        if run.end in {RunEnd.STILL_FIRING, RunEnd.RELAPSED}:
            yield Finding(
                kind="checks_passed_wrongly",
                about=run.policy,
                told=f"run {run.id}: the checks of {run.policy} passed on {run.component}, yet {run.outcome}",
                question=f"Which check of {run.policy} would have shown that {run.component} wasn't restored?",
            )


def _not_restored(account: Account) -> Iterator[Finding]:
    """Services that the plan promised and that stayed lost, though nothing else they need failed later."""
    for run in account.runs:
        promise = account.promises.get(run.id)
        if promise is None or run.passed_at is None or run.end is not RunEnd.RESTORED:
            continue
        beside = [one.passed_at for one in account.runs if one.passed_at is not None and _at_once(one, run)]
        looked = max([run.passed_at, *beside]) + _FOLLOWS_WITHIN
        missing = [one for one in promise.restores if _is_still_lost(one, run, looked, account)]
        if missing:
            names = _few(missing)
            yield Finding(
                kind="services_not_restored",
                about=run.component,
                told=f"run {run.id} restored {run.component}, but {names} stayed lost, which the plan said it would"
                " bring back",
                question=f"What else does {names} need that the service map doesn't say?",
            )


def _at_once(one: Run, other: Run) -> bool:
    ends = one.ended_at or one.planned_at, other.ended_at or other.planned_at
    return one.planned_at <= ends[1] and other.planned_at <= ends[0]


def _is_still_lost(service: NodeId, run: Run, looked: datetime, account: Account) -> bool:
    for outage in account.incident.services:
        if node_of(outage) != service or outage.begin > run.planned_at:
            continue
        if account.now <= looked or (outage.end is not None and outage.end <= looked):
            continue
        return not _failed_later(outage, run.planned_at, looked, account.incident)
    return False


def _failed_later(outage: Outage[ServiceEntry], planned: datetime, looked: datetime, incident: Incident) -> bool:
    """Whether all that the outage is put down to at that time began to fail only after the plan."""
    span = next((one for one in outage.spans if one.begin <= looked < (one.end or looked + _AT_ONCE)), None)
    causes = span.entry.causes if span is not None else ()
    begins = {cause: [own_spans(one)[0].begin for one in incident.failed.get(cause, ())] for cause in causes}
    return bool(causes) and all(begun and max(begun) > planned for begun in begins.values())


def _approvals(account: Account) -> Iterator[Finding]:
    for run in account.runs:
        wait = account.waits.get(run.id)
        if wait is None:
            continue
        until = min(wait.until or account.until, account.until)
        waited = (until - wait.since).total_seconds()
        cost = lost_to(run.component, account.incident, wait.since, until)
        promise = account.promises.get(run.id)
        stake = promise.at_stake if promise is not None else None
        if cost <= 0 or (cost <= stake if stake is not None else waited <= run.expected_duration_s):
            continue
        currency = account.bundle.currency
        protected = (
            f"the run itself could have cost {stake:,.2f} {currency}"
            if stake is not None
            else f"the run was expected to take {_length(run.expected_duration_s)}"
        )
        yield Finding(
            kind="approval_too_slow",
            about=run.policy,
            told=f"run {run.id} waited {_length(waited)} for approval, which cost {cost:,.2f} {currency}; {protected}",
            question=f"Should {run.policy} act by itself, or who should have been asked, and how?",
        )


# --- causes ----------------------------------------------------------------------------------------------------------


def _unexplained(account: Account) -> Iterator[Finding]:
    incident = account.incident
    for outage in incident.services:
        lasting = [one for one in outage.spans if one.entry.state in {State.DOWN, State.DEGRADED}]
        alone = [one for one in lasting if not any(_fails(cause, one, incident) for cause in one.entry.causes)]
        seconds = sum(one.seconds(outage.begin, account.until) for one in alone)
        if seconds < _NOTICEABLE_S:
            continue
        suspects = sorted({cause for one in alone for cause in one.entry.causes})
        said = f"; suspected was {_few(suspects)}, without an alert of its own" if suspects else ""
        yield Finding(
            kind="unexplained",
            about=node_of(outage),
            told=f"{node_of(outage)} was lost for {_length(seconds)} while nothing that it requires was known to"
            f" fail{said}",
            question=f"Which dependency of {node_of(outage)}, or which alert, is missing?",
        )


def _fails(node: NodeId, during: Span[ServiceEntry], incident: Incident) -> bool:
    """Whether it was known to fail itself at some time of that span."""
    until = during.end_by(FOREVER)
    return any(
        span.begin < until and during.begin < span.end_by(FOREVER)
        for outage in incident.failed.get(node, ())
        for span in own_spans(outage)
    )


def _ranked_wrongly(account: Account) -> Iterator[Finding]:
    """Who was first while what mended it failed; afterwards only symptoms are left to be ranked."""
    mended = all_restorers(account)
    right = _few(list(mended))
    failing = [span for node in mended for one in account.incident.failed.get(node, ()) for span in own_spans(one)]
    firsts: dict[NodeId, float] = {}
    for first, begin, end in _first_ranked(account):
        if first not in mended and first in account.incident.nodes:
            seconds = sum(max(span.seconds(begin, end), 0.0) for span in failing)
            firsts[first] = firsts.get(first, 0.0) + min(seconds, (end - begin).total_seconds())
    for node, seconds in firsts.items():
        if seconds > 0:
            yield Finding(
                kind="ranked_wrongly",
                about=node,
                told=f"{node} was ranked first among the causes for {_length(seconds)}, but services came back with"
                f" {right}",
                question=f"What would have told that {right} was the cause: an earlier alert, evidence: direct, a"
                " missing dependency?",
            )


def _first_ranked(account: Account) -> Iterator[tuple[NodeId, datetime, datetime]]:
    """Who was ranked first, from when to when."""
    for place, (at, ranking) in enumerate(account.rankings):
        later = account.rankings[place + 1][0] if place + 1 < len(account.rankings) else account.until
        if ranking.causes and at < min(later, account.until):
            yield ranking.causes[0].component, at, min(later, account.until)


def _nothing_done(account: Account) -> Iterator[Finding]:
    """Causes that no playbook was begun for."""
    worked_on = {run.component for run in account.runs if run.attempt}
    for node in all_restorers(account):
        before = account.incident.begin - timedelta(seconds=1)
        cost = lost_to(node, account.incident, before, account.until)
        if node in worked_on or cost <= 0:
            continue
        verdict, reason = account.verdicts.get(node, ("", "nothing was decided about it"))
        why = f"{verdict}, {reason}" if verdict else reason
        yield Finding(
            kind="nothing_was_run",
            about=node,
            told=f"no playbook was begun for {node}, to which {cost:,.2f} {account.bundle.currency} were lost: {why}",
            question=f"Which policy should have acted on {node}, and what stood in its way?",
        )


def _symptoms(account: Account) -> Iterator[Finding]:
    for node, since in sorted(account.held.items()):
        repaired = [
            run
            for run in account.runs
            if run.component == node and run.attempt and run.passed_at is not None and run.passed_at > since
        ]
        if repaired:
            run = repaired[0]
            waited = _length(((run.started_at or run.planned_at) - since).total_seconds())
            yield Finding(
                kind="symptom_needed_repair",
                about=node,
                told=f"{node} was held as a symptom, but needed a repair of its own: run {run.id} began {waited} later",
                question=f"Is the alert on {node} direct evidence, so that it needn't wait (evidence: direct)?",
            )


# --- monitoring ------------------------------------------------------------------------------------------------------


def _alerts(account: Account) -> Iterator[Finding]:
    kinds = (
        (
            "unmapped_alerts",
            "fit no component",
            account.unmapped,
            "Which component are the alerts that fit nothing about, by which label?",
        ),
        (
            "alerts_without_policy",
            "are named by no policy",
            account.no_policy,
            "What do the alerts without a policy mean, and what may be done?",
        ),
    )
    for kind, what, names, question in kinds:
        if names:
            ranked = sorted(names.items(), key=lambda one: (-one[1], one[0]))
            listed = ", ".join(f"{name or 'without a name'} ({count:,})" for name, count in ranked[:_MOST_NAMED])
            more = f" and {len(ranked) - _MOST_NAMED:,} other names" if len(ranked) > _MOST_NAMED else ""
            number = sum(names.values())
            told = f"{number:,} alert{'s' if number > 1 else ''} came that {what}: {listed}{more}"
            yield Finding(kind=kind, about="", told=told, question=question)


def _detection(account: Account) -> Iterator[Finding]:
    for outage in account.incident.components:
        if outage.end is None:
            continue
        detect = (outage.alert_received - outage.alert_began).total_seconds()
        restore = (outage.end - outage.alert_began).total_seconds()
        if detect >= _SLOW_S and detect >= restore * _SLOW_SHARE:
            yield Finding(
                kind="slow_detection",
                about=node_of(outage),
                told=f"the alert about {node_of(outage)} came {_length(detect)} after it began, of {_length(restore)}"
                " until it was restored",
                question=f"Can the alert on {node_of(outage)} come sooner (interval, for, grouping)?",
            )


_KINDS: tuple[Callable[[Account], Iterator[Finding]], ...] = (
    _unexplained,
    _ranked_wrongly,
    _nothing_done,
    _not_restored,
    _still_firing,
    _symptoms,
    _durations,
    _approvals,
    _detection,
    _alerts,
)


def _few(names: list[NodeId]) -> str:
    more = len(names) - _MOST_NAMED
    return ", ".join(names[:_MOST_NAMED]) + (f" and {more:,} others" if more > 0 else "")


def _length(seconds: float) -> str:
    return format_duration(timedelta(seconds=round(seconds, 1)))
