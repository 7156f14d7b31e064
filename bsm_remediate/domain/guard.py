"""Guards: who objects to a run, in the order in which they speak (DESIGN 5.4, 5.7). Each is a small class; a new one is
a class and a line in `GUARDS`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Protocol

from bsm_remediate.domain.breaker import BreakerOpen
from bsm_remediate.domain.canary import Canary
from bsm_remediate.domain.case import Case, Scene, newly_down
from bsm_remediate.domain.causes import explained_by, settling
from bsm_remediate.domain.decision import Decision, Verdict
from bsm_remediate.domain.duration import format_duration
from bsm_remediate.domain.flapping import Flapping
from bsm_remediate.domain.policy import Evidence, Mode, Rate
from bsm_remediate.domain.quarantine import Quarantined
from bsm_remediate.domain.run import Run, RunEnd, RunState
from bsm_remediate.domain.standing_orders import Frozen, Maintenance, Paused, in_force
from bsm_remediate.domain.state import State


class Guard(Protocol):
    def check(self, case: Case) -> Decision | None:
        """The objection; None: none."""


class AlreadyRunning:
    def check(self, case: Case) -> Decision | None:
        run = case.scene.runs_of.get(case.component.id)
        if run is None:
            return None
        since = f" for {format_duration(case.scene.now - run.started_at)}" if run.started_at else ""
        return case.decided(Verdict.ALREADY_RUNNING, f"run {run.id} of {run.policy} is {run.state}{since}")


class Silenced:
    """Somebody, or another alert, has said at the source that these alerts are not to be acted on."""

    def check(self, case: Case) -> Decision | None:
        suppressed = case.scene.situation.suppressed
        reasons = [suppressed.get(signal.alert.key) for signal in case.signals]
        if not all(reasons):
            return None
        return case.decided(Verdict.SILENCED, str(reasons[0]))


class HeldByPerson:
    def check(self, case: Case) -> Decision | None:
        component = case.component
        for hold in case.scene.situation.holds:
            if hold.target in case.places and in_force(hold.until, case.scene.now):
                until = f" until {hold.until:%H:%M}" if hold.until else ""
                why = f": {hold.reason}" if hold.reason else ""
                return case.decided(Verdict.HELD_BY, f"{hold.who} works on {hold.target}{until}{why}")
        released = case.scene.situation.released.get(component.id)
        for episode in case.scene.episodes_on.get(component.id, ()):  # of other policies too: the person is there
            latest = episode.latest
            if latest.end is RunEnd.ROLLBACK_FAILED or not episode.is_with_a_person(case.newest_since, released):
                continue  # of a failed rollback `Quarantined` speaks
            reason = f"run {latest.id} is {latest.state}: {latest.outcome} (`release {component.id}` gives it back)"
            return case.decided(Verdict.HELD_BY, reason)
        return None


class AwaitingResolve:
    """Not about a pool: its load goes on growing while its alert fires, and each look asks anew what helps."""

    def check(self, case: Case) -> Decision | None:
        episode = case.episode
        within = case.policy.resolve_within
        if episode is None or case.pool is not None or not episode.is_mended(case.newest_since, case.scene.now, within):
            return None
        ended = episode.latest.ended_at or case.scene.now
        return case.decided(
            Verdict.AWAITING_RESOLVE,
            f"mended {format_duration(case.scene.now - ended)} ago, its alert may take up to {format_duration(within)}",
        )


class TooOld:
    def check(self, case: Case) -> Decision | None:
        can_tell = any(signal.alert.is_firing for signal in case.signals)
        if not can_tell or all(one.sets is State.UNKNOWN for one in case.statements):
            why = "its alerts neither repeat nor resolve" if can_tell else "the sources of its alerts can't tell"
            reason = f"{case.component.id} is unknown, which alone starts no run: {why}"
            return case.decided(Verdict.TOO_OLD, reason)
        active_since = case.scene.situation.policy_active_since
        is_open = case.episode is not None and case.episode.is_open(case.newest_since)
        adopted = case.scene.situation.adopted.get(case.policy.id)
        is_adopted = adopted is not None and case.newest_since <= adopted
        if active_since is None or is_open or is_adopted:
            return None
        age = case.scene.now - case.newest_since
        hint = f"`adopt {case.policy.id}` lets it act"
        began = active_since.get(case.policy.id)
        if began is not None and case.newest_since < began:
            earlier = format_duration(began - case.newest_since)
            return case.decided(Verdict.TOO_OLD, f"began {earlier} before the policy became active; {hint}")
        if age > case.policy.max_age:
            limit = format_duration(case.policy.max_age)
            return case.decided(Verdict.TOO_OLD, f"is {format_duration(age)} old, max_age is {limit}; {hint}")
        return None


class Storm:
    def check(self, case: Case) -> Decision | None:
        if case.mode is not Mode.AUTO or case.is_approved:
            return None
        of_sets = (case.scene.storms.get(name) for name in case.scene.bundle.sets_of.get(case.component.id, ()))
        seen = case.scene.storm or next(filter(None, of_sets), None)
        return case.decided(Verdict.STORM, f"{seen}; a person must approve") if seen else None


class Symptom:
    """Holds what its requirements explain, and, once they are restored, until they have settled (DESIGN 5.3)."""

    def check(self, case: Case) -> Decision | None:
        explained = case.scene.impact.symptoms.get(case.component.id)
        if explained is not None:
            reason = explained_by(case.component.id, explained, case.scene.impact.states)
            return case.decided(Verdict.SYMPTOM, reason)
        if any(one.evidence is Evidence.DIRECT for one in case.statements):
            return None
        return self._settling(case)

    @staticmethod
    def _settling(case: Case) -> Decision | None:
        if not case.scene.passes:
            return None
        foundation = case.scene.rollup.foundation([case.component.id]) - {case.component.id}
        restored = [
            (run.passed_at, run.component)
            for run in case.scene.passes
            if run.passed_at is not None and run.component in foundation and case.newest_since <= run.passed_at
        ]
        if not restored:
            return None
        passed, cause = max(restored)
        ago = case.scene.now - passed
        has_checks = any(check.is_independent for check in case.policy.verify)
        wait = case.scene.bundle.settings.settle if has_checks else case.policy.resolve_within
        if ago >= wait:
            return None
        return case.decided(Verdict.SYMPTOM, settling(case.component.id, cause, ago, wait))


class CoolingDown:
    def check(self, case: Case) -> Decision | None:
        episode = case.episode
        if episode is None or episode.is_open(case.newest_since):
            return None
        latest = episode.latest
        if latest.ended_at is None or latest.attempt == 0:
            return None
        ago = case.scene.now - latest.ended_at
        cooldown = case.policy.guard.cooldown
        if ago >= cooldown:
            return None
        return case.decided(
            Verdict.COOLING_DOWN, f"ran {format_duration(ago)} ago, cooldown is {format_duration(cooldown)}"
        )


class BudgetSpent:
    def check(self, case: Case) -> Decision | None:
        guard = case.policy.guard
        limits: tuple[tuple[str, Rate | None, Iterable[Run]], ...] = (
            (f"on {case.component.id}", guard.max_runs_per_component, self._of_both(case)),
            (f"of {case.policy.id}", guard.max_runs_per_policy, self._of_policy(case)),
            ("of this engine", case.scene.bundle.settings.max_runs, case.scene.situation.runs),
        )
        for whose, limit, runs in limits:
            if limit is None:
                continue
            number = sum(1 for run in runs if _began_within(run, limit.window, case.scene.now))
            if number >= limit.count:
                return case.decided(Verdict.BUDGET_SPENT, f"{number} runs {whose}, the limit is {limit}")
        return None

    @staticmethod
    def _of_policy(case: Case) -> list[Run]:
        return [run for run in case.scene.situation.runs if run.policy == case.policy.id]

    @classmethod
    def _of_both(cls, case: Case) -> list[Run]:
        return [run for run in cls._of_policy(case) if run.component == case.component.id]


class Quorum:
    """Never takes down a service that isn't down: all unfinished runs and this one counted as down (DESIGN 5.7)."""

    def check(self, case: Case) -> Decision | None:
        scene = case.scene
        victims = set(newly_down(scene, case.touched))
        if scene.disturbed:
            victims.update(newly_down(scene, case.touched, is_disturbed=True))
        if victims:
            shown = ", ".join(sorted(victims)[:3])
            return case.decided(Verdict.QUORUM, f"{shown} would go down while {case.component.id} is worked on")
        return self._max_unavailable(case)

    @staticmethod
    def _max_unavailable(case: Case) -> Decision | None:
        written = case.policy.guard.max_unavailable
        if written is None:
            return None
        siblings = case.scene.rollup.siblings(case.component.id)
        whole = len(siblings) + 1
        limit = whole * float(written[:-1]) / 100 if written.endswith("%") else float(written)
        worked_on = sorted(siblings & case.scene.disturbed)
        if len(worked_on) + 1 <= max(limit, 1):
            return None
        shown = ", ".join(worked_on)
        return case.decided(
            Verdict.QUORUM, f"{shown} of its {whole} siblings is worked on, max_unavailable is {written}"
        )


class Shadow:
    def check(self, case: Case) -> Decision | None:
        if case.mode is not Mode.SHADOW:
            return None
        own = "; its policy is in mode shadow" if case.allowed is Mode.SHADOW else ""
        return case.decided(Verdict.SHADOW, f"would run {case.alternative.playbook}{own}")


class NeedsApproval:
    def check(self, case: Case) -> Decision | None:
        if case.is_approved:
            return None
        if case.mode is Mode.APPROVE:
            who = f" by {', '.join(case.policy.guard.approvers)}" if case.policy.guard.approvers else ""
            return case.decided(Verdict.AWAIT_APPROVAL, f"mode approve: waits for approval{who}")
        if case.scene.situation.doubt:
            return case.decided(Verdict.AWAIT_APPROVAL, f"{case.scene.situation.doubt}: waits for approval")
        if not case.policy.has_second_opinion:
            reason = "no check but the alert itself: waits for approval (add a check, or `unchecked: true`)"
            return case.decided(Verdict.AWAIT_APPROVAL, reason)
        return self._loss_at_stake(case)

    @staticmethod
    def _loss_at_stake(case: Case) -> Decision | None:
        limit = case.policy.guard.approve_above
        if limit is None:
            return None
        bundle = case.scene.bundle
        services = bundle.service_map.services
        beside_it = {node for host in case.hosts for node in case.scene.on_host.get(host, ())}
        victims = newly_down(case.scene, case.touched | beside_it)
        rate = sum(case.scene.prices.full(services[one]) for one in victims)
        stake = rate * case.alternative.duration.total_seconds() / 60
        if stake <= limit:
            return None
        reason = f"the run itself could cost {stake:.2f} {bundle.currency}, approve_above is {limit:g}"
        return replace(case.decided(Verdict.AWAIT_APPROVAL, reason), at_stake=round(stake, 2))


GUARDS: tuple[Guard, ...] = (
    AlreadyRunning(),
    Silenced(),
    HeldByPerson(),
    AwaitingResolve(),
    Quarantined(),
    TooOld(),
    Maintenance(),
    Paused(),
    Frozen(),
    Storm(),
    Symptom(),
    Flapping(),
    CoolingDown(),
    BudgetSpent(),
    Quorum(),
    BreakerOpen(),
    Canary(),
    Shadow(),
    NeedsApproval(),
)
"""In the order of DESIGN 5.4; unmapped, no_policy and ambiguous are settled before there is a case."""


_NEEDS: Mapping[type[Guard], Callable[[Scene], object]] = {
    AlreadyRunning: lambda scene: scene.runs_of,
    Silenced: lambda scene: scene.situation.suppressed,
    HeldByPerson: lambda scene: scene.situation.holds or scene.episodes,
    AwaitingResolve: lambda scene: scene.episodes,
    Quarantined: lambda scene: scene.situation.runs,
    Paused: lambda scene: scene.situation.pauses,
    Frozen: lambda scene: scene.freezes,
    Storm: lambda scene: scene.storm or scene.storms,
    Flapping: lambda scene: scene.situation.onsets,
    CoolingDown: lambda scene: scene.episodes,
    BudgetSpent: lambda scene: scene.situation.runs,
    BreakerOpen: lambda scene: scene.breakers,
    Canary: lambda scene: scene.bundle.sets,
}
"""Without that a guard has nothing to say, whatever the case: with thousands of cases it isn't asked."""


def speaking(scene: Scene) -> tuple[Guard, ...]:
    """The guards that may object to anything now."""
    return tuple(guard for guard in GUARDS if _NEEDS.get(type(guard), bool)(scene))


def decide(case: Case, guards: Iterable[Guard] = GUARDS) -> Decision:
    """The first objection, else the permission to run."""
    for guard in guards:
        objection = guard.check(case)
        if objection is not None:
            return objection
    return case.decided(Verdict.RUN, "permitted")


def _began_within(run: Run, window: timedelta, now: datetime) -> bool:
    """A run that is about to start counts too."""
    if run.started_at is None:
        return run.state is RunState.QUEUED
    return now - run.started_at < window
