"""Planning: from what guards permit to the plan that people read and the engine follows (DESIGN 5.5)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from bsm_remediate.domain.alert import Alert
from bsm_remediate.domain.case import Case, Scene
from bsm_remediate.domain.decision import Decision, Verdict
from bsm_remediate.domain.ids import NodeId
from bsm_remediate.domain.loss import share
from bsm_remediate.domain.ordering.circuit import NEVER_TRUE, Circuit
from bsm_remediate.domain.ordering.course import Courses, Moment
from bsm_remediate.domain.ordering.job import Crew, RepairJob, Slot, Worth
from bsm_remediate.domain.ordering.order import Ordering
from bsm_remediate.domain.ordering.planner import best_order, proven_order
from bsm_remediate.domain.ordering.purpose import purposes
from bsm_remediate.domain.ordering.reduction import reduced
from bsm_remediate.domain.plan import Plan, Step, StepKey
from bsm_remediate.domain.planning_words import Wording, kept_words, learned_words
from bsm_remediate.domain.policy import Scope
from bsm_remediate.domain.scaling import Adjustment
from bsm_remediate.domain.state import AT_BEST, LEVELS, Level, State

_LEAST_CHANCE = 0.01
_LOOKS_OF_EXACT = 30_000
"""Some ten seconds."""
_LEAST_WORK_S = 1.0
"""No repair counts as shorter, so that a duration of zero doesn't divide."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Candidate:
    """A case and what was decided about it."""

    case: Case
    decision: Decision
    rebalancing: Adjustment | None = None
    """The weights that its run would set."""
    why: str = ""
    """Why these."""


def make_plan(
    scene: Scene,
    candidates: Sequence[Candidate],
    *,
    held: Sequence[Decision],
    unmapped: Sequence[Alert],
) -> Plan:
    """The plan of all permitted runs; shadow ones are planned apart, they take no executor and delay nothing."""
    planned = _once_per_host([one for one in candidates if one.decision.verdict.is_planned])
    shadowed = _once_per_host([one for one in candidates if one.decision.verdict is Verdict.SHADOW])
    crew = Crew(executors=_executors(scene), locked=_locked(scene))
    order = _ordered(scene, planned, crew, effort=1.0)
    return Plan(
        at=scene.now,
        goal=scene.situation.goal,
        bundle=scene.bundle.digest,
        steps=_steps(scene, planned, order, crew),
        shadow=_shadow_steps(scene, shadowed) if shadowed else (),
        held=tuple(held),
        unmapped=tuple(unmapped),
        unrestored_loss_per_minute=_unrestored(scene, order.circuit),
        expected_loss=order.ordering.loss,
        expected_money=_money(scene, order),
        lower_bound=order.ordering.lower_bound,
        is_proven=order.ordering.is_proven,
        kept=kept_words(order.ordering),
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class _Ordered:
    """Jobs in their order, with what judges orders."""

    circuit: Circuit
    courses: Courses
    ordering: Ordering
    worth: Mapping[NodeId, Worth]


def _ordered(scene: Scene, planned: Sequence[Candidate], crew: Crew, *, effort: float) -> _Ordered:
    jobs = [_job(number, one) for number, one in enumerate(planned)]
    worth = _worths(scene, jobs)
    circuit = reduced(scene.rollup, own=_needing_repair(scene), jobs=jobs, under_way=_under_way(scene), worth=worth)
    number_of = {_key(one): number for number, one in enumerate(planned)}
    standing = [number_of[key] for key in scene.situation.standing_order if key in number_of]
    ordering = best_order(circuit, crew, standing=standing, effort=effort)
    if effort and scene.situation.exact:
        ordering = proven_order(circuit, crew, ordering, looks=_LOOKS_OF_EXACT)
    return _Ordered(circuit=circuit, courses=Courses(circuit, crew), ordering=ordering, worth=worth)


def _key(candidate: Candidate) -> StepKey:
    decision = candidate.decision
    return decision.component, decision.policy, candidate.case.alternative.playbook


def _needing_repair(scene: Scene) -> dict[NodeId, Level]:
    """Own levels of what must be repaired; a symptom is expected to end with its cause."""
    return {node: AT_BEST[state] for node, state in scene.impact.own.items() if node not in scene.impact.symptoms}


def _once_per_host(candidates: list[Candidate]) -> list[Candidate]:
    """Runs of scope host happen once per host, however many of its components ask for them; so does rebalancing, for a
    pool.
    """
    seen: set[tuple[str, str]] = set()
    kept = []
    for one in candidates:
        if one.case.alternative.rebalance:
            key = ("", one.case.alternative.rebalance)
            if key in seen:
                continue
            seen.add(key)
        elif one.case.policy.scope is Scope.HOST:
            key = (one.case.component.host, one.case.alternative.playbook)
            if key in seen:
                continue
            seen.add(key)
        kept.append(one)
    return kept


def _job(number: int, candidate: Candidate) -> RepairJob:
    case = candidate.case
    fixes = case.touched - set(case.alternative.affects) if case.policy.scope is Scope.HOST else {case.component.id}
    duration = max(case.alternative.duration.total_seconds(), _LEAST_WORK_S)
    return RepairJob(
        id=number,
        fixes=frozenset(fixes),
        # A failed attempt returns to the pool, to be planned with the next alternative.
        work_s=duration / max(case.alternative.success, _LEAST_CHANCE),
        duration_s=duration,
        locks=frozenset(locks_of(case)),
    )


def locks_of(case: Case) -> tuple[str, ...]:
    """Names of everything that the run keeps to itself, sorted (DESIGN 4, Locks)."""
    components = case.scene.bundle.service_map.components
    if case.pool is not None and case.pool.apply is not None:
        balancer = components[case.pool.apply.component]
        place = [f"host:{balancer.host}"] if balancer.lock_host else []
        return tuple(sorted([f"component:{balancer.id}", *place, case.pool.lock]))
    touched = [components[node] for node in case.touched if node in components]
    named = {case.component.host if host == "self" else host for host in case.alternative.hosts}
    hosts = {one.host for one in touched if one.lock_host} | (named - {case.component.host})
    return tuple(sorted([f"component:{one.id}" for one in touched] + [f"host:{host}" for host in hosts]))


def _executors(scene: Scene) -> dict[int, float]:
    number = scene.situation.executors or scene.bundle.settings.executors
    busy = sorted(_remaining(scene, run.id) for run in scene.situation.runs if run.state.holds_executor)
    return {one: busy[one] if one < len(busy) else 0.0 for one in range(max(number, 1))}


def _remaining(scene: Scene, run_id: str) -> float:
    """Expected seconds until that unfinished run has restored its component; at least one."""
    run = next(one for one in scene.situation.runs if one.id == run_id)
    if run.started_at is None:
        return run.expected_duration_s
    return max(run.expected_duration_s - (scene.now - run.started_at).total_seconds(), 1.0)


def _locked(scene: Scene) -> dict[str, float]:
    return {
        lock: _remaining(scene, run.id) for run in scene.situation.runs if run.state.holds_locks for lock in run.locks
    }


def _under_way(scene: Scene) -> dict[NodeId, float]:
    return {run.component: _remaining(scene, run.id) for run in scene.situation.runs if run.state.holds_locks}


def _worths(scene: Scene, jobs: Sequence[RepairJob]) -> dict[NodeId, Worth]:
    """What each failing service costs, weighted, as far ahead as repairs may take."""
    goal = scene.bundle.goals[scene.situation.goal]
    horizon_s = _longest(scene, jobs)
    found = {}
    for node, impact in scene.impact.services.items():
        if impact.state in {State.DOWN, State.DEGRADED}:
            service = scene.bundle.service_map.services[node]
            full = scene.prices.from_now(service, since=impact.since, horizon_s=horizon_s)
            weight = goal.weight(service.function)
            found[node] = Worth(
                full=full if weight == 1 else full.times(weight),
                degraded=service.degraded,
                is_down=impact.state is State.DOWN,
            )
    return found


def _longest(scene: Scene, jobs: Sequence[RepairJob]) -> float:
    """Seconds within which everything is done, if all jobs were done one after another once all else has ended."""
    under_way = [_remaining(scene, run.id) for run in scene.situation.runs if run.state.holds_locks]
    return sum(job.work_s for job in jobs) + max(under_way, default=0.0)


def _money(scene: Scene, found: _Ordered) -> float:
    """Money lost until all is back that comes back."""
    goal = scene.bundle.goals[scene.situation.goal]
    if all(weight == 1 for weight in goal.weights.values()):
        return found.ordering.loss
    times = found.courses.times(found.ordering.order)
    horizon_s = _longest(scene, found.circuit.jobs)
    lost = 0.0
    circuit = found.circuit
    for node, *variables in zip(circuit.services, circuit.not_down, circuit.ok, strict=True):
        service = scene.bundle.service_map.services[node]
        since = scene.impact.services[node].since
        full = scene.prices.from_now(service, since=since, horizon_s=horizon_s)
        for var, curve in zip(variables, replace(found.worth[node], full=full).parts, strict=True):
            if var >= 0:
                lost += curve.until(times[var])
    return lost


def _unrestored(scene: Scene, circuit: Circuit) -> float:
    """Money per minute that goes on after all steps."""
    lost = 0.0
    for node, not_down, ok in zip(circuit.services, circuit.not_down, circuit.ok, strict=True):
        final = 2 if not_down == NEVER_TRUE else 1 if ok == NEVER_TRUE else 0
        service = scene.bundle.service_map.services[node]
        lost += scene.prices.full(service) * share(service, LEVELS[final])
    return lost


def _steps(scene: Scene, planned: Sequence[Candidate], found: _Ordered, crew: Crew | None) -> tuple[Step, ...]:
    """The steps by start, if all succeed; without a `crew` each on its own executor."""
    jobs, order = found.circuit.jobs, found.ordering.order
    if crew is None:
        slots = {job.id: Slot(executor=0, start_s=0.0, end_s=job.duration_s) for job in jobs}
    else:
        slots = Courses(found.circuit, crew, if_all_succeed=True).slots(order)
    begun = sorted(order, key=lambda var: slots[jobs[var].id].start_s)  # a stable sort: else in their order
    moments = found.courses.moments(begun, [slots[job.id].end_s for job in jobs])
    why = purposes(found.courses, order)
    wording = Wording(scene, found.courses, order, why)
    restored = _restored_by(found.circuit, moments)
    steps = []
    for place, var in enumerate(begun):
        candidate, slot = planned[jobs[var].id], slots[jobs[var].id]
        case = candidate.case
        reason = candidate.why or wording.reason(var, is_first=place == 0)
        if candidate.decision.verdict is not Verdict.RUN:
            reason = f"{candidate.decision.reason}; {reason}"
        if case.learned_from:
            reason = f"{reason}; {learned_words(case.written, case.alternative, case.learned_from)}"
        comparison = wording.comparison(begun, place)
        steps.append(
            Step(
                order=place + 1,
                decision=candidate.decision,
                host=case.run_host,
                alternative=case.alternative,
                locks=tuple(sorted(jobs[var].locks)),
                executor=slot.executor,
                start_s=slot.start_s,
                expected_duration_s=case.alternative.duration.total_seconds(),
                success=case.alternative.success,
                restores=tuple(restored.get(place, ())),
                reason=reason,
                written=case.written,
                learned_from=case.learned_from,
                loss_stopped_per_minute_of_work=why[var].density * 3600,
                before_next=comparison.before_next,
                flips=comparison.flips,
                rebalancing=candidate.rebalancing,
            )
        )
    return tuple(steps)


def _restored_by(circuit: Circuit, moments: Sequence[Moment]) -> dict[int, list[NodeId]]:
    """By place of the step: the services that are ok again when it ends."""
    found: dict[int, list[NodeId]] = {}
    for node, ok in sorted(zip(circuit.services, circuit.ok, strict=True)):
        if ok >= 0:
            found.setdefault(moments[ok][1], []).append(node)
    return found


def _shadow_steps(scene: Scene, shadowed: Sequence[Candidate]) -> tuple[Step, ...]:
    """What shadow policies would do, all at once: shadows wait for no executor."""
    found = _ordered(scene, shadowed, Crew(executors={0: 0.0}), effort=0.0)
    return _steps(scene, shadowed, found, None)
