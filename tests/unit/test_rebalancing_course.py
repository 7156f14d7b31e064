"""When weights move and when they return: relief at once, normal only after a calm time, never to and fro."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta
from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from bsm_remediate.domain.ids import NodeId
from bsm_remediate.domain.pool import Load, Member, Pool
from bsm_remediate.domain.rebalancing import Rate
from bsm_remediate.domain.rebalancing_course import Course, Move, turn
from bsm_remediate.domain.rebalancing_task import normal_again, rebalance
from bsm_remediate.testing.builders import NINE

POOL = Pool(
    id="web",
    members=(Member(id=NodeId("web-1"), capacity=100), Member(id=NodeId("web-2"), capacity=100)),
    serves=(NodeId("shop"),),
    hold=timedelta(minutes=10),
)
RATES = {NodeId("shop"): Rate(60, 60)}


@dataclass(frozen=True)
class Look:
    move: Move
    reason: str
    course: Course
    """Once what it says is done."""


def looked(course: Course, minute: float, first: float, second: float, *, read: float | None = None) -> Look:
    """A look at that minute, with these loads of web-1 and web-2, which were read at minute `read`."""
    load = Load(by_member={NodeId("web-1"): first, NodeId("web-2"): second})
    best = rebalance(POOL, load, rates=RATES, unavailable={})
    normal = normal_again(POOL, load, rates=RATES, unavailable={})
    now = NINE + timedelta(minutes=minute)
    read_at = NINE + timedelta(minutes=read) if read is not None else None
    found = turn(course, best, normal, now=now, currency="EUR", read_at=read_at)
    moved = Course(moved_at=now, is_relieved=found.move is Move.RELIEVE)
    stays = replace(course, calm_since=found.calm_since)
    return Look(found.move, found.reason, stays if found.move is Move.STAY else moved)


def test_a_pressed_member_is_relieved_at_once() -> None:
    found = looked(Course(), 0, 95, 20)
    assert (found.move, found.course.is_relieved) == (Move.RELIEVE, True)
    assert "web-1 (at 95%)" in found.reason


def test_what_is_not_pressed_stays() -> None:
    found = looked(Course(), 0, 75, 20)
    assert (found.move, found.course) == (Move.STAY, Course())


def test_a_breath_of_the_load_moves_nothing() -> None:
    """81 % is more than comfortable, but moving a hundredth of it would only begin a to and fro."""
    assert looked(Course(), 0, 81, 20).move is Move.STAY
    assert looked(Course(), 0, 83, 20).move is Move.RELIEVE
    alike = looked(Course(), 0, 95, 94)  # both pressed, and neither can help the other
    assert alike.move is Move.STAY
    assert "can hardly be relieved" in alike.reason


def test_no_second_move_before_the_first_one_shows() -> None:
    moved = looked(Course(), 0, 95, 20).course
    soon = looked(moved, 0.5, 95, 20)
    assert soon.move is Move.STAY
    assert "moved 30s ago" in soon.reason
    assert looked(moved, 1, 95, 20).move is Move.RELIEVE


def test_a_load_that_was_read_before_the_first_move_shows_moves_nothing() -> None:
    moved = looked(Course(), 0, 95, 20).course
    late = looked(moved, 1.4, 95, 20, read=0.5)
    assert late.move is Move.STAY
    assert "moved 1m24s ago" in late.reason
    assert looked(moved, 1.4, 95, 20, read=1).move is Move.RELIEVE


def test_normal_weights_return_after_ten_calm_minutes() -> None:
    course = looked(Course(), 0, 95, 40).course
    calm = looked(course, 5, 60, 60)
    assert (calm.move, calm.course.calm_since) == (Move.STAY, NINE + timedelta(minutes=5))
    still = looked(calm.course, 14, 60, 60)
    assert still.move is Move.STAY
    over = looked(still.course, 15, 60, 60)
    assert (over.move, over.course.is_relieved) == (Move.RETURN, False)
    assert "70%" in over.reason


def test_between_clear_and_comfortable_it_waits() -> None:
    """75 % of all capacity: normal weights wouldn't press anybody, but leave too little room to be sure."""
    course = looked(Course(), 0, 95, 55).course
    found = looked(course, 30, 75, 75)
    assert (found.move, found.course.calm_since) == (Move.STAY, None)


def test_the_calm_time_begins_anew_when_pressure_comes_between() -> None:
    course = looked(Course(), 0, 95, 40).course
    course = looked(course, 5, 60, 60).course
    course = looked(course, 9, 75, 75).course
    assert course.calm_since is None
    course = looked(course, 10, 60, 60).course
    assert looked(course, 16, 60, 60).move is Move.STAY
    assert looked(course, 20, 60, 60).move is Move.RETURN


@settings(max_examples=25)
@given(st.lists(st.tuples(st.integers(0, 100), st.integers(0, 100)), max_size=40))
def test_whatever_the_load_does_moves_keep_their_distance(loads: list[tuple[int, int]]) -> None:
    """One look each 30 s: at least a window between two moves, a calm time before each return, and no return before a
    relief.
    """
    course, moves = Course(), [(-100, Move.RETURN)]
    for look, (first, second) in enumerate(loads):
        found = looked(course, look / 2, first, second)
        if found.move is not Move.STAY:
            moves.append((look, found.move))
        course = found.course
    for (earlier, before), (later, move) in pairwise(moves):
        assert later - earlier >= 2
        if move is Move.RETURN:
            assert before is Move.RELIEVE
            assert later - earlier >= 20
