"""A wish and its answer, and the wait until all engines keep to it; on a virtual clock."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone

import pytest

from bsm_remediate.engine.asking import Request, ask
from bsm_remediate.records import Standing
from bsm_remediate.testing.clock import VirtualClock
from bsm_remediate.testing.store import MemoryStore

NINE = datetime(2026, 1, 5, 9, tzinfo=UTC)


class Site:
    """A store whose engine answers and whose replicas see it after given seconds; None: never."""

    def __init__(self, *, answers_after: float | None, seen_after: dict[str, float | None]) -> None:
        self.clock = VirtualClock(NINE)
        self.store = MemoryStore()
        self._answers_after = answers_after
        self._seen_after = seen_after

    def behind(self, _served: int) -> list[str]:
        now = self.clock.monotonic()
        return [one for one, after in self._seen_after.items() if after is None or now < after]

    def answer(self) -> None:
        def work() -> None:
            if self._answers_after is not None:
                self.clock.wait(self._answers_after)
                self.store.answer(1, done=True, answer="so it is", standing=Standing(served=1), events=[])

        self.clock.spawn(work, "engine")

    def asks(self, verb: str) -> tuple[bool | None, str | None, tuple[str, ...], float]:
        control = Request(verb=verb, reason="so").control("ana", NINE)
        reply = ask(control, store=self.store, behind=self.behind, clock=self.clock, wake=self.answer)
        return reply.done, reply.text, reply.behind, round(self.clock.monotonic(), 1)


def test_a_pause_is_answered_once_the_last_live_engine_keeps_to_it() -> None:
    site = Site(answers_after=0.5, seen_after={"r1": 0.5, "r2": 2.0})
    assert site.asks("pause") == (True, "so it is", (), 2.0)


def test_an_engine_that_never_says_so_is_named() -> None:
    site = Site(answers_after=0.5, seen_after={"r1": 0.5, "r2": None})
    assert site.asks("hold") == (True, "so it is", ("r2",), 5.5)


def test_what_stops_nothing_waits_for_nobody() -> None:
    site = Site(answers_after=0.5, seen_after={"r1": None})
    assert site.asks("resume") == (True, "so it is", (), 0.5)


def test_without_an_answer_nobody_says_that_it_holds() -> None:
    site = Site(answers_after=None, seen_after={})
    assert site.asks("pause") == (None, None, (), 5.0)


@pytest.mark.parametrize(
    ("make", "until"),
    [
        (lambda: Request(verb="pause", length="2h"), NINE + timedelta(hours=2)),
        (lambda: Request(verb="maintain", begins=NINE + timedelta(days=1), length="2h"), NINE + timedelta(hours=26)),
        (lambda: Request(verb="maintain", until=NINE.astimezone(timezone(timedelta(hours=9)))), NINE),
    ],
)
def test_an_end_is_said_as_a_length_or_as_a_time(make: Callable[[], Request], until: datetime) -> None:
    assert make().control("ana", NINE).until == until


@pytest.mark.parametrize(
    "request_",
    [
        Request(verb="pause", length="soon"),
        Request(verb="pause", length="99999999999999999d"),
        Request(verb="pause", length="999999d"),
        Request(verb="maintain", length="1h", until=NINE),
        Request(verb="maintain", until=datetime.max.replace(tzinfo=timezone(timedelta(hours=-14)))),
        Request(verb="maintain", until=datetime.max.replace(tzinfo=UTC)),
        Request(verb="maintain", begins=datetime.min.replace(tzinfo=timezone(timedelta(hours=14))), length="1h"),
    ],
)
def test_times_that_make_no_sense_never_reach_the_store(request_: Request) -> None:
    with pytest.raises(ValueError, match=r"."):
        request_.control("ana", NINE)
