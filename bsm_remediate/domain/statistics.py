"""Statistics: the ledger's entries as spans of time, and what these add up to (DESIGN 7).

Everything is a fold over sealed events. An event that was folded isn't folded again, so a history that is kept up from
event to event and one that is made anew from the whole journal are the same.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Generic, TypeVar

from bsm_remediate.domain.event import Event
from bsm_remediate.domain.ids import NodeId
from bsm_remediate.domain.ledger import ComponentEntry, ServiceEntry, entry_of
from bsm_remediate.domain.state import State

UNEXPLAINED = NodeId("")
"""The cause of what no component explains."""

EntryT = TypeVar("EntryT", ServiceEntry, ComponentEntry)


@dataclass(frozen=True, kw_only=True, slots=True)
class Span(Generic[EntryT]):
    """How something that wasn't ok stood, until its next entry; `end` None: it still does."""

    entry: EntryT
    end: datetime | None = None

    @property
    def begin(self) -> datetime:
        return self.entry.at

    def end_by(self, moment: datetime) -> datetime:
        """Its end, or `moment` if that is earlier."""
        return min(self.end, moment) if self.end is not None else moment

    def seconds(self, since: datetime, until: datetime) -> float:
        """How much of it lies between."""
        return max((self.end_by(until) - max(self.begin, since)).total_seconds(), 0.0)


class _Spans(Generic[EntryT]):
    """The spans of one service or component, oldest first."""

    def __init__(self) -> None:
        self.spans: list[Span[EntryT]] = []

    def add(self, entry: EntryT) -> None:
        if self.spans and self.spans[-1].end is None:
            last = self.spans[-1]
            # A clock that was set back makes no span of negative length.
            self.spans[-1] = Span(entry=last.entry, end=max(entry.at, last.begin))
        if entry.state is not State.OK:
            self.spans.append(Span(entry=entry))


class History:
    """What the journal tells of states."""

    def __init__(self, *, recorded_since: datetime | None = None) -> None:
        self.recorded_since = recorded_since
        """Nothing is known from before; unless told, the first event's time. None while there is no event."""
        self._services: defaultdict[NodeId, _Spans[ServiceEntry]] = defaultdict(_Spans)
        self._components: defaultdict[NodeId, _Spans[ComponentEntry]] = defaultdict(_Spans)
        self._position = 0

    def fold(self, events: Iterable[Event]) -> History:
        """Take in sealed `events` in their order; those that were taken in before are passed over. Returns itself."""
        for event in events:
            if event.position is not None:
                if event.position <= self._position:
                    continue
                self._position = event.position
            if self.recorded_since is None:
                self.recorded_since = event.at
            entry = entry_of(event)
            if isinstance(entry, ServiceEntry):
                self._services[entry.service].add(entry)
            elif isinstance(entry, ComponentEntry):
                self._components[entry.component].add(entry)
        return self

    @property
    def services(self) -> Mapping[NodeId, Sequence[Span[ServiceEntry]]]:
        return {node: tuple(one.spans) for node, one in sorted(self._services.items()) if one.spans}

    @property
    def components(self) -> Mapping[NodeId, Sequence[Span[ComponentEntry]]]:
        return {node: tuple(one.spans) for node, one in sorted(self._components.items()) if one.spans}


@dataclass(frozen=True, kw_only=True, slots=True)
class Outage(Generic[EntryT]):
    """Spans that follow each other without a moment of ok between them."""

    spans: tuple[Span[EntryT], ...]

    @property
    def begin(self) -> datetime:
        """When the engine saw it."""
        return self.spans[0].begin

    @property
    def end(self) -> datetime | None:
        return self.spans[-1].end

    @property
    def alert_began(self) -> datetime:
        """When the first alert about it began, if one did before the engine saw it."""
        began = self.spans[0].entry.began_at
        return min(began, self.begin) if began is not None else self.begin

    @property
    def alert_received(self) -> datetime:
        """When that alert came; never before it began."""
        received = self.spans[0].entry.received_at
        return min(max(received, self.alert_began), self.begin) if received is not None else self.begin

    @property
    def causes(self) -> frozenset[NodeId]:
        """All that were its causes at some time; of a component itself."""
        found: set[NodeId] = set()
        for span in self.spans:
            found.update(span.entry.causes if isinstance(span.entry, ServiceEntry) else (span.entry.component,))
        return frozenset(found)

    @property
    def is_failure(self) -> bool:
        """Whether it was down or degraded at some time; else it was unknown or in maintenance."""
        return any(span.entry.state in {State.DOWN, State.DEGRADED} for span in self.spans)


def outages(spans: Sequence[Span[EntryT]]) -> list[Outage[EntryT]]:
    """The outages that `spans` of one service or component make, oldest first."""
    found: list[list[Span[EntryT]]] = []
    for span in spans:
        if found and found[-1][-1].end == span.begin:
            found[-1].append(span)
        else:
            found.append([span])
    return [Outage(spans=tuple(one)) for one in found]


# --- money -----------------------------------------------------------------------------------------------------------


def lost(span: Span[ServiceEntry], since: datetime, until: datetime) -> float:
    """Money that `span` cost after `since` and up to `until`: what is lost at one moment belongs to the time that ends
    with it, so that the parts of a time add up to the whole.
    """
    end = span.end_by(until)
    if end < span.begin or end <= since:
        return 0.0
    before = _until(span, since) if since >= span.begin else 0.0
    return _until(span, end) - before


def _until(span: Span[ServiceEntry], moment: datetime) -> float:
    return span.entry.curve.until((moment - span.begin).total_seconds())


def lost_by_cause(spans: Iterable[Span[ServiceEntry]], since: datetime, until: datetime) -> dict[NodeId, float]:
    """The same of several spans, shared evenly among the causes that each had."""
    found: defaultdict[NodeId, float] = defaultdict(float)
    for span in spans:
        money = lost(span, since, until)
        causes = span.entry.causes or (UNEXPLAINED,)
        for cause in causes if money else ():
            found[cause] += money / len(causes)
    return dict(found)


# --- time ------------------------------------------------------------------------------------------------------------


def seconds_by_state(spans: Iterable[Span[EntryT]], since: datetime, until: datetime) -> dict[State, float]:
    """For how long it stood how between these moments; the rest of the time it was ok."""
    found: defaultdict[State, float] = defaultdict(float)
    for span in spans:
        found[span.entry.state] += span.seconds(since, until)
    return {state: seconds for state, seconds in found.items() if seconds}


@dataclass(frozen=True, kw_only=True, slots=True)
class Availability:
    """Measured over `observed_s` seconds, maintenance and the unknown left out."""

    observed_s: float
    down_s: float

    @property
    def percent(self) -> float | None:
        """None when nothing was observed."""
        return 100.0 * (1.0 - self.down_s / self.observed_s) if self.observed_s > 0 else None


def availability(
    spans: Iterable[Span[EntryT]], since: datetime, until: datetime, *, recorded_since: datetime
) -> Availability:
    """Down is unavailable; degraded is not."""
    begin = max(since, recorded_since)
    states = seconds_by_state(spans, begin, until)
    whole = max((until - begin).total_seconds(), 0.0)
    left_out = states.get(State.MAINTENANCE, 0.0) + states.get(State.UNKNOWN, 0.0)
    return Availability(observed_s=whole - left_out, down_s=states.get(State.DOWN, 0.0))


BURN_WINDOWS = {"1h": timedelta(hours=1), "6h": timedelta(hours=6), "3d": timedelta(days=3)}


@dataclass(frozen=True, kw_only=True, slots=True)
class Attainment:
    """How an objective stands at one moment."""

    objective: float
    """Percent."""
    window: timedelta
    measured: Availability
    budget_left: float | None
    """Of the downtime that the window allows; negative when more was used; None when it allows none."""
    burn_rates: Mapping[str, float | None]
    """How many times faster than allowed the budget is used up, over each of `BURN_WINDOWS`."""

    @property
    def is_met(self) -> bool | None:
        """None when nothing was observed."""
        percent = self.measured.percent
        return percent >= self.objective - 1e-9 if percent is not None else None


def attainment(
    spans: Sequence[Span[EntryT]],
    *,
    objective: float,
    window: timedelta,
    until: datetime,
    recorded_since: datetime,
) -> Attainment:
    """The objective of `objective` percent within `window` as of `until`."""
    allowed = 1.0 - objective / 100.0
    measured = availability(spans, until - window, until, recorded_since=recorded_since)
    budget_s = allowed * window.total_seconds()

    def burn(length: timedelta) -> float | None:
        found = availability(spans, until - length, until, recorded_since=recorded_since)
        return found.down_s / found.observed_s / allowed if found.observed_s > 0 and allowed > 1e-12 else None

    return Attainment(
        objective=objective,
        window=window,
        measured=measured,
        budget_left=1.0 - measured.down_s / budget_s if budget_s > 1e-9 else None,
        burn_rates={name: burn(length) for name, length in BURN_WINDOWS.items()},
    )
