"""Keeps the statistics up with the journal, reads them, and makes them anew (DESIGN 7).

What is kept and how far the journal was read is written in one transaction, and only by whoever read on from there. So
each entry counts exactly once, whoever dies, and several may read at once. Readers take what isn't read yet from the
journal itself: to them it makes no difference how far it is.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Protocol

from bsm_remediate.domain.chapter import SUBJECTS, Chapter, Kept, Portion, Progress, chapter_of, keys_of, portion
from bsm_remediate.domain.event import Event
from bsm_remediate.engine.sealer import month_before
from bsm_remediate.ports import Clock
from bsm_remediate.records import EventLog, Statistics, Store

_log = logging.getLogger(__name__)

KEEP_MONTHS = 25
"""Two years can be compared, month by month."""
ALWAYS = datetime.fromtimestamp(0, UTC)
FOREVER = datetime(9999, 1, 1, tzinfo=UTC)
_PAGE = 5_000
_UNTOLD = 10_000
"""Entries that are nothing to the statistics: only after so many it is written that they were read."""
_FORGETS_EVERY = timedelta(hours=1)


class StatisticsKeeper:
    """One for each engine; of several on one database each may follow at any time."""

    def __init__(self, store: Store, clock: Clock, *, keep_months: int | None = KEEP_MONTHS) -> None:
        """`keep_months` is how many whole calendar months (UTC) are kept beside the present one; None: all."""
        self._store = store
        self._clock = clock
        self._keep_months = keep_months
        self._seen = -1
        """The journal's head when nothing was left to read."""
        self._forgets_at: datetime | None = None

    def follow(self, *, within_s: float = math.inf) -> None:
        """Read on in the journal; what isn't read after `within_s` seconds is left to the next call."""
        end = self._clock.monotonic() + within_s
        while (head := self._store.latest_position()) != self._seen:
            if self._clock.monotonic() > end:
                return
            if read_on(self._store, head=head) == head:
                self._seen = head
        self._forget(self._clock.now())

    def _forget(self, now: datetime) -> None:
        is_due = self._forgets_at is None or not now < self._forgets_at <= now + _FORGETS_EVERY
        if self._keep_months is None or not is_due:
            return
        self._forgets_at = now + _FORGETS_EVERY
        forgotten = self._store.forget(month_before(now, self._keep_months))
        if forgotten:
            _log.info("statistics.forgotten chapters=%s", forgotten)


def read_on(store: Store, *, head: int) -> int:
    """Read the next entries up to `head` into the statistics; returns up to where there is nothing left to read."""
    progress = store.progress()
    events, through = _next(store, after=progress.position, head=head)
    if not events and through - progress.position < _UNTOLD:
        return through
    found = _portion(store, events, progress, through)
    if not store.keep(found, after=progress.position):
        return progress.position  # somebody else has read on
    return through


def _portion(store: Store, events: Sequence[Event], progress: Progress, through: int) -> Portion:
    latest = store.latest_chapters(keys_of(events)) if events else {}
    return portion(events, latest=latest, progress=progress, through=through)


def _next(log: EventLog, *, after: int, head: int) -> tuple[list[Event], int]:
    """The next events of the statistics' subjects, and up to where these are all."""
    found: list[Event] = []
    through = head
    for subject in SUBJECTS:
        page = log.events(after=after, subject=subject, limit=_PAGE)
        found += page
        if len(page) == _PAGE:
            through = min(through, page[-1].position or 0)
    known = [event for event in found if (event.position or 0) <= through]
    return sorted(known, key=lambda one: one.position or 0), through


# --- reading ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True, slots=True)
class Account:
    """All that the statistics and the rest of the journal tell of a time."""

    progress: Progress
    events: Sequence[Event]


class Recollection(Statistics, EventLog, Protocol):
    """Where the past is read."""


def account(store: Recollection, subject: str, *, since: datetime, until: datetime = FOREVER) -> Account:
    """The events of `subject` in every chapter that reaches into that time, and all that aren't read yet."""
    recorded = store.recorded(since=since, until=until)
    kept = [one.event for one in recorded.entries if one.event.subject == subject]
    return Account(progress=recorded.progress, events=[*kept, *pages(store, subject, after=recorded.progress.position)])


def pages(log: EventLog, subject: str, *, after: int = 0) -> Iterator[Event]:
    """All that the journal says about `subject` after that position, in its order."""
    position = after
    while True:
        page = log.events(after=position, subject=subject, limit=_PAGE)
        for event in page:
            position = event.position or position
            yield event
        if len(page) < _PAGE:
            return


# --- made anew, and compared -----------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True, slots=True)
class Rebuilt:
    """What making the statistics anew came to."""

    after: int
    """What lies before that position the journal no longer has; it stays as it was kept."""
    through: int
    kept: int
    """Entries that are in the statistics now."""


def rebuild(store: Store) -> Rebuilt:
    """Make the statistics anew from what the journal has. An engine may be at work meanwhile; reports are always
    whole, for what isn't read yet they take from the journal.
    """
    begin, head = store.seals().begin.position, store.latest_position()
    store.rewind(begin)
    while read_on(store, head=head) < head:
        pass
    return Rebuilt(after=begin, through=head, kept=len(store.recorded(since=ALWAYS, until=FOREVER).entries))


@dataclass(frozen=True, kw_only=True, slots=True)
class Comparison:
    """Whether the statistics are what the journal makes them."""

    after: int
    through: int
    compared: int
    difference: str = ""
    """The first; empty when there is none."""


def compare(store: Store) -> Comparison:
    """Fold anew what the journal has, and compare it with what is kept."""
    begin = store.seals().begin.position
    recorded = store.recorded(since=ALWAYS, until=FOREVER)
    through = recorded.progress.position
    before: dict[int, list[Kept]] = {}
    for one in recorded.entries:
        if (one.event.position or 0) <= begin:
            before.setdefault(one.chapter.id, []).append(one)
    olds = [chapter_of(some[0].chapter.key, [one.event for one in some]) for some in before.values()]
    latest = {one.key: one for one in sorted(olds, key=lambda one: one.id)}
    events = sorted(
        (event for subject in SUBJECTS for event in pages(store, subject, after=begin)),
        key=lambda one: one.position or 0,
    )
    events = [event for event in events if (event.position or 0) <= through]
    anew = portion(events, latest=latest, progress=Progress(position=begin), through=through)
    kept = {one.event.position or 0: one for one in recorded.entries if (one.event.position or 0) > begin}
    known = (one for one in anew.entries if not _is_forgotten(one.chapter, recorded.progress))
    expected = {one.event.position or 0: one for one in known}
    for position in sorted({*kept, *expected}):
        difference = _difference(kept.get(position), expected.get(position))
        if difference:
            return Comparison(
                after=begin, through=through, compared=len(expected), difference=f"entry {position}: {difference}"
            )
    return Comparison(after=begin, through=through, compared=len(expected))


def _is_forgotten(chapter: Chapter, progress: Progress) -> bool:
    since = progress.recorded_since
    return chapter.is_over and since is not None and chapter.latest_at < since


def _difference(kept: Kept | None, expected: Kept | None) -> str:
    if kept is None:
        return "the journal has it, the statistics don't"
    if expected is None:
        return "the statistics have it, the journal doesn't"
    one, other = kept.event, expected.event
    if (one.at, one.kind, one.subject, dict(one.facts)) != (other.at, other.kind, other.subject, dict(other.facts)):
        return f"the statistics have {one.kind} {dict(one.facts)}, the journal {other.kind} {dict(other.facts)}"
    if kept.chapter != expected.chapter:
        return f"it is kept in {_told(kept)}, and belongs in {_told(expected)}"
    return ""


def _told(one: Kept) -> str:
    chapter = one.chapter
    over = "over" if chapter.is_over else "not over"
    times = f"{chapter.began_at.isoformat()} to {chapter.latest_at.isoformat()}"
    return f"chapter {chapter.id} ({chapter.key}, {times}, {over})"
