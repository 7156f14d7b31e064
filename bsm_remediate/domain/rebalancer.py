"""The pools of one evaluation: what their weights could be, whether they may move now, and which return to normal."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from bsm_remediate.domain.alert import Alert, AlertStatus
from bsm_remediate.domain.bundle import Bundle
from bsm_remediate.domain.case import Case, Scene
from bsm_remediate.domain.decision import Decision, Verdict
from bsm_remediate.domain.guard import AlreadyRunning, Guard, decide
from bsm_remediate.domain.ids import Fingerprint, NodeId, RunId
from bsm_remediate.domain.policy import Mode
from bsm_remediate.domain.pool import Load, Pool
from bsm_remediate.domain.pool_rates import rates_of
from bsm_remediate.domain.rebalancing import Rate
from bsm_remediate.domain.rebalancing_course import Course, Move, Turn, courses_after, turn
from bsm_remediate.domain.rebalancing_task import normal_again, rebalance
from bsm_remediate.domain.run import Run, RunState
from bsm_remediate.domain.scaling import Adjustment, scale
from bsm_remediate.domain.signal import Signal, Statement
from bsm_remediate.domain.state import State
from bsm_remediate.errors import WrongUsage

_NEVER = datetime.min.replace(tzinfo=UTC)
_UNAVAILABLE = {State.DOWN: "down", State.MAINTENANCE: "in maintenance"}


@dataclass(frozen=True, kw_only=True, slots=True)
class _Question:
    """All that the weights follow from."""

    pool: Pool
    load: Load
    rates: Mapping[NodeId, Rate]
    unavailable: Mapping[NodeId, str]


@dataclass(frozen=True, kw_only=True, slots=True)
class _Answer:
    best: Adjustment
    normal: Adjustment


@dataclass(frozen=True, kw_only=True, slots=True)
class Decided:
    """A decision, and what it would set; nothing where nothing would be set."""

    decision: Decision
    rebalancing: Adjustment | None = None
    reason: str = ""
    """Why that."""


class Rebalancer:
    """Answers for the pools of one bundle; the latest answer is remembered, since between two looks little changes."""

    def __init__(self, bundle: Bundle) -> None:
        self._bundle = bundle
        self._known: dict[str, tuple[_Question, _Answer]] = {}

    def look(self, scene: Scene) -> PoolLook:
        return PoolLook(scene, self)

    def answer(self, question: _Question) -> _Answer:
        """Raises `WrongUsage` when the load doesn't say enough for this pool."""
        known = self._known.get(question.pool.id)
        if known is not None and known[0] == question:
            return known[1]
        found = _answered(question)
        self._known[question.pool.id] = (question, found)
        return found


def _answered(question: _Question) -> _Answer:
    pool, load, rates = question.pool, question.load, question.rates
    if pool.replicas is not None:
        return _Answer(
            best=scale(pool, load, rates=rates, share=pool.comfortable),
            normal=scale(pool, load, rates=rates, share=pool.clear),
        )
    return _Answer(
        best=rebalance(pool, load, rates=rates, unavailable=question.unavailable),
        normal=normal_again(pool, load, rates=rates, unavailable=question.unavailable),
    )


class PoolLook:
    """The pools at the moment of one evaluation."""

    def __init__(self, scene: Scene, rebalancer: Rebalancer) -> None:
        self._scene = scene
        self._rebalancer = rebalancer
        self._turns: dict[str, tuple[Turn, _Answer] | str] = {}
        self.courses = _courses(scene) if scene.bundle.pools else {}
        """Where each pool stands, for the look after this one."""
        self.outgrown: dict[RunId, str] = {}
        """Runs that have set weights and wait for their checks, while the load asks for others already; and why."""

    def decide(self, case: Case, guards: Iterable[Guard]) -> Decided:
        """About a case whose alternative sets the weights of a pool."""
        pool = case.pool
        if pool is None:
            return Decided(decision=decide(case, guards))
        busy = self._busy(case, pool)
        if busy is not None:
            self._note_outgrown(case, pool, guards)
            return Decided(decision=busy)
        decision = decide(case, guards)
        if not (decision.verdict.is_planned or decision.verdict is Verdict.SHADOW):
            return Decided(decision=decision)
        found = self._turn(pool)
        if isinstance(found, str):
            return Decided(decision=case.decided(Verdict.TOO_OLD, found))
        taken, answer = found
        if taken.move is Move.STAY:
            verdict = Verdict.COOLING_DOWN if taken.is_too_soon else Verdict.ALREADY_OK
            return Decided(decision=case.decided(verdict, taken.reason))
        if taken.move is Move.RETURN:
            return Decided(decision=replace(decision, alerts=()), rebalancing=answer.normal, reason=taken.reason)
        return Decided(decision=decision, rebalancing=answer.best, reason=taken.reason)

    def returning(self, asked: Iterable[Case]) -> Iterable[Case]:
        """A case for each pool whose weights are to return to normal and that none of the cases `asked` is about: its
        signal is gone.
        """
        spoken_for = {case.alternative.rebalance for case in asked}
        for name, course in self.courses.items():
            if course.is_relieved and name not in spoken_for:
                case = self._returning(self._scene.bundle.pools[name], course)
                if case is not None:
                    yield case

    def _returning(self, pool: Pool, course: Course) -> Case | None:
        scene, bundle = self._scene, self._scene.bundle
        policy = bundle.policies.get(course.policy) if course.policy is not None else None
        component = bundle.service_map.components.get(course.component) if course.component is not None else None
        alternatives = policy.do if policy is not None else ()
        index = next((number for number, one in enumerate(alternatives) if one.rebalance == pool.id), None)
        if policy is None or component is None or index is None or policy.mode is Mode.OFF:
            return None  # whoever took the policy away has taken the weights over
        found = self._turn(pool)
        if isinstance(found, str) or found[0].move is not Move.RETURN:
            return None
        alternative = policy.do[index]
        stance = scene.situation.assume or policy.mode if policy.mode is Mode.SHADOW else policy.mode
        signal = _calm(pool, component.id, course)
        return Case(
            scene=scene,
            component=component,
            policy=policy,
            signals=(signal,),
            alerts=(),
            statements=(signal.statement,),
            alternative_index=index,
            alternative=alternative,
            allowed=min(stance, alternative.mode) if alternative.mode is not None else stance,
            touched=frozenset(),
        )

    def _busy(self, case: Case, pool: Pool) -> Decision | None:
        """At most one run sets a pool's weights, and none does while a member is being restored (DESIGN 4, Locks)."""
        for run in self._scene.situation.runs:
            if run.pool == pool.id and run.state.holds_locks:
                return case.decided(Verdict.ALREADY_RUNNING, f"run {run.id} sets the weights of {pool.id}")
        for member in pool.members:
            restoring = _restoring(self._scene, member.id)
            if restoring is not None:
                reason = f"run {restoring.id} restores {member.id}, a member of {pool.id}: its weights wait"
                return case.decided(Verdict.ALREADY_RUNNING, reason)
        return None

    def _note_outgrown(self, case: Case, pool: Pool, guards: Iterable[Guard]) -> None:
        """A load that grows while the weights for a smaller one are verified can't wait for that."""
        waiting = [run for run in self._scene.situation.runs if run.pool == pool.id and run.state.holds_locks]
        if not waiting or any(run.state is not RunState.VERIFYING or run.passed_at is not None for run in waiting):
            return
        others = (one for one in guards if not isinstance(one, AlreadyRunning))
        found = self._turn(pool)
        if isinstance(found, str) or found[0].move is not Move.RELIEVE:
            return
        if decide(case, others).verdict is Verdict.RUN:
            why = f"the load asks for other weights already: {found[0].reason}"
            self.outgrown.update({run.id: why for run in waiting})

    def _turn(self, pool: Pool) -> tuple[Turn, _Answer] | str:
        """What to do with the pool now; or why that can't be told."""
        if pool.id not in self._turns:
            self._turns[pool.id] = self._turned(pool)
        return self._turns[pool.id]

    def _turned(self, pool: Pool) -> tuple[Turn, _Answer] | str:
        scene = self._scene
        load = scene.situation.loads.get(pool.id)
        if load is None:
            return f"the load of {pool.id} isn't known now, and without it no weights are set"
        question = _Question(
            pool=pool,
            load=replace(load, at=None),
            rates=rates_of(pool, scene.bundle, scene.prices, scene.situation.goal),
            unavailable=_unavailable(scene, pool),
        )
        try:
            answer = self._rebalancer.answer(question)
        except WrongUsage as error:
            return str(error)
        course, currency = self.courses[pool.id], scene.bundle.currency
        taken = turn(course, answer.best, answer.normal, now=scene.now, currency=currency, read_at=load.at)
        self.courses[pool.id] = replace(course, calm_since=taken.calm_since)
        return taken, answer


def _unavailable(scene: Scene, pool: Pool) -> dict[NodeId, str]:
    found = {}
    for member in pool.members:
        why = _UNAVAILABLE.get(scene.impact.state(member.id), "")
        restoring = _restoring(scene, member.id)
        if why or restoring is not None:
            found[member.id] = why or "being restored"
    return found


def _restoring(scene: Scene, member: NodeId) -> Run | None:
    """The run that restores `member`, if there is one; one that sets weights does not."""
    run = scene.runs_of.get(member)
    return run if run is not None and not run.pool else None


def _courses(scene: Scene) -> dict[str, Course]:
    """Of each pool: as it was at the look before, unless its weights were set since then."""
    before, after = scene.situation.courses, courses_after(scene.situation.runs)
    courses = {
        pool: max(before.get(pool, Course()), after.get(pool, Course()), key=lambda one: one.moved_at or _NEVER)
        for pool in scene.bundle.pools
    }
    # Replicas have no normal number: whoever has scaled a pool takes care of it from then on.
    scaled = {name for name, course in courses.items() if scene.bundle.pools[name].replicas and course.moved_at}
    return {name: replace(one, is_relieved=one.is_relieved or name in scaled) for name, one in courses.items()}


def _calm(pool: Pool, component: NodeId, course: Course) -> Signal:
    """What asks for the return, as guards look at it: on since the pool is calm."""
    since = course.calm_since or course.moved_at
    if since is None:
        raise WrongUsage(f"pool {pool.id} was never relieved")
    name = f"pool {pool.id} is calm"
    alert = Alert(
        source="bsm-remediate",
        fingerprint=Fingerprint(f"pool/{pool.id}"),
        status=AlertStatus.FIRING,
        labels={"alertname": name},
        starts_at=since,
        received_at=since,
    )
    statement = Statement(name=name, component=component, how="its pool", policies=(), sets=State.OK)
    return Signal(alert=alert, since=since, statement=statement)
