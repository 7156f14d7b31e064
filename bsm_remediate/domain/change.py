"""One planned change on its way: proposed → dry run → approved for a window → applied → verified → reviewed.

A change is a value; each step is a new one. Its run is a run like any other (`change_work`), and says how far the work
itself has come.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from hashlib import sha256
from json import dumps

from bsm_remediate.domain.change_window import Offer
from bsm_remediate.domain.ids import ChangeId, Digest, RunId
from bsm_remediate.domain.planned_change import PlannedChange
from bsm_remediate.domain.run import Run, RunEnd, RunState


class ChangeState(StrEnum):
    PROPOSED = "proposed"
    DRY_RUN_OK = "dry_run_ok"
    DRY_RUN_FAILED = "dry_run_failed"
    SCHEDULED = "scheduled"
    """Approved; it waits for its window."""
    MISSED = "missed"
    """Its window has passed. With another one it waits for a new approval, else it is over."""
    APPLYING = "applying"
    VERIFYING = "verifying"
    AWAITING_REVIEW = "awaiting_review"
    REVIEWED = "reviewed"
    REJECTED = "rejected"
    WITHDRAWN = "withdrawn"


_S = ChangeState
OPEN = frozenset({_S.PROPOSED, _S.DRY_RUN_OK, _S.DRY_RUN_FAILED, _S.MISSED})
"""It waits for an approval."""
UNDER_WAY = frozenset({_S.APPLYING, _S.VERIFYING})
_BEFORE = OPEN | {_S.REJECTED, _S.WITHDRAWN, _S.SCHEDULED}
NEXT_STATES: dict[ChangeState, frozenset[ChangeState]] = {
    **dict.fromkeys(OPEN, _BEFORE),
    _S.SCHEDULED: frozenset(
        {_S.SCHEDULED, _S.PROPOSED, _S.MISSED, _S.WITHDRAWN, _S.REJECTED, _S.APPLYING, _S.VERIFYING, _S.AWAITING_REVIEW}
    ),
    _S.APPLYING: frozenset({_S.APPLYING, _S.VERIFYING, _S.AWAITING_REVIEW, _S.SCHEDULED}),
    _S.VERIFYING: frozenset({_S.VERIFYING, _S.AWAITING_REVIEW}),
    _S.AWAITING_REVIEW: frozenset({_S.REVIEWED}),
    **dict.fromkeys((_S.REVIEWED, _S.REJECTED, _S.WITHDRAWN), frozenset()),
}
"""What may follow what. SCHEDULED → PROPOSED: it is written differently now, what was approved is void. APPLYING →
SCHEDULED: a person ordered otherwise before its playbook began. SCHEDULED → AWAITING_REVIEW: it was over before anybody
looked."""


class ChangeOutcome(StrEnum):
    DONE = "done"
    ROLLED_BACK = "rolled_back"
    FAILED = "failed"
    """And not undone: a person must look."""
    UNKNOWN = "unknown"
    """The engine died in its middle, and it may not be repeated."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Slot:
    """The window that was picked, and what it is expected to cost."""

    begin: datetime
    closes_at: datetime
    needs_s: float
    """From its begin to the end of the window there must be as much."""
    duration_s: float
    planned: float
    """Money (or points) while it goes as planned."""
    risk: float
    weighted: float
    services: tuple[str, ...] = ()
    """That are down or degraded meanwhile, costliest first."""
    down: tuple[str, ...] = ()
    """Those of them that are down."""
    budgets: tuple[str, ...] = ()
    """What it does to objectives, in words."""

    @property
    def expected(self) -> float:
        return self.planned + self.risk

    @property
    def latest(self) -> datetime:
        """The latest begin at which all of it fits."""
        return self.closes_at - timedelta(seconds=self.needs_s)


@dataclass(frozen=True, kw_only=True, slots=True)
class Word:
    """What a person said, when, and why."""

    who: str
    at: datetime
    reason: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Trial:
    """How a dry run went."""

    is_sound: bool
    words: str
    at: datetime
    digest: Digest
    """Of what was tried."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Result:
    """What came of it, beside what was planned: what its review looks at."""

    outcome: ChangeOutcome
    words: str
    """Of its run: which checks held, or what failed."""
    started_at: datetime | None
    ended_at: datetime
    took_s: float
    """From the begin of its playbook until it was verified or over."""
    cost: float
    """By the prices of that time, for as long as its components didn't serve; the ledger counts it as maintenance."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Change:
    """One row of the store."""

    id: ChangeId
    name: str
    """Of its entry in the bundle."""
    title: str = ""
    state: ChangeState
    version: int = 0
    """Grows with each write."""
    proposed: Word
    earliest: datetime
    latest: datetime
    """Its window lies between."""
    written: Digest
    """Of the entry that it was worked out from."""
    slot: Slot | None
    """None: there is no window any more."""
    trial: Trial | None = None
    approved: Word | None = None
    approved_digest: Digest | None = None
    waits: str = ""
    """Why it hasn't begun, though its window is open."""
    tries: int = 0
    """Runs that were reserved for it, and ended before their playbook began."""
    run: RunId | None = None
    result: Result | None = None
    closed: Word | None = None
    """Its review, or who rejected or withdrew it."""

    @property
    def is_over(self) -> bool:
        is_closed = self.state in {_S.REVIEWED, _S.REJECTED, _S.WITHDRAWN}
        return is_closed or (self.state is _S.MISSED and self.slot is None)

    @property
    def digest(self) -> Digest:
        """Of all that a person approves: the entry as it is written, its playbooks, and the window."""
        slot = self.slot
        when = [slot.begin.isoformat(), slot.closes_at.isoformat(), slot.expected] if slot is not None else []
        return Digest("sha256:" + sha256(dumps([self.id, self.name, self.written, when]).encode()).hexdigest())

    @property
    def has_sound_trial(self) -> bool:
        """Whether a dry run of what it is now has come to its end."""
        return self.trial is not None and self.trial.is_sound and self.trial.digest == self.written

    def to(self, state: ChangeState, **change: object) -> Change:
        """The next value. Raises `ValueError` where `state` may not follow."""
        if state not in NEXT_STATES[self.state]:
            raise ValueError(f"change {self.id} is {self.state}, which cannot become {state}")
        found: Change = replace(self, state=state, **change)  # type: ignore[arg-type]
        return found

    @property
    def next_run(self) -> RunId:
        """The id of its run: always the same until one has ended without beginning, so that none is made twice."""
        return RunId(f"{self.id}-{self.tries + 1}")


def slot_of(offer: Offer, planned: PlannedChange, services: tuple[str, ...], down: tuple[str, ...]) -> Slot | None:
    """The slot that `offer` means; None where it is no begin."""
    if offer.begin is None or offer.cost is None:
        return None
    return Slot(
        begin=offer.begin,
        closes_at=offer.span.end,
        needs_s=planned.needs.total_seconds(),
        duration_s=planned.do.duration.total_seconds(),
        planned=offer.cost.planned,
        risk=offer.cost.risk,
        weighted=offer.cost.weighted,
        services=services,
        down=down,
        budgets=tuple(one.words() for one in offer.budgets),
    )


def outcome_of(run: Run) -> ChangeOutcome:
    """What the run of a change that is over came to."""
    if run.state is RunState.SUCCEEDED:
        return ChangeOutcome.DONE
    if run.state is RunState.ROLLED_BACK:
        return ChangeOutcome.ROLLED_BACK
    return ChangeOutcome.UNKNOWN if run.state is RunState.OUTCOME_UNKNOWN else ChangeOutcome.FAILED


def never_began(run: Run) -> bool:
    """Whether it ended since a person ordered otherwise, or more has failed, before its playbook began."""
    return run.state is RunState.CANCELLED and run.end is RunEnd.DECIDED_ANEW and run.attempt == 0
