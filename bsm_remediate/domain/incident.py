"""Incidents: outages that hang together, since they overlap in time and share causes.

An outage claims what it is, and for as long as they were named, its causes; a component that fails claims what it
requires while that fails too. Outages that claim the same at the same time, or shortly after each other, are one
incident, and so is whatever hangs together through others.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import NamedTuple, TypeAlias

from bsm_remediate.domain.ids import NodeId
from bsm_remediate.domain.ledger import ComponentEntry, ServiceEntry
from bsm_remediate.domain.run import Run
from bsm_remediate.domain.service_map import ServiceMap
from bsm_remediate.domain.state import State
from bsm_remediate.domain.statistics import History, Outage, Span, lost, outages

APART = timedelta(minutes=5)
"""What fails again within that is the same incident: to people it was never over."""
FOREVER = datetime.max.replace(tzinfo=UTC)
_FAILS = frozenset({State.DOWN, State.DEGRADED})

AnyOutage: TypeAlias = "Outage[ServiceEntry] | Outage[ComponentEntry]"
Requires: TypeAlias = Callable[[NodeId], Iterable[NodeId]]
"""What a component counts on, directly."""


class Claim(NamedTuple):
    """An outage and a node that it has to do with, from `begin` to `end`."""

    node: NodeId
    begin: datetime
    end: datetime
    outage: int


@dataclass(frozen=True, kw_only=True)
class Incident:
    """Outages that hang together, each list oldest first; at least one of both."""

    services: tuple[Outage[ServiceEntry], ...]
    components: tuple[Outage[ComponentEntry], ...]
    """Failures of components themselves."""
    affected: tuple[Outage[ComponentEntry], ...] = ()
    """Components that only shared the failure of what they require."""

    @cached_property
    def outages(self) -> tuple[AnyOutage, ...]:
        """All that failed by itself: services, then components."""
        return (*self.services, *self.components)

    @cached_property
    def _first(self) -> tuple[datetime, bool, NodeId]:
        """Of what fails at once the component comes before the services."""
        components = ((one.begin, False, node_of(one)) for one in self.components)
        return min([*components, *((one.begin, True, node_of(one)) for one in self.services)])

    @property
    def id(self) -> str:
        """By its first outage, so it stays when others join; every other outage's handle leads here too."""
        begin, _, node = self._first
        return handle(begin, node)

    @property
    def begin(self) -> datetime:
        """When the engine saw it."""
        return self._first[0]

    @cached_property
    def alert_began(self) -> datetime:
        """When the first alert about it began."""
        return min(one.alert_began for one in self.outages)

    @cached_property
    def alert_received(self) -> datetime:
        """When the first alert about it came."""
        return min(one.alert_received for one in self.outages)

    @cached_property
    def end(self) -> datetime | None:
        """When everything was ok again; None while something isn't."""
        ends = [one.end for one in self.outages]
        return None if None in ends else max(one for one in ends if one is not None)

    @cached_property
    def causes(self) -> tuple[NodeId, ...]:
        """Of its services, by name; where none failed the components that did."""
        if not self.services:
            return tuple(sorted({node_of(one) for one in self.components}))
        spans = [span for one in self.services for span in one.spans]
        # What was named for no time at all stood between two alerts of one look.
        lasting = [span for span in spans if span.end is None or span.begin < span.end]
        return tuple(sorted({cause for span in lasting or spans for cause in span.entry.causes}))

    @cached_property
    def nodes(self) -> frozenset[NodeId]:
        """All that fails in it, or was named as a cause."""
        failing = (node_of(one) for one in (*self.outages, *self.affected))
        return frozenset([*failing, *(cause for one in self.services for cause in one.causes)])

    @cached_property
    def failed(self) -> Mapping[NodeId, tuple[Outage[ComponentEntry], ...]]:
        """Components that failed themselves, and when."""
        found: dict[NodeId, tuple[Outage[ComponentEntry], ...]] = {}
        for one in self.components:
            found[node_of(one)] = (*found.get(node_of(one), ()), one)
        return found

    def lost(self, until: datetime) -> float:
        """Money, up to `until`."""
        return sum(lost_in(one, until) for one in self.services)

    def runs(self, runs: Iterable[Run]) -> list[Run]:
        """Those of `runs` that worked, or waited to work, on one of its components while it lasted."""
        end = self.end + APART if self.end is not None else FOREVER
        return [
            run
            for run in runs
            if run.component in self.nodes and run.planned_at <= end and (run.ended_at or FOREVER) >= self.begin
        ]


def node_of(outage: AnyOutage) -> NodeId:
    """The service or component whose outage it is."""
    entry = outage.spans[0].entry
    return entry.service if isinstance(entry, ServiceEntry) else entry.component


def lost_in(outage: Outage[ServiceEntry], until: datetime) -> float:
    """Money that `outage` cost up to `until`, what was lost at its very begin included."""
    return sum(lost(span, span.begin - timedelta(seconds=1), until) for span in outage.spans)


def handle(begin: datetime, node: NodeId) -> str:
    """An outage's name. No other has it: what begins within the same second is the same incident."""
    return f"{begin.astimezone(UTC):%Y%m%dT%H%M%SZ}-{node}"


def find_incident(found: Iterable[Incident], name: str) -> Incident | None:
    """The one of that id, or that the incident of that id has become a part of."""
    for one in found:
        if any(handle(outage.begin, node_of(outage)) == name for outage in one.outages):
            return one
    return None


def requirements(service_map: ServiceMap) -> Requires:
    """By that map; of what isn't in it any more nothing is known."""

    def of(node: NodeId) -> Iterable[NodeId]:
        gate = service_map.requires(node) if node in service_map else None
        return gate.nodes() if gate is not None else ()

    return of


def incidents(history: History, requires: Requires) -> list[Incident]:
    """Every failure of a service, and of a component itself, in exactly one of them; oldest first."""
    services = [one for spans in history.services.values() for one in outages(spans) if one.is_failure]
    failing = [one for spans in history.components.values() for one in outages(spans) if one.is_failure]
    every: list[AnyOutage] = [*services, *failing]
    claims = [*_of_services(services), *_of_components(failing, len(services), requires)]
    groups: defaultdict[int, list[int]] = defaultdict(list)
    for number, group in enumerate(_together(claims, len(every))):
        groups[group].append(number)
    found = [_incident([every[number] for number in group]) for group in groups.values()]
    return sorted((one for one in found if one is not None), key=lambda one: (one.begin, one.id))


def _incident(members: Sequence[AnyOutage]) -> Incident | None:
    services, components, affected = [], [], []
    for one in sorted(members, key=lambda one: (one.begin, node_of(one))):
        if is_of_service(one):
            services.append(one)
        elif is_own_failure(one):
            components.append(one)
        else:
            affected.append(one)
    if not services and not components:
        return None
    return Incident(services=tuple(services), components=tuple(components), affected=tuple(affected))  # type: ignore[arg-type]


def is_of_service(outage: AnyOutage) -> bool:
    return isinstance(outage.spans[0].entry, ServiceEntry)


def is_own_failure(outage: AnyOutage) -> bool:
    """Whether a component failed itself at some time, and not only what it requires."""
    return bool(own_spans(outage))


def own_spans(outage: AnyOutage) -> list[Span[ComponentEntry]]:
    """While a component failed itself."""
    return [span for span in outage.spans if isinstance(span.entry, ComponentEntry) and span.entry.own in _FAILS]


# --- what hangs together ---------------------------------------------------------------------------------------------


def _of_services(found: Sequence[Outage[ServiceEntry]]) -> Iterator[Claim]:
    for number, outage in enumerate(found):
        yield Claim(node_of(outage), outage.begin, outage.end or FOREVER, number)
        for span in outage.spans:
            for cause in span.entry.causes:
                yield Claim(cause, span.begin, span.end or FOREVER, number)


def _of_components(found: Sequence[Outage[ComponentEntry]], first: int, requires: Requires) -> Iterator[Claim]:
    """`first` is the number of the first of them."""
    own: defaultdict[NodeId, list[Claim]] = defaultdict(list)
    for number, outage in enumerate(found, start=first):
        own[node_of(outage)].append(Claim(node_of(outage), outage.begin, outage.end or FOREVER, number))
    for node, claims in own.items():
        yield from claims
        for below in {*requires(node)} & own.keys():
            yield from _while_both(claims, own[below])


def _while_both(mine: Sequence[Claim], theirs: Sequence[Claim]) -> Iterator[Claim]:
    """Mine on what they are of, while both last; each sorted, and none of one side overlapping."""
    left, right = 0, 0
    while left < len(mine) and right < len(theirs):
        begin, end = max(mine[left].begin, theirs[right].begin), min(mine[left].end, theirs[right].end)
        if begin <= end:
            yield Claim(theirs[right].node, begin, end, mine[left].outage)
        if mine[left].end < theirs[right].end:
            left += 1
        else:
            right += 1


def _together(claims: Iterable[Claim], number: int) -> list[int]:
    """The group of each of `number` outages."""
    leader = list(range(number))

    def lead(one: int) -> int:
        while leader[one] != one:
            leader[one] = leader[leader[one]]
            one = leader[one]
        return one

    by_node: defaultdict[NodeId, list[Claim]] = defaultdict(list)
    for claim in claims:
        by_node[claim.node].append(claim)
    for of_node in by_node.values():
        of_node.sort()
        last = of_node[0]
        for claim in of_node[1:]:
            if claim.begin - last.end <= APART:
                leader[lead(claim.outage)] = lead(last.outage)
            last = claim if claim.end > last.end else last
    return [lead(one) for one in range(number)]
