"""When to move a pool's weights, and when to move them back: relief at once, normal again only after a calm time."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from bsm_remediate.domain.duration import format_duration
from bsm_remediate.domain.ids import NodeId, PolicyId
from bsm_remediate.domain.rebalancing import Rebalancing
from bsm_remediate.domain.rebalancing_words import turned_away
from bsm_remediate.domain.run import Run, RunEnd
from bsm_remediate.domain.scaling import Adjustment, Scaling, adjustment_words


class Move(StrEnum):
    STAY = "stay"
    RELIEVE = "relieve"
    RETURN = "return"


@dataclass(frozen=True, kw_only=True, slots=True)
class Course:
    """Where a pool stands between two looks. The first is all normal."""

    moved_at: datetime | None = None
    """When its weights were last changed."""
    is_relieved: bool = False
    """Whether its weights aren't the normal ones."""
    calm_since: datetime | None = None
    """Since when normal weights would do."""
    component: NodeId | None = None
    """On whose account they were changed, by which policy: it changes them back."""
    policy: PolicyId | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Turn:
    """What to do now and why."""

    move: Move
    reason: str
    calm_since: datetime | None = None
    """For the next look, if nothing is moved."""
    is_too_soon: bool = False
    """Whether it stays only because the last move doesn't show yet."""


def courses_after(runs: Iterable[Run]) -> dict[str, Course]:
    """Where pools stand after the latest of `runs` that has set their weights, or has tried to. What it set isn't
    asked: a run that relieves is caused by alerts, one that returns to normal by none.
    """
    begun = [(run.started_at, run) for run in runs if run.pool and run.started_at is not None]
    return {
        run.pool: Course(
            moved_at=_set_at(run),
            is_relieved=bool(run.alerts),
            component=run.component,
            policy=run.policy,
        )
        for _, run in sorted(begun, key=lambda one: one[0])
    }


def _set_at(run: Run) -> datetime | None:
    """From when on its weights show. One that gave way to the next has shown what it could before that."""
    if run.end is RunEnd.DECIDED_ANEW:
        return run.started_at
    return run.passed_at or run.ended_at or run.started_at


def turn(
    course: Course,
    best: Adjustment,
    normal: Adjustment,
    *,
    now: datetime,
    currency: str,
    read_at: datetime | None = None,
) -> Turn:
    """`best` is what would be set now, `normal` what would do with the same load once there is no pressure: the normal
    weights, or the fewest replicas. The load was read at `read_at` (default: now).
    """
    pool = best.pool
    calm_since = (course.calm_since or now) if course.is_relieved and is_calm(normal) else None
    # What was read before the last move shows is about the time before it, however long ago that move is by now.
    since_move = (read_at or now) - course.moved_at if course.moved_at is not None else None
    if since_move is not None and course.moved_at is not None and since_move < pool.window:
        ago, window = format_duration(now - course.moved_at), format_duration(pool.window)
        reason = f"{pool.id} was moved {ago} ago, which shows after {window}"
        return Turn(move=Move.STAY, reason=reason, calm_since=calm_since, is_too_soon=True)
    away = turned_away(best) if isinstance(best, Rebalancing) else ""
    is_over = calm_since is not None and (bool(away) or now - calm_since >= pool.hold)
    if best.helps and not is_over:
        return Turn(move=Move.RELIEVE, reason=adjustment_words(best, currency), calm_since=calm_since)
    if calm_since is None:
        is_pressed = course.is_relieved and isinstance(normal, Rebalancing)
        why = "normal weights would press it again" if is_pressed else adjustment_words(best, currency)
        return Turn(move=Move.STAY, reason=why)
    if away:  # to and fro is better than customers who are turned away though there is room
        reason = f"there is room for all of {away} again: normal weights keep every member at or below {pool.clear:.0%}"
        return Turn(move=Move.RETURN, reason=reason, calm_since=calm_since)
    calm = format_duration(now - calm_since)
    if not is_over:
        reason = f"{_normal_words(normal)} would do for {calm}, they return after {format_duration(pool.hold)}"
        return Turn(move=Move.STAY, reason=reason, calm_since=calm_since)
    kept = "each of them" if isinstance(normal, Scaling) else "every member"
    reason = f"for {calm} {_normal_words(normal)} would have kept {kept} at or below {pool.clear:.0%}"
    return Turn(move=Move.RETURN, reason=reason, calm_since=calm_since)


def is_calm(normal: Adjustment) -> bool:
    """Whether normal weights would lose nothing and leave every member at or below the pool's `clear`; or fewer
    replicas would.
    """
    if isinstance(normal, Scaling):
        return normal.wanted < normal.running
    return normal.after.weighted <= 0 and all(one.use_after <= normal.pool.clear + 1e-6 for one in normal.members)


def _normal_words(normal: Adjustment) -> str:
    return f"{normal.wanted} of {normal.pool.id}" if isinstance(normal, Scaling) else "normal weights"
