"""Incidents of any history against a slow, obvious account: any two outages that claim the same node at the same time
belong together, and so do those that hang together through others.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from bsm_remediate.domain.event import Event
from bsm_remediate.domain.ids import NodeId
from bsm_remediate.domain.incident import APART, AnyOutage, Incident, find_incident, incidents, is_own_failure, node_of
from bsm_remediate.domain.ledger import ComponentEntry, ServiceEntry, entry_event
from bsm_remediate.domain.state import State
from bsm_remediate.domain.statistics import History, outages

BEGIN = datetime(2026, 1, 5, 9, tzinfo=UTC)
COMPONENTS = [NodeId(name) for name in ("a", "b", "c", "d")]
SERVICES = [NodeId(name) for name in ("shop", "plant", "mail")]
REQUIRES = {"a": ["c"], "b": ["c", "d"], "c": ["d"]}
STATES = st.sampled_from([State.OK, State.OK, State.OK, State.DOWN, State.DEGRADED, State.MAINTENANCE, State.UNKNOWN])


def requires(node: NodeId) -> Iterable[NodeId]:
    return [NodeId(one) for one in REQUIRES.get(node, [])]


@st.composite
def journals(draw: st.DrawFn) -> list[Event]:
    """Changes some minutes after each other; many on the same node, so that some begin shortly after one has ended."""
    told = []
    at = BEGIN
    for gap in draw(st.lists(st.sampled_from([1, 2, 3, 5, 6, 30]), max_size=20)):
        at += gap * timedelta(minutes=1)
        state = draw(STATES)
        if draw(st.booleans()):
            causes = draw(st.sets(st.sampled_from(COMPONENTS), max_size=2)) if state is not State.OK else ()
            node = draw(st.sampled_from(SERVICES))
            told.append(entry_event(ServiceEntry(at=at, service=node, state=state, causes=tuple(sorted(causes)))))
        else:
            own = draw(st.sampled_from([state, State.OK]))
            node = draw(st.sampled_from(COMPONENTS))
            told.append(entry_event(ComponentEntry(at=at, component=node, state=state, own=own)))
    return told


# --- the slow, obvious account ---------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Stretch:
    node: NodeId
    begin: datetime
    end: datetime


def failures(history: History) -> list[AnyOutage]:
    every: list[AnyOutage] = [one for spans in history.services.values() for one in outages(spans)]
    every += [one for spans in history.components.values() for one in outages(spans)]
    return [one for one in every if one.is_failure]


def counts(outage: AnyOutage) -> bool:
    return isinstance(outage.spans[0].entry, ServiceEntry) or is_own_failure(outage)


def stretches(outage: AnyOutage, every: list[AnyOutage]) -> list[Stretch]:
    """What it claims, and when."""
    never = datetime(9999, 1, 1, tzinfo=UTC)
    begin, end = outage.begin, outage.end or never
    found = [Stretch(node=node_of(outage), begin=begin, end=end)]
    for span in outage.spans:
        if isinstance(span.entry, ServiceEntry):
            found += [Stretch(node=one, begin=span.begin, end=span.end or never) for one in span.entry.causes]
    if isinstance(outage.spans[0].entry, ComponentEntry):
        for other in every:
            if isinstance(other.spans[0].entry, ComponentEntry) and node_of(other) in set(requires(node_of(outage))):
                first, last = max(begin, other.begin), min(end, other.end or never)
                if first <= last:
                    found.append(Stretch(node=node_of(other), begin=first, end=last))
    return found


def meet(one: Stretch, other: Stretch) -> bool:
    return one.node == other.node and one.begin <= other.end + APART and other.begin <= one.end + APART


def groups(history: History) -> set[frozenset[tuple[datetime, NodeId]]]:
    """By spreading from each outage to its neighbours until nothing is new."""
    every = failures(history)
    claims = [stretches(one, every) for one in every]
    near = {
        number: {
            other
            for other in range(len(every))
            if any(meet(mine, theirs) for mine, theirs in itertools.product(claims[number], claims[other]))
        }
        for number in range(len(every))
    }
    found = set()
    for number in range(len(every)):
        reached = {number}
        while (further := set().union(*(near[one] for one in reached))) != reached:
            reached = further
        members = [every[one] for one in reached if counts(every[one])]
        found.add(frozenset((one.begin, node_of(one)) for one in members))
    return found - {frozenset()}


def members(incident: Incident) -> frozenset[tuple[datetime, NodeId]]:
    return frozenset((one.begin, node_of(one)) for one in incident.outages)


@given(journals())
@settings(max_examples=300, deadline=None)
def test_incidents_are_the_outages_that_hang_together(journal: list[Event]) -> None:
    history = History().fold(journal)
    assert {members(one) for one in incidents(history, requires)} == groups(history)


@given(journals())
@settings(max_examples=150, deadline=None)
def test_every_failure_belongs_to_exactly_one_incident(journal: list[Event]) -> None:
    history = History().fold(journal)
    found = [member for one in incidents(history, requires) for member in members(one)]
    assert sorted(found) == sorted((one.begin, node_of(one)) for one in failures(history) if counts(one))


@given(journals())
@settings(max_examples=150, deadline=None)
def test_no_two_incidents_have_the_same_cause_at_the_same_time(journal: list[Event]) -> None:
    found = incidents(History().fold(journal), requires)
    for one, other in itertools.combinations(found, 2):
        mine, theirs = ([span for outage in each.services for span in outage.spans] for each in (one, other))
        for span, another in itertools.product(mine, theirs):
            if set(span.entry.causes) & set(another.entry.causes):
                last = max(span.begin, another.begin)
                assert last > min(each.end or last + APART for each in (span, another))


@given(journals(), st.integers(0, 24))
@settings(max_examples=150, deadline=None)
def test_an_id_is_one_incident_s_and_leads_there_whatever_happens_later(journal: list[Event], known: int) -> None:
    early = incidents(History().fold(journal[:known]), requires)
    late = incidents(History().fold(journal), requires)
    ids = [one.id for one in late]
    assert len(set(ids)) == len(ids)
    for one in early:
        found = find_incident(late, one.id)
        assert found is not None
        assert members(one) <= members(found)


@given(journals())
@settings(max_examples=100, deadline=None)
def test_an_incident_lasts_from_its_first_outage_to_the_end_of_its_last(journal: list[Event]) -> None:
    for one in incidents(History().fold(journal), requires):
        ends = [outage.end for outage in one.outages]
        assert one.begin == min(outage.begin for outage in one.outages)
        assert (one.end is None) == (None in ends)
        assert one.end is None or one.end == max(end for end in ends if end is not None)
