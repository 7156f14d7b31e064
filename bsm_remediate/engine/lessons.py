"""What past runs have taught: read once, then kept up from the runs that every look brings."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta

from bsm_remediate.domain.experience import Experience, ExperienceKey, counts, experiences
from bsm_remediate.domain.ids import RunId
from bsm_remediate.domain.run import Run, RunEnd
from bsm_remediate.records import RunLog

REMEMBERED = timedelta(days=90)
"""What was longer ago was another world."""


class Lessons:
    """A cache over the store's runs; a new one says the same."""

    def __init__(self, log: RunLog) -> None:
        self._log = log
        self._runs: dict[RunId, Run] | None = None
        self._known: dict[RunId, RunEnd | None] = {}
        self._experience: Mapping[ExperienceKey, Experience] = {}

    def learned(self, recent: Iterable[Run], now: datetime) -> Mapping[ExperienceKey, Experience]:
        """By the runs of the last 90 days and `recent` ones, which are newer than what was read before."""
        is_new = self._runs is None
        if self._runs is None:
            self._runs = {run.id: run for run in self._log.runs(since=now - REMEMBERED) if counts(run)}
        for run in recent:
            if counts(run) and self._known.get(run.id, RunEnd.SIGNAL_GONE) is not run.end:
                self._known[run.id] = run.end
                self._runs[run.id] = run
                is_new = True
        if is_new:
            since = now - REMEMBERED
            self._runs = {
                one: run for one, run in self._runs.items() if run.ended_at is not None and run.ended_at >= since
            }
            self._experience = experiences(self._runs.values())
        return self._experience
