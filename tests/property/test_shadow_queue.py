"""The queue of shadow runs against an oracle that looks at every second, with nothing remembered but what started."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from bsm_remediate.domain.shadow import Budget
from bsm_remediate.domain.shadow_queue import Busy, ShadowJob, Turn, turns

_LOCKS = st.frozensets(st.sampled_from(["component:a", "host:h"]), max_size=2)
_HORIZON_S = 200


@st.composite
def jobs(draw: st.DrawFn) -> ShadowJob:
    moments = sorted(draw(st.sets(st.integers(0, 40), min_size=2, max_size=4)))
    spans = [(float(a), float(b)) for number, (a, b) in enumerate(pairwise(moments)) if number % 2 == 0]
    pair = draw(st.sampled_from("abc"))
    return ShadowJob(
        ready=tuple(spans),
        duration_s=float(draw(st.integers(1, 9))),
        locks=draw(_LOCKS),
        executors=draw(st.integers(1, 2)),
        rank=(draw(st.integers(0, 3)),),
        pair=pair,
        group=draw(st.sampled_from([pair, "shared"])),
        cooldown_s=float(draw(st.sampled_from([0, 4, 30]))),
        budgets=tuple(
            Budget(key=pair if own else "all", count=draw(st.integers(1, 2)), window_s=float(draw(st.integers(1, 15))))
            for own in draw(st.lists(st.booleans(), max_size=2))
        ),
    )


@st.composite
def busy(draw: st.DrawFn) -> Busy:
    since = draw(st.integers(0, 30))
    return Busy(since=float(since), until=float(since + draw(st.integers(1, 12))), locks=draw(_LOCKS))


def every_second(asked: list[ShadowJob], real: list[Busy]) -> list[tuple[float, float] | None]:
    """Slow and obvious."""
    found: list[tuple[float, float] | None] = [None] * len(asked)
    runs: list[tuple[float, float, ShadowJob]] = []
    for now in range(_HORIZON_S):
        for number in sorted(range(len(asked)), key=lambda one: (asked[one].rank, one)):
            job = asked[number]
            if found[number] or not any(begin <= now < end for begin, end in job.ready):
                continue
            current = [run for run in runs if run[0] <= now < run[1]]
            occupied = [one for one in real if one.since <= now < one.until]
            shared = [run for run in current if run[2].group == job.group]
            if shared:
                found[number] = shared[0][:2]
                continue
            cools = any(run[2].pair == job.pair and now < run[1] + job.cooldown_s for run in runs)
            spent = any(
                sum(now - run[0] < limit.window_s and limit.key in [b.key for b in run[2].budgets] for run in runs)
                >= limit.count
                for limit in job.budgets
            )
            locked = any(job.locks & one.locks for one in occupied) or any(job.locks & run[2].locks for run in current)
            if not (cools or spent or locked or len(current) + len(occupied) >= job.executors):
                found[number] = (float(now), now + job.duration_s)
                runs.append((float(now), now + job.duration_s, job))
    return found


@given(st.lists(jobs(), max_size=6), st.lists(busy(), max_size=3))
def test_turns_are_those_that_looking_every_second_finds(asked: list[ShadowJob], real: list[Busy]) -> None:
    assert [turn.span for turn in turns(asked, real)] == every_second(asked, real)


@given(st.lists(jobs(), max_size=6), st.lists(busy(), max_size=3))
def test_who_did_not_start_at_once_is_told_why(asked: list[ShadowJob], real: list[Busy]) -> None:
    for job, turn in zip(asked, turns(asked, real), strict=True):
        assert turn.waited_for or turn == Turn(span=turn.span)
        if turn.span is None or turn.span[0] > job.ready[0][0]:
            assert turn.waited_for
