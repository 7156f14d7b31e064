"""The ledger against an obvious slow account: minute by minute, each at its own price, across calendars' edges and the
beginning of summer time.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bsm_remediate.domain.calendar import Calendar, WeeklyHours
from bsm_remediate.domain.evaluation import Evaluator
from bsm_remediate.domain.event import Event
from bsm_remediate.domain.ids import NodeId
from bsm_remediate.domain.ledger import ServiceEntry, entry_event, entry_of
from bsm_remediate.domain.loss import Prices, share
from bsm_remediate.domain.loss_curve import LossCurve
from bsm_remediate.domain.seal import SealKey
from bsm_remediate.domain.state import State
from bsm_remediate.domain.statistics import History, Span, availability, lost, lost_by_cause, outages, seconds_by_state
from bsm_remediate.engine.ledger import LedgerJournal
from bsm_remediate.testing import builders
from bsm_remediate.testing.store import MemoryStore

BEGIN = datetime(2026, 3, 28, 20, tzinfo=UTC)
"""Five hours before summer time begins in Berlin."""
KEY = SealKey("of the ledger's oracle, with 32 characters")
MINUTE = timedelta(minutes=1)
SHOP, PLANT = NodeId("shop"), NodeId("plant")
A, B = NodeId("a"), NodeId("b")
NIGHT = Calendar(
    name="night",
    times=(
        WeeklyHours(
            weekdays=frozenset(range(7)), since=time(22), until=time(4, 30), timezone=ZoneInfo("Europe/Berlin")
        ),
    ),
)
BUNDLE = replace(
    builders.bundle(
        builders.service("shop", requires=["a", "b"], loss=10, by_calendar={"night": 70}),
        builders.service("plant", requires=["b"], loss=3),
        builders.component("a"),
        builders.component("b"),
    ),
    calendars={"night": NIGHT},
)
STATES = st.sampled_from([State.OK, State.OK, State.DEGRADED, State.DOWN])


class Journal(MemoryStore):
    """Seals what is appended at once."""

    def append(self, events: Sequence[Event]) -> None:
        super().append(events)
        self.seal(KEY, limit=len(events))

    @property
    def sealed(self) -> Sequence[Event]:
        return self.events()


@dataclass(frozen=True, kw_only=True)
class Told:
    """At these minutes the components stood so; and whether another engine looked from there on."""

    steps: tuple[tuple[int, State, State, bool], ...]

    def states_at(self, minute: int) -> tuple[State, State]:
        known = [(a, b) for at, a, b, _ in self.steps if at <= minute]
        return known[-1] if known else (State.OK, State.OK)


@st.composite
def histories(draw: st.DrawFn) -> Told:
    minutes = sorted(draw(st.sets(st.integers(0, 700), min_size=1, max_size=8)))
    return Told(steps=tuple((minute, draw(STATES), draw(STATES), draw(st.booleans())) for minute in minutes))


def journaled(told: Told) -> Journal:
    """As engines would write it, each of which looks only when something changes."""
    journal = Journal()
    evaluator, keeper = Evaluator(BUNDLE), LedgerJournal(journal)
    for minute, a, b, is_another in told.steps:
        if is_another:
            keeper = LedgerJournal(journal)
        situation = replace(builders.situation(at=BEGIN + minute * MINUTE), stated={A: a, B: b})
        journal.append(keeper.events(evaluator.evaluate(situation), BUNDLE))
        keeper.written()
    return journal


def account(told: Told, since: int, until: int) -> dict[NodeId, float]:
    """Minute by minute."""
    total = {SHOP: 0.0, PLANT: 0.0}
    worse = {State.OK: 0, State.DEGRADED: 1, State.DOWN: 2}
    for minute in range(since, until):
        a, b = told.states_at(minute)
        prices = Prices(BUNDLE.calendars, BEGIN + minute * MINUTE)
        for node, state in ((SHOP, max(a, b, key=lambda one: worse[one])), (PLANT, b)):
            service = BUNDLE.service_map.services[node]
            total[node] += prices.full(service) * share(service, state)
    return total


def ledger(history: History, service: NodeId, since: int, until: int) -> float:
    spans = history.services.get(service, ())
    return sum(lost(one, BEGIN + since * MINUTE, BEGIN + until * MINUTE) for one in spans)


@given(histories(), st.integers(0, 800), st.integers(0, 800))
@settings(max_examples=150, deadline=None)
def test_the_ledger_of_any_time_is_the_sum_of_its_minutes(told: Told, one: int, other: int) -> None:
    since, until = sorted((one, other))
    history = History().fold(journaled(told).sealed)
    expected = account(told, since, until)
    for service in (SHOP, PLANT):
        assert ledger(history, service, since, until) == pytest.approx(expected[service], abs=1e-6)


@given(histories(), st.lists(st.integers(0, 800), min_size=2, max_size=6))
@settings(max_examples=100, deadline=None)
def test_the_parts_of_a_time_add_up_to_the_whole_and_causes_to_their_service(told: Told, cuts: list[int]) -> None:
    cuts.sort()
    history = History().fold(journaled(told).sealed)
    moments = [BEGIN + cut * MINUTE for cut in cuts]
    for service, spans in history.services.items():
        whole = ledger(history, service, cuts[0], cuts[-1])
        parts = [ledger(history, service, begin, end) for begin, end in itertools.pairwise(cuts)]
        assert sum(parts) == pytest.approx(whole, abs=1e-6)
        assert sum(lost_by_cause(spans, moments[0], moments[-1]).values()) == pytest.approx(whole, abs=1e-6)
        down = [
            availability(spans, begin, end, recorded_since=BEGIN).down_s for begin, end in itertools.pairwise(moments)
        ]
        assert sum(down) == pytest.approx(availability(spans, moments[0], moments[-1], recorded_since=BEGIN).down_s)


@given(histories(), st.data())
@settings(max_examples=100, deadline=None)
def test_kept_up_in_any_portions_it_is_what_the_whole_journal_says(told: Told, data: st.DataObject) -> None:
    """Also when portions overlap: what was taken in is passed over."""
    events = journaled(told).sealed
    kept, done = History(), 0
    while done < len(events):
        begin = data.draw(st.integers(0, done))
        done = data.draw(st.integers(done + 1, len(events)))
        kept.fold(events[begin:done])
    anew = History().fold(events)
    assert (kept.services, kept.components, kept.recorded_since) == (
        anew.services,
        anew.components,
        anew.recorded_since,
    )


@given(histories())
@settings(max_examples=100, deadline=None)
def test_entries_come_back_from_the_journal_as_they_were_and_tell_only_changes(told: Told) -> None:
    latest: dict[NodeId, ServiceEntry] = {}
    for event in journaled(told).sealed:
        entry = entry_of(event)
        if entry is None:
            continue
        assert replace(entry_event(entry), position=event.position) == event
        if isinstance(entry, ServiceEntry):
            before = latest.get(entry.service)
            says = (entry.state, entry.loss_per_minute, entry.causes)
            assert before is None or (before.state, before.loss_per_minute, before.causes) != says
            latest[entry.service] = entry


@given(st.lists(st.integers(0, 60), min_size=2, max_size=6))
def test_what_is_lost_at_one_moment_is_in_exactly_one_part(cuts: list[int]) -> None:
    """A sum at once at the begin, and another at minute 30, the end of a grace; whether or not a part ends there."""
    cuts = sorted({-1, 61, *cuts})
    curve = LossCurve(0.0, (0.0, 1800.0, 1800.0), (5.0, 5.0, 12.0))
    span = Span(entry=ServiceEntry(at=BEGIN, service=SHOP, state=State.DOWN, curve=curve))
    parts = [lost(span, BEGIN + one * MINUTE, BEGIN + end * MINUTE) for one, end in itertools.pairwise(cuts)]
    assert sum(parts) == pytest.approx(12.0)


def test_the_skipped_hour_of_summer_time_costs_nothing() -> None:
    """From 22:00 to 04:30 on that night are five and a half hours."""
    told = Told(steps=((0, State.DOWN, State.OK, False), (780, State.OK, State.OK, False)))
    history = History().fold(journaled(told).sealed)
    assert ledger(history, SHOP, 0, 780) == pytest.approx(60 * 10 + 330 * 70 + 390 * 10)
    (outage,) = outages(history.services[SHOP])
    assert seconds_by_state(outage.spans, BEGIN, BEGIN + timedelta(days=1)) == {State.DOWN: 780 * 60}
