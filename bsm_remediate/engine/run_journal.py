"""What a run writes about itself: each change of its value with its event, in one transaction."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Protocol, TypeVar

from bsm_remediate.domain.event import Event, Json
from bsm_remediate.domain.ids import RunId
from bsm_remediate.domain.playbook import PlaybookEvent
from bsm_remediate.domain.run import Run, RunEnd, RunState
from bsm_remediate.errors import RunNotRecorded, StoreUnavailable
from bsm_remediate.ports import Clock
from bsm_remediate.records import EventLog, RunLog

_log = logging.getLogger(__name__)

_TOLD = {"ok", "changed", "failed", "unreachable"}
"""Kinds of playbook events that the journal keeps; the rest stays in the artifacts."""
_TRY_AGAIN_S = 1.0

_T = TypeVar("_T")
LetBegin = Callable[[Run, Callable[[], None]], str]
"""Writes that a run begins, unless something stands against it; then what."""


class RunRecords(RunLog, EventLog, Protocol):
    """Where runs and their events are written."""


class RunJournal:
    """Waits while the database is away: what a run did must be written before it does more."""

    def __init__(self, records: RunRecords, clock: Clock, *, leaving: Callable[[], bool]) -> None:
        self._records = records
        self._clock = clock
        self._leaving = leaving

    def patiently(self, work: Callable[[], _T]) -> _T:
        """`work`, again and again while the database is away. Raises `RunNotRecorded` when the engine leaves."""
        while True:
            if self._leaving():
                raise RunNotRecorded("the engine ends, the next one goes on")
            try:
                return work()
            except StoreUnavailable as error:
                _log.warning("run.waits_for_the_database: %s", error)
                self._clock.wait(_TRY_AGAIN_S, until=self._leaving)

    def current(self, run: RunId, *, fence: int) -> Run:
        """`run` as it is recorded. Raises `RunNotRecorded` when another engine has it."""
        found = self.patiently(lambda: self._records.run(run))
        if found is None or found.fence != fence:
            raise RunNotRecorded(f"run {run} has been taken over")
        return found

    def record(self, run: Run, kind: str, *, facts: dict[str, Json] | None = None, **change: object) -> Run:
        """Write `run` with `change`. Raises `RunNotRecorded` when another engine has it."""
        changed, event = self._changed(run, kind, facts, change)
        self.patiently(lambda: self._records.update(changed, [event]))
        return changed

    def begin(self, run: Run, let_begin: LetBegin, *, facts: dict[str, Json], **change: object) -> Run | str:
        """The same for what begins, where nothing stands against it; else what does, and nothing is written."""
        changed, event = self._changed(run, "run.started", facts, change)
        write = partial(self._records.update, changed, [event])
        return self.patiently(lambda: let_begin(run, write)) or changed

    def _changed(
        self, run: Run, kind: str, facts: dict[str, Json] | None, change: dict[str, object]
    ) -> tuple[Run, Event]:
        changed: Run = replace(run, **change)  # type: ignore[arg-type]
        told: dict[str, Json] = {"state": changed.state.value, **(facts or {})}
        if changed.outcome != run.outcome:
            told["outcome"] = changed.outcome
        return changed, self._event(kind, changed, told)

    def over(self, run: Run, state: RunState, end: RunEnd, outcome: str, kind: str | None = None) -> None:
        """Write that `run` has ended in `state`."""
        self.record(run, kind or f"run.{state}", state=state, end=end, outcome=outcome, ended_at=self._clock.now())

    def note(self, run: Run, kind: str, facts: dict[str, Json]) -> None:
        """An event of `run` that doesn't change it."""
        event = self._event(kind, run, facts)
        self.patiently(lambda: self._records.append([event]))

    def task(self, event: PlaybookEvent) -> None:
        """What happened on a host. The artifacts have it too, so the playbook doesn't wait for the database."""
        if event.kind not in _TOLD:
            return
        facts: dict[str, Json] = {"status": event.kind, "host": event.host, "task": event.task}
        if event.message:
            facts["message"] = event.message
        if event.duration_s is not None:
            facts["duration_s"] = round(event.duration_s, 3)
        try:
            self._records.append([Event(kind="run.task", at=event.at, subject=event.run, facts=facts)])
        except StoreUnavailable as error:
            _log.warning("run.task_not_journalled run=%s: %s", event.run, error)

    def _event(self, kind: str, run: Run, facts: dict[str, Json]) -> Event:
        known: dict[str, Json] = {"component": run.component, "policy": run.policy}
        return Event(kind=kind, at=self._clock.now(), subject=run.id, facts={**known, **facts})
