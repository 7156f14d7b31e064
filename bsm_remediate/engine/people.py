"""People's controls: what each verb does to the standing orders, to runs and to alerts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Protocol

from bsm_remediate.domain.alert import AlertStatus
from bsm_remediate.domain.bundle import Bundle
from bsm_remediate.domain.event import Event
from bsm_remediate.domain.ids import NodeId, PolicyId, RunId
from bsm_remediate.domain.run import Run, RunEnd, RunState
from bsm_remediate.domain.situation import Hold, Pause
from bsm_remediate.engine.picture import Picture
from bsm_remediate.ports import Control, Standing, Store


@dataclass(frozen=True, kw_only=True, slots=True)
class Answer:
    """What became of a wish, and what now stands."""

    done: bool
    text: str
    standing: Standing


@dataclass(frozen=True, kw_only=True, slots=True)
class _Desk:
    """Everything that the verbs work on."""

    store: Store
    bundle: Bundle
    picture: Picture
    reload: Callable[[], str]
    now: datetime


class _Verb(Protocol):
    def __call__(self, desk: _Desk, wish: Control, standing: Standing, /) -> Answer: ...


def serve_people(
    *,
    store: Store,
    bundle: Bundle,
    picture: Picture,
    reload: Callable[[], str],
    now: datetime,
) -> bool:
    """Carry out all waiting controls; says whether there were any. Each is answered in the store, with its event."""
    waiting = store.waiting()
    desk = _Desk(store=store, bundle=bundle, picture=picture, reload=reload, now=now)
    for wish in waiting:
        if wish.id is None:
            continue
        standing = store.standing()
        verb = VERBS.get(wish.verb)
        answer = verb(desk, wish, standing) if verb else _no(standing, f"'{wish.verb}' is no control")
        event = Event(
            kind=f"control.{wish.verb}",
            at=now,
            subject=wish.target,
            facts={"done": answer.done, "answer": answer.text, "reason": wish.reason},
            actor=wish.who,
        )
        store.answer(wish.id, done=answer.done, answer=answer.text, standing=answer.standing, events=[event])
    return bool(waiting)


def _no(standing: Standing, text: str) -> Answer:
    return Answer(done=False, text=text, standing=standing)


def _waiting_run(desk: _Desk, wish: Control) -> Run | str:
    run = desk.store.run(RunId(wish.target))
    if run is None:
        return f"there is no run {wish.target}"
    if run.state is not RunState.AWAITING_APPROVAL:
        return f"run {run.id} is {run.state}, it doesn't wait for approval"
    return run


def _approve(desk: _Desk, wish: Control, standing: Standing) -> Answer:
    run = _waiting_run(desk, wish)
    if isinstance(run, str):
        return _no(standing, run)
    if run.bundle != desk.bundle.digest:
        return _no(standing, f"run {run.id} was planned by another bundle; look at the plan again")
    event = Event(kind="run.approved", at=desk.now, subject=run.id, facts={"reason": wish.reason}, actor=wish.who)
    desk.store.update(replace(run, approved_by=wish.who), [event])
    return Answer(done=True, text=f"run {run.id} may go ahead", standing=standing)


def _reject(desk: _Desk, wish: Control, standing: Standing) -> Answer:
    run = _waiting_run(desk, wish)
    if isinstance(run, str):
        return _no(standing, run)
    why = f": {wish.reason}" if wish.reason else ""
    rejected = replace(
        run,
        state=RunState.REJECTED,
        end=RunEnd.BY_A_PERSON,
        outcome=f"rejected by {wish.who}{why}",
        ended_at=desk.now,
    )
    event = Event(kind="run.rejected", at=desk.now, subject=run.id, facts={"reason": wish.reason}, actor=wish.who)
    desk.store.update(rejected, [event])
    return Answer(done=True, text=f"run {run.id} is rejected", standing=standing)


def _cancel(desk: _Desk, wish: Control, standing: Standing) -> Answer:
    run = desk.store.run(RunId(wish.target))
    if run is None:
        return _no(standing, f"there is no run {wish.target}")
    if run.state.is_over:
        return _no(standing, f"run {run.id} is over: {run.state}")
    if run.state.holds_locks:
        others = (one for one in standing.cancelling if not _is_over(desk, one))
        asked = replace(standing, cancelling=(*others, run.id))
        return Answer(done=True, text=f"run {run.id} is being stopped", standing=asked)
    cancelled = replace(
        run,
        state=RunState.CANCELLED,
        end=RunEnd.BY_A_PERSON,
        outcome=f"cancelled by {wish.who}",
        ended_at=desk.now,
    )
    event = Event(kind="run.cancelled", at=desk.now, subject=run.id, facts={"reason": wish.reason}, actor=wish.who)
    desk.store.update(cancelled, [event])
    return Answer(done=True, text=f"run {run.id} is cancelled", standing=standing)


def _is_over(desk: _Desk, run: RunId) -> bool:
    known = desk.store.run(run)
    return known is None or known.state.is_over


def _pause(desk: _Desk, wish: Control, standing: Standing) -> Answer:
    pause = Pause(who=wish.who, reason=wish.reason, since=desk.now, until=wish.until)
    return Answer(
        done=True,
        text="no new runs are started",
        standing=replace(standing, pauses=(*standing.pauses, pause)),
    )


def _resume(_desk: _Desk, _wish: Control, standing: Standing) -> Answer:
    if not standing.pauses:
        return _no(standing, "the engine is not paused")
    return Answer(done=True, text="runs are started again", standing=replace(standing, pauses=()))


def _hold(desk: _Desk, wish: Control, standing: Standing) -> Answer:
    components = desk.bundle.service_map.components
    if wish.target not in components and all(one.host != wish.target for one in components.values()):
        return _no(standing, f"'{wish.target}' is neither a component nor a host of one")
    hold = Hold(target=wish.target, who=wish.who, reason=wish.reason, since=desk.now, until=wish.until)
    others = tuple(one for one in standing.holds if one.target != wish.target)
    return Answer(done=True, text=f"nothing is run on {wish.target}", standing=replace(standing, holds=(*others, hold)))


def _release(desk: _Desk, wish: Control, standing: Standing) -> Answer:
    component = NodeId(wish.target)
    is_known = component in desk.bundle.service_map.components
    if not is_known and all(one.target != wish.target for one in standing.holds):
        return _no(standing, f"'{wish.target}' is neither a component nor held")
    released = dict(standing.released)
    if is_known:
        released[component] = desk.now
    holds = tuple(one for one in standing.holds if one.target != wish.target)
    return Answer(
        done=True,
        text=f"{wish.target} is the engine's again",
        standing=replace(standing, holds=holds, released=released),
    )


def _adopt(desk: _Desk, wish: Control, standing: Standing) -> Answer:
    policy = PolicyId(wish.target)
    if policy not in desk.bundle.policies:
        return _no(standing, f"there is no policy '{policy}'")
    return Answer(
        done=True,
        text=f"{policy} may act on signals that began before it",
        standing=replace(standing, adopted={**standing.adopted, policy: desk.now}),
    )


def _goal(desk: _Desk, wish: Control, standing: Standing) -> Answer:
    if wish.target not in desk.bundle.goals:
        return _no(standing, f"there is no goal '{wish.target}'; there are {', '.join(sorted(desk.bundle.goals))}")
    return Answer(done=True, text=f"the goal is {wish.target} now", standing=replace(standing, goal=wish.target))


def _resolve(desk: _Desk, wish: Control, standing: Standing) -> Answer:
    alerts = desk.picture.named(wish.target)
    if not alerts:
        return _no(standing, f"no alert {wish.target} fires")
    ended = [replace(alert, status=AlertStatus.RESOLVED, ends_at=desk.now, received_at=desk.now) for alert in alerts]
    desk.store.record(ended)
    return Answer(done=True, text=f"{len(ended)} alert{'s' if len(ended) > 1 else ''} ended", standing=standing)


def _reload(desk: _Desk, _wish: Control, standing: Standing) -> Answer:
    refusal = desk.reload()
    return _no(standing, refusal) if refusal else Answer(done=True, text="the bundle is reloaded", standing=standing)


VERBS: dict[str, _Verb] = {
    "approve": _approve,
    "reject": _reject,
    "cancel": _cancel,
    "pause": _pause,
    "resume": _resume,
    "hold": _hold,
    "release": _release,
    "adopt": _adopt,
    "goal": _goal,
    "resolve": _resolve,
    "reload": _reload,
}
