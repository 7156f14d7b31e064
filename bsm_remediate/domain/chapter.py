"""Chapters: the journal's entries that belong together, from the first that says something isn't well to the one that
ends it; an outage of a service, a failure of a component, an episode in shadow.

The statistics keep them, for longer than the journal keeps its entries. Within a chapter the entries are what they
were, so whoever adds them up does it as with the journal itself.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import NamedTuple

from bsm_remediate.domain import ledger, shadow
from bsm_remediate.domain.event import Event
from bsm_remediate.domain.state import State

SUBJECTS = (ledger.SUBJECT, shadow.SUBJECT)
"""Of all events that statistics are made of."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Chapter:
    """About one service, component, or policy in shadow on a component."""

    id: int
    """Position of its first entry."""
    key: str
    """What it is about; of the chapters of one key at most one hasn't ended."""
    began_at: datetime
    latest_at: datetime
    """The latest of its entries' times."""
    is_over: bool = False


class Kept(NamedTuple):
    """An entry and its chapter."""

    chapter: Chapter
    event: Event


@dataclass(frozen=True, kw_only=True, slots=True)
class Progress:
    """How far the journal has been read into the statistics."""

    position: int = 0
    """Of the last entry that was."""
    recorded_since: datetime | None = None
    """Nothing is known from before; None: of no time."""
    kept_at: datetime | None = None
    """When an engine last said that it keeps the ledger."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Portion:
    """What the next entries of the journal add, to be kept as a whole or not at all."""

    entries: tuple[Kept, ...]
    """Each with its chapter as it is after all of them."""
    progress: Progress

    @property
    def chapters(self) -> tuple[Chapter, ...]:
        """Those that begin or change."""
        return tuple({one.chapter.id: one.chapter for one in self.entries}.values())


@dataclass(frozen=True, kw_only=True, slots=True)
class Recorded:
    """What the statistics have of a time, as of one moment."""

    progress: Progress
    entries: tuple[Kept, ...]
    """In the journal's order; of each chapter all."""


class _Place(NamedTuple):
    """Where an entry belongs."""

    key: str
    is_end: bool


def keys_of(events: Iterable[Event]) -> frozenset[str]:
    """What `events` are about."""
    return frozenset(place.key for event in events if (place := _place(event)) is not None)


def portion(events: Sequence[Event], *, latest: Mapping[str, Chapter], progress: Progress, through: int) -> Portion:
    """What `events`, those of `SUBJECTS` after `progress` up to position `through` in their order, add to what is kept.

    `latest` has the latest chapter of each of their keys, where there is one.
    """
    current = dict(latest)
    changed: dict[int, Chapter] = {}
    entries: list[tuple[int, Event]] = []
    for event in events:
        place = _place(event)
        if place is None:
            continue
        before = current.get(place.key)
        goes_on = before is not None and _goes_on(before, event, place)
        if place.is_end and not goes_on:
            continue  # of what nobody saw begin
        chapter = _with(before, event, place) if before is not None and goes_on else _begun(event, place)
        current[place.key] = changed[chapter.id] = chapter
        entries.append((chapter.id, event))
    return Portion(
        entries=tuple(Kept(changed[number], event) for number, event in entries),
        progress=_after(progress, events, through),
    )


def chapter_of(key: str, entries: Sequence[Event]) -> Chapter:
    """The chapter that `entries`, at least one, make."""
    chapter = _begun(entries[0], _Place(key, is_end=False))
    for event in entries[1:]:
        place = _place(event)
        chapter = _with(chapter, event, place) if place is not None else chapter
    return chapter


def ends(event: Event) -> bool:
    """Whether `event` ends the chapter that it belongs to."""
    place = _place(event)
    return place is not None and place.is_end


def _place(event: Event) -> _Place | None:
    """Where `event` belongs; None for those of other kinds, and for what somebody has made unreadable."""
    facts = event.facts
    match event.kind:
        case ledger.SERVICE if {"service", "state"} <= facts.keys():
            return _Place(f"service {facts['service']}", is_end=facts["state"] == State.OK.value)
        case ledger.COMPONENT if {"component", "state"} <= facts.keys():
            return _Place(f"component {facts['component']}", is_end=facts["state"] == State.OK.value)
        case shadow.DECIDED | shadow.ENDED if {"component", "policy"} <= facts.keys():
            return _Place(f"shadow {facts['component']} {facts['policy']}", is_end=event.kind == shadow.ENDED)
    return None


def _goes_on(chapter: Chapter, event: Event, place: _Place) -> bool:
    """Whether `event` belongs to `chapter`: it lasts, or nothing was well between its end and `event`."""
    return not chapter.is_over or (not place.is_end and event.at <= chapter.latest_at)


def _begun(event: Event, place: _Place) -> Chapter:
    return Chapter(id=event.position or 0, key=place.key, began_at=event.at, latest_at=event.at)


def _with(chapter: Chapter, event: Event, place: _Place) -> Chapter:
    """A clock that was set back makes no chapter shorter than what its entries tell."""
    return replace(
        chapter,
        began_at=min(chapter.began_at, event.at),
        latest_at=max(chapter.latest_at, event.at),
        is_over=place.is_end,
    )


def _after(progress: Progress, events: Sequence[Event], through: int) -> Progress:
    told = [event for event in events if event.subject == ledger.SUBJECT]
    kept = [event.at for event in told if event.kind == ledger.KEPT]
    first = told[0].at if told else None
    return Progress(
        position=max(through, progress.position),
        recorded_since=progress.recorded_since if progress.recorded_since is not None else first,
        kept_at=kept[-1] if kept else progress.kept_at,
    )
