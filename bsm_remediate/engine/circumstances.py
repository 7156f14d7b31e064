"""Everything that is the case at one moment, gathered for the evaluation: alerts, figures, runs, orders, loads."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import timedelta

from bsm_remediate.domain.bundle import DEFAULT_GOAL, Bundle
from bsm_remediate.domain.evaluation import Evaluation
from bsm_remediate.domain.rebalancing_course import Course, courses_after
from bsm_remediate.domain.situation import Pause, Situation
from bsm_remediate.engine.history import with_history
from bsm_remediate.engine.lessons import Lessons
from bsm_remediate.engine.monitoring import Monitoring
from bsm_remediate.engine.options import EngineOptions
from bsm_remediate.engine.picture import Picture
from bsm_remediate.engine.turned_away import TurnedAway
from bsm_remediate.ports import Clock, LoadMeter
from bsm_remediate.records import Store

_WEIGHTS_REMEMBERED = timedelta(days=30)
"""Longer than anybody leaves a pool relieved; asked once, after a start."""


class Circumstances:
    """Reads what it is asked for; changes nothing."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        *,
        picture: Picture,
        monitoring: Monitoring,
        meter: LoadMeter | None,
        brake: Callable[[], Pause | None],
        options: EngineOptions,
    ) -> None:
        self._store = store
        self._clock = clock
        self._picture = picture
        self._monitoring = monitoring
        self._meter = meter
        self._brake = brake
        self._options = options
        self._lessons = Lessons(store)
        self._turned_away = TurnedAway(store)

    def now(self, bundle: Bundle, before: Evaluation | None, *, leads: bool) -> Situation:
        """What is the case; `before` is what the look before found. Loads are read only by the engine that leads."""
        pools = tuple(bundle.pools.values())
        situation = Situation(
            at=self._clock.now(),
            alerts=self._picture.alerts,
            last_seen=self._picture.last_seen,
            onsets=self._picture.onsets,
            goal=self._options.goal,
            executors=self._options.executors,
            max_mode=self._options.max_mode,
            suppressed=self._monitoring.suppressed_now(self._picture),
            doubt=self._monitoring.doubt(bundle.settings.watchdog, self._picture),
            loads=self._meter.loads(pools) if self._meter is not None and leads else {},
            courses=self._courses(bundle, before),
            standing_order=tuple(step.key for step in before.plan.steps) if before is not None else (),
        )
        known = with_history(situation, self._store, self._lessons)
        brake = self._brake()
        return replace(
            known,
            loads=self._turned_away.beside(known.loads, known.runs),
            goal=known.goal if known.goal in bundle.goals else DEFAULT_GOAL,
            pauses=known.pauses if brake is None else (*known.pauses, brake),
            policy_active_since=(known.policy_active_since or {}) if self._options.asks_age else None,
            max_mode=self._options.max_mode,
        )

    def goal(self, bundle: Bundle) -> str:
        """The goal that people have set, else this engine's own."""
        goal = self._store.standing().goal or self._options.goal
        return goal if goal in bundle.goals else DEFAULT_GOAL

    def _courses(self, bundle: Bundle, before: Evaluation | None) -> Mapping[str, Course]:
        """Where pools stood at the look before; after a start, by the runs that are known."""
        if before is not None or not bundle.pools:
            return before.courses if before is not None else {}
        return courses_after(self._store.runs(since=self._clock.now() - _WEIGHTS_REMEMBERED))
