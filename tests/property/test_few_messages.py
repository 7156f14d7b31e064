"""Of any history of notices: few messages, nothing that lasts goes untold, nothing is said twice."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from bsm_remediate.domain.bundle import NotifySettings
from bsm_remediate.domain.message import Message
from bsm_remediate.domain.notice import Notice, NoticeKind, NoticeSeverity
from bsm_remediate.domain.route import Route, Rule
from bsm_remediate.domain.telling import BURST, Digest, due, stands_since

NINE = datetime(2026, 1, 5, 9, tzinfo=UTC)
STEP = timedelta(seconds=20)
EVERY = timedelta(minutes=5)
SETTINGS = NotifySettings(every=EVERY, gather=timedelta(seconds=40), remind=timedelta(days=30))
ROUTE = Route(address="json://x", rules=(Rule(team="t"),))


@dataclass(frozen=True)
class Lasting:
    """A notice, from one step to another."""

    name: str
    begin: int
    steps: int
    severity: NoticeSeverity

    def notice(self) -> Notice:
        return Notice(
            kind=NoticeKind.PERFORMANCE, subject=self.name, severity=self.severity, since=NINE, what=f"of {self.name}"
        )


@st.composite
def histories(draw: st.DrawFn) -> list[Lasting]:
    names = [f"n{number}" for number in range(draw(st.integers(1, 25)))]
    return [
        Lasting(
            name=name,
            begin=draw(st.integers(0, 120)),
            steps=draw(st.integers(1, 120)),
            severity=draw(st.sampled_from(NoticeSeverity)),
        )
        for name in names
    ]


def lived(history: Sequence[Lasting], steps: int) -> list[tuple[int, Digest]]:
    """The messages of a route, each delivered at once."""
    latest: Message | None = None
    since: dict[str, datetime] = {}
    found = []
    for step in range(steps):
        now = NINE + step * STEP
        standing = [one.notice() for one in history if one.begin <= step < one.begin + one.steps]
        since = dict(stands_since(standing, since, now))
        digest = due(ROUTE, standing, since, latest, called=lambda _: (), settings=SETTINGS, now=now)
        if digest is not None:
            found.append((step, digest))
            latest = Message(
                id=str(step),
                route=ROUTE.id,
                to="",
                title="",
                body="",
                severity=digest.severity,
                at=now,
                told=digest.told,
                allowance=digest.allowance,
                next_try=now,
            ).sent(now)
    return found


@given(histories())
def test_a_route_gets_few_messages_whatever_happens(history: list[Lasting]) -> None:
    messages = lived(history, 300)
    for begin in range(0, 300, 30):
        within = [step for step, _ in messages if begin <= step]
        for last in within:
            number = sum(step <= last for step in within)
            assert number <= (last - begin) * STEP / EVERY + BURST + 1e-6


@given(histories())
def test_what_stands_for_long_enough_is_told(history: list[Lasting]) -> None:
    messages = lived(history, 300)
    long_enough = (SETTINGS.gather + BURST * EVERY) / STEP
    told = {one.subject for _, digest in messages for one in digest.new}
    assert {one.name for one in history if one.steps > long_enough} <= told


@given(histories())
def test_a_message_says_all_that_stands_and_its_end_is_said_once(history: list[Lasting]) -> None:
    messages = lived(history, 400)
    for step, digest in messages:
        standing = {one.name for one in history if one.begin <= step < one.begin + one.steps}
        assert {one.subject for one in (*digest.new, *digest.still)} == standing
    new = [one.what for _, digest in messages for one in digest.new]
    over = [words for _, digest in messages for words in digest.over]
    assert sorted(new) == sorted(over)
    assert len(set(over)) == len(over)


@given(histories())
def test_once_nothing_changes_nothing_more_is_said(history: list[Lasting]) -> None:
    for_ever = [replace(one, steps=9_999) for one in history]
    assert [step for step, _ in lived(for_ever, 400) if step > 120 + 2 * EVERY / STEP + 4] == []


@given(histories(), st.integers(0, 300))
def test_a_restart_at_any_moment_says_nothing_again(history: list[Lasting], at: int) -> None:
    """Only the gathering begins anew with it, so a message may come a little later; none comes twice."""
    messages = lived(history, at)
    if not messages:
        return
    now = NINE + at * STEP
    standing = [one.notice() for one in history if one.begin <= at < one.begin + one.steps]
    step, digest = messages[-1]
    sent_at = NINE + step * STEP
    latest = Message(
        id="x",
        route=ROUTE.id,
        to="",
        title="",
        body="",
        severity=digest.severity,
        at=sent_at,
        told=digest.told,
        allowance=digest.allowance,
        next_try=sent_at,
    ).sent(sent_at)
    since = dict.fromkeys((one.key for one in standing), now - SETTINGS.gather)
    again = due(ROUTE, standing, since, latest, called=lambda _: (), settings=SETTINGS, now=now)
    if again is not None:
        known = set(digest.told)
        assert not {one.key for one in again.new} & known
