"""Asking: a person's wish goes into the store, and the engine's answer comes back; for what must hold everywhere, once
every live engine has said that it keeps to it (DESIGN 5.7). The command line and the API ask in the same way.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from bsm_remediate.domain.duration import parse_duration
from bsm_remediate.ports import Clock
from bsm_remediate.records import Control, Store

ANSWER_WITHIN_S = 5.0
KEPT_WITHIN_S = 5.0
"""Longer than it takes until an engine that stands still is taken for dead."""
KEPT_BY_ALL = frozenset({"pause", "hold"})
"""Verbs that stop what might be about to begin on any engine."""
NEED_A_REASON = frozenset({"pause", "hold", "maintain", "resolve", "change_review"})
"""Controls that keep the engine from acting: whoever finds them has to know what for; and reviews, which are nothing
else."""
_FURTHEST = timedelta(days=3660)
_LOOK_EVERY_S = 0.02


@dataclass(frozen=True, kw_only=True, slots=True)
class Request:
    """What a person asks for, as they say it."""

    verb: str
    target: str = ""
    reason: str = ""
    length: str = ""
    """Like 1h, from `begins` or else from now on; empty: `until`, or until somebody ends it."""
    until: datetime | None = None
    begins: datetime | None = None
    details: Mapping[str, str] = field(default_factory=dict)

    def control(self, who: str, now: datetime) -> Control:
        """As it goes into the store. Raises `ValueError` where the times make no sense."""
        begins = _near(self.begins, now) if self.begins is not None else None
        until = self.until
        if self.length:
            if until is not None:
                raise ValueError("say for how long or until when, not both")
            try:
                until = (begins or now) + parse_duration(self.length)
            except OverflowError:
                raise ValueError(f"'{self.length}' is too long") from None
        details = dict(self.details)
        if begins is not None:
            details["from"] = begins.isoformat()
        return Control(
            verb=self.verb,
            target=self.target,
            reason=self.reason,
            who=who,
            asked_at=now,
            until=_near(until, now) if until is not None else None,
            details=details,
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class Reply:
    """What became of it."""

    control: int
    done: bool | None
    """None: no engine has answered in time."""
    text: str | None
    behind: tuple[str, ...] = ()
    """Live engines that haven't said in time that they keep to it."""


def ask(
    control: Control,
    *,
    store: Store,
    behind: Callable[[int], Sequence[str]],
    clock: Clock,
    wake: Callable[[], None] = lambda: None,
) -> Reply:
    """Queue `control` and wait for what becomes of it. Raises `StoreUnavailable`."""
    number = store.ask(control)
    wake()
    answered = control

    def is_answered() -> bool:
        nonlocal answered
        answered = store.control(number) or answered
        return answered.done is not None

    _wait(clock, ANSWER_WITHIN_S, is_answered)
    reply = Reply(control=number, done=answered.done, text=answered.answer)
    if not answered.done or control.verb not in KEPT_BY_ALL:
        return reply
    served = store.standing().served
    _wait(clock, KEPT_WITHIN_S, lambda: not behind(served))
    return Reply(control=number, done=True, text=answered.answer, behind=tuple(behind(served)))


def _wait(clock: Clock, seconds: float, holds: Callable[[], bool]) -> None:
    end = clock.monotonic() + seconds
    while not holds() and clock.monotonic() < end:
        clock.wait(_LOOK_EVERY_S)


def _near(moment: datetime, now: datetime) -> datetime:
    """`moment` in UTC. Raises `ValueError` where no calendar of ours reaches."""
    try:
        there = moment.astimezone(UTC)
    except OverflowError:
        there = None
    if there is None or abs(there - now) > _FURTHEST:
        raise ValueError(f"{moment.isoformat()} is too far away")
    return there
