"""Planning: from what guards permit to the plan that people read and the engine follows (DESIGN 5.5)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from bsm_remediate.domain.alert import Alert
from bsm_remediate.domain.case import Case, Scene
from bsm_remediate.domain.decision import Decision, Verdict
from bsm_remediate.domain.ids import NodeId
from bsm_remediate.domain.loss import full_rate, share
from bsm_remediate.domain.plan import Plan, Step
from bsm_remediate.domain.planner import (
    Ordered,
    RepairJob,
    Slot,
    Worth,
    finite_loss,
    lower_bound,
    order,
    schedule,
)
from bsm_remediate.domain.policy import Scope
from bsm_remediate.domain.restoration import NEVER, Restoration, Times
from bsm_remediate.domain.state import AT_BEST, LEVELS, Level, State


@dataclass(frozen=True, kw_only=True, slots=True)
class Candidate:
    """A case and what was decided about it."""

    case: Case
    decision: Decision


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
    own = _needing_repair(scene)
    restoration = Restoration(scene.rollup, own)
    weighted, money = _worths(scene, weighted=True), _worths(scene, weighted=False)
    jobs = [_job(number, one) for number, one in enumerate(planned)]
    under_way = _under_way(scene)
    unattended = {node: level for node, level in own.items() if node not in under_way}
    ordered = order(scene.rollup, jobs, unattended, weighted)
    slots = schedule([one.job for one in ordered], executors=_executors(scene), locked=_locked(scene))
    repaired = {node: slots[job.id].end_s for job in jobs for node in job.fixes}
    repaired |= {node: end for node, end in under_way.items() if node not in repaired}
    times = restoration.times(repaired)
    restored = _restored_at(times, money)
    steps = [
        _step(place, one, planned[one.job.id], slots[one.job.id], restored, money, scene)
        for place, one in enumerate(_by_start(ordered, slots), start=1)
    ]
    return Plan(
        at=scene.now,
        goal=scene.situation.goal,
        bundle=scene.bundle.digest,
        steps=tuple(steps),
        shadow=_shadow_steps(scene, shadowed, restoration, unattended, money),
        held=tuple(held),
        unmapped=tuple(unmapped),
        unrestored_loss_per_minute=_unrestored(scene, times),
        expected_loss=finite_loss(weighted, times),
        expected_money=finite_loss(money, times),
        lower_bound=lower_bound([*jobs, *_running_jobs(scene, len(jobs))], restoration, weighted),
    )


def _needing_repair(scene: Scene) -> dict[NodeId, Level]:
    """Own levels of what must be repaired; a symptom is expected to end with its cause."""
    return {node: AT_BEST[state] for node, state in scene.impact.own.items() if node not in scene.impact.symptoms}


def _once_per_host(candidates: list[Candidate]) -> list[Candidate]:
    """Runs of scope host happen once per host, however many of its components ask for them."""
    seen: set[tuple[str, str]] = set()
    kept = []
    for one in candidates:
        if one.case.policy.scope is Scope.HOST:
            key = (one.case.component.host, one.case.alternative.playbook)
            if key in seen:
                continue
            seen.add(key)
        kept.append(one)
    return kept


def _job(number: int, candidate: Candidate) -> RepairJob:
    case = candidate.case
    fixes = case.touched - set(case.alternative.affects) if case.policy.scope is Scope.HOST else {case.component.id}
    return RepairJob(id=number, fixes=frozenset(fixes), work_s=_expected_work(case), locks=frozenset(locks_of(case)))


def _expected_work(case: Case) -> float:
    """Seconds until restored: the alternative's, and each further one's times the chance that it is needed."""
    expected, chance = 0.0, 1.0
    for alternative in case.policy.do[case.alternative_index :]:
        expected += chance * alternative.duration.total_seconds()
        chance *= 1 - alternative.success
    return expected


def locks_of(case: Case) -> tuple[str, ...]:
    """Names of everything that the run keeps to itself, sorted (DESIGN 4, Locks)."""
    components = case.scene.bundle.service_map.components
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


def _running_jobs(scene: Scene, first: int) -> list[RepairJob]:
    under_way = sorted(_under_way(scene).items())
    return [
        RepairJob(id=first + number, fixes=frozenset({node}), work_s=left, locks=frozenset())
        for number, (node, left) in enumerate(under_way)
    ]


def _worths(scene: Scene, *, weighted: bool) -> dict[NodeId, Worth]:
    """What each failing service costs per minute while down, and while degraded."""
    found = {}
    for node, impact in scene.impact.services.items():
        if impact.state not in {State.DOWN, State.DEGRADED}:
            continue
        service = scene.bundle.service_map.services[node]
        full = full_rate(service, scene.bundle.calendars, scene.now)
        if weighted:
            full *= scene.bundle.goals[scene.situation.goal].weight(service.function)
        degraded = full * service.degraded
        found[node] = Worth(down=full - degraded if impact.state is State.DOWN else 0.0, degraded=degraded)
    return found


def _unrestored(scene: Scene, times: Mapping[NodeId, Times]) -> float:
    """Money per minute that goes on after all steps."""
    lost = 0.0
    for node, impact in scene.impact.services.items():
        found = times.get(node)
        if found is None or impact.state not in {State.DOWN, State.DEGRADED}:
            continue
        final = 2 if found.not_down == NEVER else 1 if found.ok == NEVER else 0
        service = scene.bundle.service_map.services[node]
        lost += full_rate(service, scene.bundle.calendars, scene.now) * share(service, LEVELS[final])
    return lost


def _by_start(ordered: Sequence[Ordered], slots: Mapping[int, Slot]) -> list[Ordered]:
    places = {one.job.id: place for place, one in enumerate(ordered)}
    return sorted(ordered, key=lambda one: (slots[one.job.id].start_s, places[one.job.id]))


def _step(
    place: int,
    ordered: Ordered,
    candidate: Candidate,
    slot: Slot,
    restored: Mapping[float, tuple[NodeId, ...]],
    money: Mapping[NodeId, Worth],
    scene: Scene,
) -> Step:
    case = candidate.case
    reason = _reason(place, ordered, money, scene)
    if candidate.decision.verdict is not Verdict.RUN:
        reason = f"{candidate.decision.reason}; {reason}"
    return Step(
        order=place,
        decision=candidate.decision,
        host=case.component.host,
        alternative=case.alternative,
        locks=tuple(sorted(ordered.job.locks)),
        executor=slot.executor,
        start_s=slot.start_s,
        expected_duration_s=case.alternative.duration.total_seconds(),
        success=case.alternative.success,
        restores=restored.get(slot.end_s, ()),
        reason=reason,
    )


def _restored_at(times: Mapping[NodeId, Times], money: Mapping[NodeId, Worth]) -> dict[float, tuple[NodeId, ...]]:
    """Seconds → the services that are ok again then."""
    found: dict[float, tuple[NodeId, ...]] = {}
    for node in sorted(money):
        found[times[node].ok] = (*found.get(times[node].ok, ()), node)
    return found


def _reason(place: int, ordered: Ordered, money: Mapping[NodeId, Worth], scene: Scene) -> str:
    if ordered.service is None:
        return "stops no loss by itself; restores redundancy or what nobody sells"
    unit = f"{scene.bundle.currency}/min"
    work = ordered.group_work_s
    rank = (
        ", the most per minute of work"
        if place == 1
        else f", {ordered.rate / max(work, 1.0) * 60:.2f} per minute of work"
    )
    weighted = abs(ordered.rate - money[ordered.service].total) > 0.005 if ordered.service in money else False
    amount = f"{ordered.rate:.2f} {unit}" + (f" weighted by goal {scene.situation.goal}" if weighted else "")
    return f"stops {amount}{rank} ({ordered.service} needs {work:.0f} s of work)"


def _shadow_steps(
    scene: Scene,
    shadowed: Sequence[Candidate],
    restoration: Restoration,
    own: Mapping[NodeId, Level],
    money: Mapping[NodeId, Worth],
) -> tuple[Step, ...]:
    jobs = [_job(number, one) for number, one in enumerate(shadowed)]
    ends = {node: job.work_s for job in jobs for node in job.fixes}
    times = restoration.times({**_under_way(scene), **ends})  # all at once: shadows wait for no executor
    restored = _restored_at(times, money)
    steps = []
    for place, one in enumerate(order(scene.rollup, jobs, own, _worths(scene, weighted=True)), start=1):
        slot = Slot(executor=0, start_s=0.0, end_s=one.job.work_s)
        steps.append(_step(place, one, shadowed[one.job.id], slot, restored, money, scene))
    return tuple(steps)
