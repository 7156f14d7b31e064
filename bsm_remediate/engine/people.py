"""People's controls: what each verb does to the standing orders, to runs and to alerts."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime
from types import MappingProxyType

from bsm_remediate.domain.alert import AlertStatus
from bsm_remediate.domain.approval import may_not_approve
from bsm_remediate.domain.bundle import Bundle
from bsm_remediate.domain.event import Event
from bsm_remediate.domain.ids import RunId
from bsm_remediate.domain.run import Run, RunEnd, RunState
from bsm_remediate.engine.desk import Answer, Desk, Verb, refused
from bsm_remediate.engine.picture import Picture
from bsm_remediate.engine.standing_orders import (
    adopt,
    end_maintenance,
    goal,
    hold,
    maintain,
    pause,
    release,
    resume,
    still_going,
)
from bsm_remediate.records import Control, Standing, Store


def serve_people(
    *,
    store: Store,
    bundle: Bundle,
    picture: Picture,
    reload: Callable[[], str],
    dry_run: Callable[[Run, str], str],
    now: datetime,
    further: Mapping[str, Verb] = MappingProxyType({}),
) -> bool:
    """Carry out all waiting controls; says whether there were any. Each is answered in the store, with its event.

    `further` are verbs beside those of this file.
    """
    waiting = store.waiting()
    desk = Desk(store=store, bundle=bundle, picture=picture, reload=reload, dry_run=dry_run, now=now)
    for wish in waiting:
        if wish.id is None:
            continue
        standing = store.standing()
        verb = VERBS.get(wish.verb) or further.get(wish.verb)
        answer = verb(desk, wish, standing) if verb else refused(standing, f"'{wish.verb}' is no control")
        event = Event(
            kind=f"control.{wish.verb}",
            at=now,
            subject=wish.target,
            facts={"done": answer.done, "answer": answer.text, "reason": wish.reason},
            actor=wish.who,
        )
        stands = replace(answer.standing, served=standing.served + 1)
        store.answer(wish.id, done=answer.done, answer=answer.text, standing=stands, events=[event])
    return bool(waiting)


def _waiting_run(desk: Desk, wish: Control) -> Run | str:
    run = desk.store.run(RunId(wish.target))
    if run is None:
        return f"there is no run {wish.target}"
    if run.state is not RunState.AWAITING_APPROVAL:
        return f"run {run.id} is {run.state}, it doesn't wait for approval"
    return run


def _approve(desk: Desk, wish: Control, standing: Standing) -> Answer:
    run = _waiting_run(desk, wish)
    if isinstance(run, str):
        return refused(standing, run)
    if run.bundle != desk.bundle.digest or wish.details.get("digest", run.digest) != run.digest:
        return refused(standing, f"run {run.id} is of another plan than the one that was looked at; look again")
    objection = may_not_approve(run, wish.who, desk.bundle)
    if objection:
        return refused(standing, objection)
    event = Event(kind="run.approved", at=desk.now, subject=run.id, facts={"reason": wish.reason}, actor=wish.who)
    desk.store.update(replace(run, approved_by=wish.who), [event])
    return Answer(done=True, text=f"run {run.id} may go ahead", standing=standing)


def _reject(desk: Desk, wish: Control, standing: Standing) -> Answer:
    run = _waiting_run(desk, wish)
    if isinstance(run, str):
        return refused(standing, run)
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


def _check(desk: Desk, wish: Control, standing: Standing) -> Answer:
    """A dry run of a run that waits for approval."""
    run = _waiting_run(desk, wish)
    if isinstance(run, str):
        return refused(standing, run)
    objection = desk.dry_run(run, wish.who)
    if objection:
        return refused(standing, objection)
    return Answer(done=True, text=f"{run.playbook} runs in check mode; `runs {run.id}` shows what", standing=standing)


def _cancel(desk: Desk, wish: Control, standing: Standing) -> Answer:
    run = desk.store.run(RunId(wish.target))
    if run is None:
        return refused(standing, f"there is no run {wish.target}")
    if run.state.is_over:
        return refused(standing, f"run {run.id} is over: {run.state}")
    if run.state.holds_locks:
        asked = replace(standing, cancelling=(*still_going(desk, standing), run.id))
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


def _resolve(desk: Desk, wish: Control, standing: Standing) -> Answer:
    alerts = desk.picture.named(wish.target)
    if not alerts:
        return refused(standing, f"no alert {wish.target} fires")
    ended = [replace(alert, status=AlertStatus.RESOLVED, ends_at=desk.now, received_at=desk.now) for alert in alerts]
    desk.store.record(ended)
    return Answer(done=True, text=f"{len(ended)} alert{'s' if len(ended) > 1 else ''} ended", standing=standing)


def _reload(desk: Desk, _wish: Control, standing: Standing) -> Answer:
    refusal = desk.reload()
    if refusal:
        return refused(standing, refusal)
    reloaded = replace(standing, reloads=standing.reloads + 1)
    return Answer(done=True, text="the bundle is reloaded", standing=reloaded)


VERBS: dict[str, Verb] = {
    "approve": _approve,
    "reject": _reject,
    "check": _check,
    "cancel": _cancel,
    "pause": pause,
    "resume": resume,
    "hold": hold,
    "release": release,
    "adopt": adopt,
    "goal": goal,
    "maintain": maintain,
    "end_maintenance": end_maintenance,
    "resolve": _resolve,
    "reload": _reload,
}
