"""Following the journal's chain entry by entry, up to the first one that isn't what was sealed (DESIGN 8)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum

from bsm_remediate.domain.seal import Entry, Keyring, Mark, is_same


class Fault(StrEnum):
    """What is wrong with an entry."""

    MISSING = "missing"
    """It isn't there, but later ones are."""
    CHANGED = "changed"
    """Its content isn't what was sealed; the next one still fits."""
    RELINKED = "relinked"
    """Its content is what was sealed, its link was changed."""
    MISPLACED = "misplaced"
    """Neither it nor the next one is what was sealed there: moved, exchanged, inserted or rewritten."""
    UNREADABLE = "unreadable"
    """The database can't read it."""
    UNKNOWN_KEY = "unknown_key"
    """It names a key that isn't at hand."""
    CUT = "cut"
    """It and all after it are gone."""
    BEYOND = "beyond"
    """It stands behind the last entry that was sealed."""
    NOT_THE_ONE = "not_the_one"
    """The chain is whole, but what was noted of this entry is something else: it was sealed anew since."""
    FALSE_BEGIN = "false_begin"
    """Entries before it were dropped by somebody who didn't have the key."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Break:
    """The first entry that isn't what was sealed."""

    position: int
    fault: Fault
    detail: str


class Follower:
    """Follows the chain from `begin` on. Give it the entries in their order, page by page, and at last `finish`."""

    def __init__(self, keys: Keyring, begin: Mark, *, anchor: Mark | None = None) -> None:
        """`anchor` is what was noted elsewhere; of an entry after `begin`."""
        self._keys = keys
        self._anchor = anchor
        self._suspect: tuple[Entry, str] | None = None
        """The first entry that doesn't fit, with the link it should have; what is next says more about it."""
        self.reached = begin
        """The last entry that is what was sealed."""

    def follow(self, entries: Iterable[Entry]) -> Break | None:
        """The first break, if there is one. The last of `entries` may turn out bad only with those that follow."""
        for entry in entries:
            if self._suspect is not None:
                return self._judged(*self._suspect, following=entry)
            place = self.reached.position + 1
            if entry.position != place:
                detail = f"entry {place} is missing; the next one there is {entry.position!r}"
                return Break(position=place, fault=Fault.MISSING, detail=detail)
            key = self._keys.of_link(str(entry.link))
            if key is None:
                return Break(position=place, fault=Fault.UNKNOWN_KEY, detail=_of_unknown_key(entry))
            expected = key.link(entry, self.reached.link)
            if not is_same(expected, entry.link):
                self._suspect = entry, expected
                continue
            self.reached = Mark(position=place, link=expected)
            if self._anchor is not None and self._anchor.position == place and not is_same(expected, self._anchor.link):
                detail = f"{_told(entry)} is part of a whole chain, but not the one that was noted: sealed anew since"
                return Break(position=place, fault=Fault.NOT_THE_ONE, detail=detail)
        return None

    def finish(self, head: Mark) -> Break | None:
        """The break that shows at the end, where `head` says how far was sealed."""
        if self._suspect is not None:
            return self.suspected()
        end = self.reached.position
        noted = self._anchor.position if self._anchor is not None else 0
        furthest = max(head.position, noted)
        if end < furthest:
            detail = f"entries {end + 1} to {furthest} were sealed and are gone"
            return Break(position=end + 1, fault=Fault.CUT, detail=detail)
        if end > head.position:
            detail = f"entry {head.position + 1} is behind the last one that was sealed"
            return Break(position=head.position + 1, fault=Fault.BEYOND, detail=detail)
        if not is_same(self.reached.link, head.link):
            detail = f"the journal's head isn't entry {end}: what was sealed behind it is gone, or the head was changed"
            return Break(position=end + 1, fault=Fault.CUT, detail=detail)
        return None

    def suspected(self) -> Break | None:
        """The break at the last entry followed, when nothing more can be read behind it."""
        if self._suspect is None:
            return None
        entry, _ = self._suspect
        return Break(position=entry.position, fault=Fault.CHANGED, detail=f"{_told(entry)} was changed")

    def _judged(self, entry: Entry, expected: str, following: Entry) -> Break:
        """What became of `entry`, whose link should be `expected`, as the one behind it shows."""
        if following.position == entry.position + 1:
            key = self._keys.of_link(str(following.link))
            if key is not None and is_same(key.link(following, str(entry.link)), following.link):
                return Break(position=entry.position, fault=Fault.CHANGED, detail=f"{_told(entry)} was changed")
            if key is not None and is_same(key.link(following, expected), following.link):
                detail = f"{_told(entry)}: its link was changed, its content wasn't"
                return Break(position=entry.position, fault=Fault.RELINKED, detail=detail)
        detail = f"{_told(entry)} isn't what was sealed there, and what follows doesn't fit either"
        return Break(position=entry.position, fault=Fault.MISPLACED, detail=detail)


def _of_unknown_key(entry: Entry) -> str:
    named = str(entry.link).partition(":")[0][:16]
    return f"{_told(entry)} names the key '{named}', which is not at hand"


def _told(entry: Entry) -> str:
    """An entry for people: where, what, about what, when."""
    try:
        when = datetime.fromtimestamp(entry.at, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    except (TypeError, ValueError, OverflowError, OSError):
        when = "no time"
    about = f" about {entry.subject}" if entry.subject else ""
    return f"entry {entry.position} ({entry.kind}{about}, {when})"
