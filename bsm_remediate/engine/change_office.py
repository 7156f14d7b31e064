"""What people ask of planned changes: propose, dry run, approve, reject, withdraw, review."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from uuid import uuid4

from bsm_remediate.domain.change import OPEN, Change, ChangeState, Word
from bsm_remediate.domain.change_window import MINUTE
from bsm_remediate.domain.duties import may_not_approve_change
from bsm_remediate.domain.event import Event, Json
from bsm_remediate.domain.ids import ChangeId
from bsm_remediate.domain.plan_document import time_text
from bsm_remediate.domain.planned_change import PlannedChange
from bsm_remediate.engine.change_planning import ChangePlanning, budgets_in_words
from bsm_remediate.engine.desk import Answer, Desk, Verb, refused
from bsm_remediate.records import Control, Standing

_RECENT = {*OPEN, ChangeState.SCHEDULED, ChangeState.APPLYING, ChangeState.VERIFYING}


class ChangeOffice:
    """Every wish is answered, and what it changes is written with its event."""

    def __init__(self, planning: ChangePlanning, *, trial: Callable[[Change, PlannedChange, str], str]) -> None:
        """`trial` begins a dry run as that person asked, or says why not."""
        self._planning = planning
        self._trial = trial

    @property
    def verbs(self) -> Mapping[str, Verb]:
        return {
            "change_propose": self._propose,
            "change_check": self._check,
            "change_approve": self._approve,
            "change_reject": self._reject,
            "change_withdraw": self._withdraw,
            "change_review": self._review,
        }

    def _propose(self, desk: Desk, wish: Control, standing: Standing) -> Answer:
        planned = desk.bundle.changes.get(wish.target)
        if planned is None:
            known = ", ".join(sorted(desk.bundle.changes)) or "none"
            return refused(standing, f"there is no change '{wish.target}' in the bundle; there are {known}")
        for one in desk.store.planned(since=desk.now):
            if one.name == planned.name and one.state in _RECENT and not one.is_over:
                return refused(standing, f"{one.id} of {planned.name} is {one.state}; withdraw it first")
        try:
            said = {name: _moment(text) for name, text in wish.details.items() if name in {"not_before", "before"}}
            earliest, latest = limits(planned, said.get("not_before"), said.get("before"), desk.now)
        except ValueError as error:
            return refused(standing, str(error))
        found = self._planning.windows(planned, earliest, latest, now=desk.now)
        if found.slot is None or found.chosen is None:
            return refused(standing, found.refusal())
        change = Change(
            id=ChangeId(f"c{uuid4().hex[:8]}"),
            name=planned.name,
            title=planned.title,
            state=ChangeState.PROPOSED,
            proposed=Word(who=wish.who, at=desk.now, reason=wish.reason),
            earliest=earliest,
            latest=latest,
            written=planned.digest,
            slot=found.slot,
        )
        facts: dict[str, Json] = {
            "reason": wish.reason,
            "window": time_text(found.slot.begin),
            "expected_cost": round(found.slot.expected, 4),
            "objectives": budgets_in_words(found.chosen.budgets),
        }
        self._put(desk, change, "proposed", facts, wish.who)
        costs = f"expected to cost {found.slot.expected:.2f} {desk.bundle.currency}"
        text = f"{change.id} is proposed for {time_text(found.slot.begin)}, {costs}"
        return Answer(done=True, text=text, standing=standing)

    def _check(self, desk: Desk, wish: Control, standing: Standing) -> Answer:
        change = _open_one(desk, wish)
        if isinstance(change, str):
            return refused(standing, change)
        planned = desk.bundle.changes.get(change.name)
        if planned is None or planned.digest != change.written:
            return refused(standing, f"{change.id} is written differently now; ask again in a moment")
        objection = self._trial(change, planned, wish.who)
        if objection:
            return refused(standing, objection)
        return Answer(done=True, text=f"{planned.do.playbook} runs in check mode", standing=standing)

    def _approve(self, desk: Desk, wish: Control, standing: Standing) -> Answer:
        change = _open_one(desk, wish)
        if isinstance(change, str):
            return refused(standing, change)
        planned = desk.bundle.changes.get(change.name)
        if (
            planned is None
            or planned.digest != change.written
            or wish.details.get("digest", change.digest) != change.digest
        ):
            return refused(standing, f"change {change.id} is not what was looked at any more; look again")
        objection = may_not_approve_change(change, planned, wish.who, desk.bundle) or self._not_ready(
            change, planned, desk.now
        )
        if objection:
            return refused(standing, objection)
        approved = change.to(
            ChangeState.SCHEDULED,
            approved=Word(who=wish.who, at=desk.now, reason=wish.reason),
            approved_digest=change.digest,
            waits="",
        )
        self._put(desk, approved, "approved", {"reason": wish.reason, "digest": change.digest}, wish.who)
        when = time_text(change.slot.begin) if change.slot is not None else ""
        return Answer(done=True, text=f"{change.id} is scheduled for {when}", standing=standing)

    def _not_ready(self, change: Change, planned: PlannedChange, now: datetime) -> str:
        if change.slot is None:
            return f"there is no window for {change.id} any more; propose {change.name} again"
        if planned.dry_run and not change.has_sound_trial:
            how = (
                "its dry run failed" if change.state is ChangeState.DRY_RUN_FAILED else "no dry run of it has succeeded"
            )
            return f"{how}: `change dry-run {change.id}` first"
        return self._planning.broken(change, planned, change.slot.begin, now=now)

    def _reject(self, desk: Desk, wish: Control, standing: Standing) -> Answer:
        return self._end(desk, wish, standing, ChangeState.REJECTED)

    def _withdraw(self, desk: Desk, wish: Control, standing: Standing) -> Answer:
        return self._end(desk, wish, standing, ChangeState.WITHDRAWN)

    def _end(self, desk: Desk, wish: Control, standing: Standing, state: ChangeState) -> Answer:
        change = desk.store.change(ChangeId(wish.target))
        if change is None:
            return refused(standing, f"there is no change {wish.target}")
        if change.run is not None and change.state not in OPEN:
            return refused(standing, f"change {change.id} is {change.state}: `cancel {change.run}` stops its run")
        if change.is_over or change.state not in {*OPEN, ChangeState.SCHEDULED}:
            return refused(standing, f"change {change.id} is {change.state}")
        return self._close(desk, wish, standing, change, state)

    def _close(self, desk: Desk, wish: Control, standing: Standing, change: Change, state: ChangeState) -> Answer:
        """End it without its being applied."""
        closed = Word(who=wish.who, at=desk.now, reason=wish.reason)
        self._put(desk, change.to(state, closed=closed), state.value, {"reason": wish.reason}, wish.who)
        return Answer(done=True, text=f"{change.id} is {state}", standing=standing)

    def _review(self, desk: Desk, wish: Control, standing: Standing) -> Answer:
        change = desk.store.change(ChangeId(wish.target))
        if change is None:
            return refused(standing, f"there is no change {wish.target}")
        if change.state is not ChangeState.AWAITING_REVIEW:
            return refused(standing, f"change {change.id} is {change.state}, there is nothing to review")
        if not wish.reason.strip():
            return refused(standing, "say what the review found")
        return self._close(desk, wish, standing, change, ChangeState.REVIEWED)

    @staticmethod
    def _put(desk: Desk, change: Change, kind: str, facts: dict[str, Json], who: str) -> None:
        known: dict[str, Json] = {"change": change.name, "state": change.state.value}
        event = Event(kind=f"change.{kind}", at=desk.now, subject=change.id, facts={**known, **facts}, actor=who)
        desk.store.put_change(replace(change, version=change.version + 1), [event])


def limits(
    planned: PlannedChange, not_before: datetime | None, before: datetime | None, now: datetime
) -> tuple[datetime, datetime]:
    """Between which moments its window lies, as its proposer said and as it is written. Raises `ValueError`.

    The minute that has begun counts: to begin late by less than one is in time.
    """
    earliest = (now + planned.times.lead).replace(second=0, microsecond=0)
    latest = now + planned.times.within
    if not_before is not None:
        earliest = max(earliest, _whole_minute(not_before))
    if before is not None:
        latest = min(latest, before)
    if earliest >= latest:
        raise ValueError(f"there is no time between {time_text(earliest)} and {time_text(latest)}")
    return earliest, latest


def _moment(text: str) -> datetime:
    try:
        found = datetime.fromisoformat(text)
        there = found.astimezone(UTC)
    except (ValueError, OverflowError):
        raise ValueError(f"'{text}' is no time like 2026-01-05T22:00:00+00:00") from None
    if found.tzinfo is None:
        raise ValueError(f"'{text}' says no time zone")
    return there


def _whole_minute(moment: datetime) -> datetime:
    whole = moment.replace(second=0, microsecond=0)
    return whole if whole == moment else whole + MINUTE


def _open_one(desk: Desk, wish: Control) -> Change | str:
    change = desk.store.change(ChangeId(wish.target))
    if change is None:
        return f"there is no change {wish.target}"
    if change.is_over or change.state not in OPEN:
        return f"change {change.id} is {change.state}, it doesn't wait for approval"
    return change
