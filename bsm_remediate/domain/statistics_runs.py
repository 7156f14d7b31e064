"""Statistics of runs: whether playbooks pay, and what was avoided against a stated counterfactual (DESIGN 7)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import zip_longest
from math import ceil
from typing import NamedTuple

from bsm_remediate.domain.experience import USED_FROM, Experience, counts, learned_duration_s, taken_s
from bsm_remediate.domain.ids import NodeId, PolicyId, RunId
from bsm_remediate.domain.ledger import ComponentEntry, ServiceEntry
from bsm_remediate.domain.run import Run, RunEnd
from bsm_remediate.domain.statistics import History, Outage, Span, lost, outages

_FAR_OFF = 1.5
"""An expectation that many times too long or too short is wrong."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Avoided:
    """What one outage would have cost more, had a person mended it `person` after its alert came.

    Negative: the engine took longer than that.
    """

    outage: Outage[ServiceEntry]
    runs: tuple[Run, ...]
    """Those that restored its causes."""
    money: float
    seconds: float


def avoided(
    outage: Outage[ServiceEntry], runs: Iterable[Run], person: timedelta, *, fails_again: datetime | None = None
) -> Avoided | None:
    """None when no run restored one of its causes, or it isn't over: then the engine changed nothing yet.

    Without the engine it would have gone on as it stood last, at the price of that time; at most until the service
    really failed again (`fails_again`), or a flapping one would be saved from the same minutes time and again.
    """
    if outage.end is None or not outage.is_failure:
        return None
    end, causes = outage.end, outage.causes
    restoring = [run for run in runs if run.component in causes and _restored_within(run, outage.begin, end)]
    if not restoring:
        return None
    would_end = max(outage.alert_received + person, outage.begin)
    if would_end >= end:
        would_end = min(would_end, fails_again) if fails_again is not None else would_end
        last = outage.spans[-1]
        longer: Span[ServiceEntry] = Span(entry=last.entry, end=would_end)
        money = lost(longer, end, would_end)
    else:
        money = -sum(lost(span, would_end, end) for span in outage.spans)
    return Avoided(outage=outage, runs=tuple(restoring), money=money, seconds=(would_end - end).total_seconds())


def all_avoided(history: History, runs: Sequence[Run], person: timedelta) -> list[Avoided]:
    """Of all outages of services, by their ends."""
    on: defaultdict[NodeId, list[Run]] = defaultdict(list)
    for run in runs:
        on[run.component].append(run)
    found = []
    for spans in history.services.values():
        failures = outages(spans)
        for outage, next_one in zip_longest(failures, failures[1:]):
            restoring = [run for cause in sorted(outage.causes) for run in on.get(cause, ())]
            fails_again = next_one.begin if next_one is not None else None
            one = avoided(outage, restoring, person, fails_again=fails_again)
            if one is not None:
                found.append(one)
    return sorted(found, key=lambda one: (one.outage.end or one.outage.begin, one.outage.spans[0].entry.service))


def _restored_within(run: Run, begin: datetime, end: datetime) -> bool:
    return (
        run.attempt > 0
        and run.end is not RunEnd.STILL_FIRING
        and run.passed_at is not None
        and begin <= run.passed_at <= end
    )


class PlaybookKey(NamedTuple):
    policy: PolicyId
    playbook: str


@dataclass(kw_only=True, slots=True)
class PlaybookRecord:
    """What the runs of one playbook under one policy came to."""

    policy: PolicyId
    playbook: str
    runs: int = 0
    restored: int = 0
    ends: dict[str, int] = field(default_factory=dict)
    expected_s: float = 0.0
    """By the latest run."""
    taken_s: list[float] = field(default_factory=list)
    """Seconds to restore, of those that did."""
    wasted_s: float = 0.0
    """Seconds of those that didn't."""
    lost_meanwhile: float = 0.0
    """Money that services lost to its component during runs that didn't restore it."""
    avoided: float = 0.0
    """Its share of what was avoided."""

    @property
    def learned_s(self) -> float | None:
        """Expected duration with what these runs teach; None while they are too few."""
        if self.runs < USED_FROM:
            return None
        known = Experience(runs=self.runs, restored=self.restored, restoring_s=sum(self.taken_s))
        return learned_duration_s(self.expected_s, known)

    @property
    def mean_s(self) -> float | None:
        return sum(self.taken_s) / len(self.taken_s) if self.taken_s else None

    @property
    def pays(self) -> bool:
        """Whether it avoided more than was lost during its failures; where no money is known, whether it saved more
        time than it wasted.
        """
        if self.avoided or self.lost_meanwhile:
            return self.avoided > self.lost_meanwhile
        return self.restored > 0 and sum(self.taken_s) >= self.wasted_s

    @property
    def is_far_off(self) -> bool:
        """Whether what was expected is wrong: runs take so much longer or shorter."""
        mean = self.mean_s
        if mean is None or not self.expected_s:
            return False
        return mean > self.expected_s * _FAR_OFF or mean * _FAR_OFF < self.expected_s


def playbook_records(
    history: History, runs: Iterable[Run], found: Iterable[Avoided], since: datetime, until: datetime
) -> list[PlaybookRecord]:
    """Of the runs that ended after `since` and up to `until`."""
    credit: defaultdict[RunId, float] = defaultdict(float)
    for one in found:
        for run in one.runs:
            credit[run.id] += one.money / len(one.runs)
    records: dict[PlaybookKey, PlaybookRecord] = {}
    for run in runs:
        if not counts(run) or run.ended_at is None or not since < run.ended_at <= until:
            continue
        key = PlaybookKey(run.policy, run.playbook)
        record = records.setdefault(key, PlaybookRecord(policy=run.policy, playbook=run.playbook))
        _add(record, run, history)
        record.avoided += credit.get(run.id, 0.0)
    return sorted(records.values(), key=lambda one: (one.policy, one.playbook))


def _add(record: PlaybookRecord, run: Run, history: History) -> None:
    end = run.end.value if run.end is not None else ""
    record.runs += 1
    record.ends[end] = record.ends.get(end, 0) + 1
    record.expected_s = run.expected_duration_s
    took = taken_s(run) if run.end is RunEnd.RESTORED else None
    if took is not None:
        record.restored += 1
        record.taken_s.append(took)
    elif run.started_at is not None and run.ended_at is not None:
        record.wasted_s += max((run.ended_at - run.started_at).total_seconds(), 0.0)
        record.lost_meanwhile += _lost_to(run.component, history, run.started_at, run.ended_at)


def _lost_to(component: NodeId, history: History, since: datetime, until: datetime) -> float:
    """What services lost to that cause meanwhile."""
    return sum(
        lost(span, since, until) / len(span.entry.causes)
        for spans in history.services.values()
        for span in spans
        if component in span.entry.causes
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class Response:
    """How fast one failure of a component was answered, in seconds; None: it wasn't."""

    outage: Outage[ComponentEntry]
    detect_s: float
    """From the alert's begin to its receipt."""
    decide_s: float | None
    """From there to the first run that was planned."""
    restore_s: float | None
    """From the alert's begin to ok."""


def responses(history: History, runs: Iterable[Run], since: datetime, until: datetime) -> list[Response]:
    """Of the failures of components themselves that the engine saw after `since` and up to `until`; a component that
    only shares the failure of what it requires isn't counted.
    """
    planned: defaultdict[NodeId, list[datetime]] = defaultdict(list)
    for run in runs:
        planned[run.component].append(run.planned_at)
    found = []
    for node, spans in history.components.items():
        for outage in outages(spans):
            if not since < outage.begin <= until or not _is_own(outage):
                continue
            end = outage.end if outage.end is not None and outage.end <= until else None
            firsts = [one for one in planned.get(node, ()) if outage.begin <= one <= (end or until)]
            received = outage.alert_received
            found.append(
                Response(
                    outage=outage,
                    detect_s=(received - outage.alert_began).total_seconds(),
                    decide_s=(min(firsts) - received).total_seconds() if firsts else None,
                    restore_s=(end - outage.alert_began).total_seconds() if end is not None else None,
                )
            )
    return sorted(found, key=lambda one: (one.outage.begin, one.outage.spans[0].entry.component))


def _is_own(outage: Outage[ComponentEntry]) -> bool:
    return outage.is_failure and any(span.entry.own.value in {"down", "degraded"} for span in outage.spans)


def percentiles(seconds: Sequence[float]) -> Mapping[str, float] | None:
    """Mean, median, 90th percentile (of an even number the lower one) and most; None of nothing."""
    if not seconds:
        return None
    ordered = sorted(seconds)

    def at(share: float) -> float:
        return ordered[ceil(share * len(ordered)) - 1]

    return {"mean": sum(ordered) / len(ordered), "median": at(0.5), "p90": at(0.9), "most": ordered[-1]}
