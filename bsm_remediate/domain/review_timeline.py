"""The timeline of a review: what happened when, in a number of lines that somebody reads, whatever came.

Tellings of the same kind that follow each other closely are a burst: a few are told one by one, more as one line
with their number, the first and the last. When there still are too many lines, bursts reach further.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import NamedTuple

_ONE_BY_ONE = 3
_NAMED = 3
_CLOSELY = timedelta(minutes=1)
_FURTHER = (timedelta(minutes=10), timedelta(hours=2), timedelta.max)
_MOST_BURSTS = 5_000
"""Remembered; a storm may give each of its alerts a name of its own."""
MOST_LINES = 150
LONGEST = 300
"""Characters of a text; what is longer is cut."""


class Telling(NamedTuple):
    """One thing that happened."""

    at: datetime
    kind: str
    """Tellings of one kind may be told together."""
    subject: str
    """What it is about."""
    text: str
    """The whole of it, for people."""
    many: str
    """What several of the kind are called: `alerts PostgresDown`."""
    rank: int = 4
    """Of what happens at the same moment the lower comes first."""
    singly: int = _ONE_BY_ONE
    """Up to how many of a burst are told one by one."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Line:
    """One line of the timeline."""

    at: datetime
    text: str
    until: datetime | None = None
    """Of a burst, when the last of it happened."""
    count: int = 1


@dataclass(slots=True)
class _Burst:
    """Tellings of a kind; of more than a few only what a line about all of them needs."""

    kind: str
    many: str
    first: datetime
    last: datetime
    singly: int
    place: tuple[int, int]
    """Among what happens at the same moment."""
    count: int = 0
    told: list[tuple[datetime, str]] = field(default_factory=list)
    named: dict[str, None] = field(default_factory=dict)
    """The first subjects, in order."""
    subjects: set[int] = field(default_factory=set)
    """All of them, as hashes: a storm has a hundred thousand."""

    def add(self, one: Telling) -> None:
        self.count += 1
        self.first, self.last = min(self.first, one.at), max(self.last, one.at)
        if len(self.told) <= self.singly:
            self.told.append((one.at, one.text))
        if len(self.named) < _NAMED:
            self.named[one.subject] = None
        self.subjects.add(hash(one.subject))

    def join(self, later: _Burst) -> None:
        self.count += later.count
        self.last = max(self.last, later.last)
        self.told = [*self.told, *later.told][: self.singly + 1]
        self.named = dict.fromkeys([*self.named, *later.named][: 2 * _NAMED][:_NAMED])
        self.subjects |= later.subjects

    def lines(self) -> Iterable[tuple[datetime, tuple[int, int], Line]]:
        if self.count <= self.singly:
            for at, text in self.told:
                yield at, self.place, Line(at=at, text=_cut(text))
            return
        names = [one for one in self.named if one]
        others = len(self.subjects) - len(self.named)
        about = f": {', '.join(names)}" if names else ""
        about += f" and {others:,} other{'s' if others > 1 else ''}" if others > 0 and names else ""
        text = _cut(f"{self.count:,} {self.many}{about}")
        yield self.first, self.place, Line(at=self.first, until=self.last, count=self.count, text=text)


class Timeline:
    """Takes in tellings, each kind in the order of time; remembers no more of them than it will tell."""

    def __init__(self) -> None:
        self._bursts: list[_Burst] = []
        self._open: dict[str, _Burst] = {}

    def add(self, one: Telling) -> None:
        if len(self._bursts) >= _MOST_BURSTS and one.kind not in self._open:
            one = one._replace(kind="other", many="things of many other kinds")
        burst = self._open.get(one.kind)
        if burst is None or one.at - burst.last > _CLOSELY:
            burst = _Burst(one.kind, one.many, one.at, one.at, one.singly, (one.rank, len(self._bursts)))
            self._bursts.append(burst)
            self._open[one.kind] = burst
        burst.add(one)

    def lines(self, most: int = MOST_LINES) -> tuple[list[Line], int]:
        """In the order of time, at most `most`; and how many had to be left out of their middle."""
        found = _lines(self._bursts)
        for gap in _FURTHER:
            if len(found) <= most:
                break
            found = _lines(_joined(self._bursts, gap))
        if len(found) <= most:
            return found, 0
        first = most * 2 // 3
        return found[:first] + found[first - most :], len(found) - most


def _lines(bursts: Iterable[_Burst]) -> list[Line]:
    return [line for _, _, line in sorted((one for burst in bursts for one in burst.lines()), key=lambda one: one[:2])]


def _joined(bursts: Iterable[_Burst], gap: timedelta) -> list[_Burst]:
    found: list[_Burst] = []
    latest: dict[str, _Burst] = {}
    for burst in sorted(bursts, key=lambda one: (one.first, one.place)):
        before = latest.get(burst.kind)
        if before is not None and burst.first - before.last <= gap:
            before.join(burst)
            continue
        copied = _Burst(burst.kind, burst.many, burst.first, burst.last, burst.singly, burst.place)
        copied.join(burst)
        found.append(copied)
        latest[burst.kind] = copied
    return found


def _cut(text: str) -> str:
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"
