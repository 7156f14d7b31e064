"""Planned changes, tick by tick: what was approved begins in its window, and what its run comes to is written down.

A change's run is reserved like any other, and carried out by the same workflow, which survives the engine. Here it is
only followed: whatever was written before a crash, the next look goes on from there, and never reserves a second run.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from bsm_remediate.domain.bundle import Bundle
from bsm_remediate.domain.change import (
    OPEN,
    UNDER_WAY,
    Change,
    ChangeOutcome,
    ChangeState,
    Result,
    Word,
    never_began,
    outcome_of,
)
from bsm_remediate.domain.change_guard import Readiness, Timing, stands_against, within_window
from bsm_remediate.domain.change_work import order_of_change, run_of_change
from bsm_remediate.domain.evaluation import Evaluation
from bsm_remediate.domain.event import ENGINE, Event, Json
from bsm_remediate.domain.plan_document import time_text
from bsm_remediate.domain.planned_change import PlannedChange
from bsm_remediate.domain.rollup import RollUp
from bsm_remediate.domain.run import Run, RunState
from bsm_remediate.engine.change_planning import ChangePlanning
from bsm_remediate.engine.dispatcher import run_event
from bsm_remediate.errors import ChangeNotRecorded, RemediationError
from bsm_remediate.ports import Clock, Workflows
from bsm_remediate.records import Store

_log = logging.getLogger(__name__)


class Changes:
    """What the engine that leads does about them."""

    def __init__(
        self,
        *,
        store: Store,
        clock: Clock,
        workflows: Workflows,
        planning: ChangePlanning,
        bundle: Callable[[], Bundle],
        rollup: Callable[[], RollUp],
    ) -> None:
        self._store = store
        self._clock = clock
        self._workflows = workflows
        self._planning = planning
        self._bundle = bundle
        self._rollup = rollup
        self._open: list[Change] = []

    @property
    def open(self) -> Sequence[Change]:
        """Those that aren't over, as the latest look left them."""
        return tuple(self._open)

    # --- following -------------------------------------------------------------------------------------------------

    def move_on(self) -> None:
        """Write down how far each has come: its run, its window, and what is written of it."""
        now = self._clock.now()
        self._open = [one for one in self._store.planned(since=now) if not one.is_over]
        for number, change in enumerate(self._open):
            try:
                self._open[number] = self._moved(change, now)
            except ChangeNotRecorded as error:  # a dry run has ended meanwhile: the next look sees it
                _log.info("change.moved_on_by_somebody_else change=%s: %s", change.id, error)

    def _moved(self, change: Change, now: datetime) -> Change:
        if change.state in UNDER_WAY:
            run = self._store.run(change.run) if change.run is not None else None
            return self._followed(change, run, now) if run is not None else change
        if change.state not in OPEN and change.state is not ChangeState.SCHEDULED:
            return change
        if change.state is ChangeState.SCHEDULED:
            begun = self._store.run(change.next_run)
            if begun is not None:  # an engine died between the two
                return self._followed(self._applying(change, begun), begun, now)
        planned = self._bundle().changes.get(change.name)
        if planned is None:
            closed = Word(who=ENGINE, at=now, reason="it is no longer in the bundle")
            return self._put(change.to(ChangeState.WITHDRAWN, closed=closed), "withdrawn", {"reason": closed.reason})
        if planned.digest != change.written:
            return self._renewed(change, planned, now)
        timing = self._timing(change, planned, now)
        return self._missed(change, planned, timing.reason, now) if timing.readiness is Readiness.MISSED else change

    def _timing(self, change: Change, planned: PlannedChange, now: datetime) -> Timing:
        """Whether it may begin now. One that waits for an approval only misses its window."""
        slot = change.slot
        if slot is not None and now < slot.begin:
            return Timing(readiness=Readiness.WAIT, reason="its window is ahead")
        return within_window(change, self._planning.cost(planned), now)

    def _followed(self, change: Change, run: Run, now: datetime) -> Change:
        if not run.state.is_over:
            state = ChangeState.VERIFYING if run.state is RunState.VERIFYING else ChangeState.APPLYING
            return change if change.state is state else self._put(change.to(state), state.value, {"run": run.id})
        if never_began(run):
            put_off = change.to(ChangeState.SCHEDULED, run=None, tries=change.tries + 1, waits=run.outcome)
            return self._put(put_off, "put_off", {"run": run.id, "reason": run.outcome})
        result = self._result(change, run, now)
        facts: dict[str, Json] = {
            "run": run.id,
            "outcome": result.outcome.value,
            "detail": result.words,
            "took_s": round(result.took_s, 3),
            "cost": round(result.cost, 4),
        }
        _log.info("change.ended change=%s outcome=%s: %s", change.id, result.outcome, result.words)
        return self._put(change.to(ChangeState.AWAITING_REVIEW, result=result, waits=""), "ended", facts)

    def _result(self, change: Change, run: Run, now: datetime) -> Result:
        ended = run.ended_at or now
        started = run.started_at
        took = (ended - started) if started is not None else timedelta(0)
        planned = self._bundle().changes.get(change.name)
        cost = 0.0
        if planned is not None and started is not None:
            cost = self._planning.cost(planned).lasting(started, took)
        words = run.outcome
        outcome = outcome_of(run)
        if outcome is ChangeOutcome.FAILED:
            words = f"{words}; it was not undone, {self._who_must_look(planned, ended)} must look"
        return Result(
            outcome=outcome,
            words=words,
            started_at=started,
            ended_at=ended,
            took_s=took.total_seconds(),
            cost=cost,
        )

    def _who_must_look(self, planned: PlannedChange | None, now: datetime) -> str:
        team = self._bundle().teams.get(planned.owner or "") if planned is not None else None
        person = team.on_call_person(now) if team is not None else None
        return f"{person}, on call for {team.name}," if person is not None and team is not None else "a person"

    def _renewed(self, change: Change, planned: PlannedChange, now: datetime) -> Change:
        """It is written differently now: its window is worked out anew, and what was approved is void."""
        begin = change.slot.begin if change.slot is not None else now
        found = self._planning.at(change, planned, begin, now=now) if begin > now else None
        if found is None or found.slot is None:
            found = self._planning.windows(planned, _next_minute(now), change.latest, now=now, besides=change.id)
        state = ChangeState.PROPOSED if found.slot is not None else ChangeState.MISSED
        renewed = change.to(
            state, written=planned.digest, title=planned.title, slot=found.slot, approved=None, approved_digest=None
        )
        reason = "it is written differently now: it needs a dry run and an approval again"
        return self._put(renewed, "renewed", {"reason": reason, **_window(renewed)})

    def _missed(self, change: Change, planned: PlannedChange, reason: str, now: datetime) -> Change:
        """Its window has passed: the next one, after its end, is picked, and needs an approval of its own."""
        after_it = max(now, change.slot.closes_at) if change.slot is not None else now
        found = self._planning.windows(planned, after_it, change.latest, now=now, besides=change.id)
        missed = change.to(ChangeState.MISSED, slot=found.slot, approved=None, approved_digest=None, waits=reason)
        _log.warning("change.missed change=%s: %s", change.id, reason)
        further = {} if found.slot is not None else {"detail": f"{reason}; {found.refusal()}"}
        return self._put(missed, "missed", {"reason": reason, **further, **_window(missed)})

    # --- beginning -------------------------------------------------------------------------------------------------

    def start(self, evaluation: Evaluation, *, executors: int) -> bool:
        """Begin at most one whose window is open and against which nothing stands; whether one began."""
        if executors <= sum(run.state.holds_executor for run in evaluation.situation.runs):
            return False
        due = [one for one in self._open if one.state is ChangeState.SCHEDULED and one.slot is not None]
        for change in sorted(due, key=lambda one: (one.slot.begin if one.slot else one.latest, one.id)):
            planned = self._bundle().changes.get(change.name)
            now = self._clock.now()
            if planned is None or self._timing(change, planned, now).readiness is not Readiness.BEGIN:
                continue
            try:
                if self._start(change, planned, evaluation, now):
                    return True
            except ChangeNotRecorded as error:
                _log.info("change.moved_on_by_somebody_else change=%s: %s", change.id, error)
        return False

    def _start(self, change: Change, planned: PlannedChange, evaluation: Evaluation, now: datetime) -> bool:
        bundle = self._bundle()
        if change.approved_digest != change.digest:
            void = change.to(ChangeState.PROPOSED, approved=None, approved_digest=None)
            self._put(void, "renewed", {"reason": "what was approved is not what it is now"})
            return False
        run = run_of_change(change, planned, bundle, now)
        against = stands_against(run, planned, evaluation, bundle, self._rollup())
        if not against:
            broken = self._planning.broken(change, planned, now, now=now)
            if broken:
                self._missed(change, planned, f"it would break an objective now: {broken}", now)
                return False
            against = self._reserved(run, planned, bundle)
        if against:
            if against != change.waits:
                self._put(change.to(ChangeState.SCHEDULED, waits=against), "waits", {"reason": against})
            return False
        self._workflows.start(run.id, is_new=True)
        self._applying(change, run)
        return True

    def _reserved(self, run: Run, planned: PlannedChange, bundle: Bundle) -> str:
        """What keeps its run from being reserved; empty: it is."""
        try:
            order = order_of_change(planned, bundle)
        except RemediationError as error:
            return str(error)
        reserved = self._store.reserve(run, [run_event("run.queued", run)], order)
        return "" if reserved is not None else "what it disturbs is being worked on"

    def _applying(self, change: Change, run: Run) -> Change:
        return self._put(change.to(ChangeState.APPLYING, run=run.id, waits=""), "applying", {"run": run.id})

    def _put(self, change: Change, kind: str, facts: dict[str, Json]) -> Change:
        written = replace(change, version=change.version + 1)
        known: dict[str, Json] = {"change": change.name, "state": change.state.value}
        event = Event(kind=f"change.{kind}", at=self._clock.now(), subject=change.id, facts={**known, **facts})
        self._store.put_change(written, [event])
        return written


def _next_minute(now: datetime) -> datetime:
    return now.replace(second=0, microsecond=0) + timedelta(minutes=1)


def _window(change: Change) -> dict[str, Json]:
    return {"next_window": time_text(change.slot.begin) if change.slot is not None else None}
