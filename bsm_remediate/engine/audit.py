"""Verifies the sealed journal of a store, from its begin or from a position on (`audit verify`)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from bsm_remediate.domain.audit import Break, Fault, Follower
from bsm_remediate.domain.seal import Entry, Keyring, Mark, Seals
from bsm_remediate.errors import StoreUnavailable, WrongUsage
from bsm_remediate.records import SealedJournal

_PAGE = 5_000


@dataclass(frozen=True, kw_only=True, slots=True)
class Verdict:
    """What was found."""

    first: int
    """The entry that was verified first."""
    reached: Mark
    """The last entry of the unbroken chain."""
    seals: Seals
    broken: Break | None = None


def verify(
    journal: SealedJournal,
    keys: Keyring,
    *,
    first: int | None = None,
    anchor: Mark | None = None,
    told: Callable[[int, int], None] = lambda _done, _of: None,
) -> Verdict:
    """Follow the chain to its head, page by page; `told` hears how many of how many entries are done.

    `first` takes the link before that entry as given; `anchor` is a head that was noted earlier. Raises `WrongUsage`
    for ones that the journal doesn't reach back to, and `StoreUnavailable`.
    """
    seals = journal.seals()
    begin = seals.begin
    if not keys.vouches(begin, seals.begin_proof):
        detail = f"entries up to {begin.position} were dropped by somebody who didn't have a key that is at hand"
        moved = Break(position=begin.position + 1, fault=Fault.FALSE_BEGIN, detail=detail)
        return Verdict(first=begin.position + 1, reached=begin, seals=seals, broken=moved)
    if first is not None:
        begin = _link_before(journal, first, seals)
    if anchor is not None and anchor.position <= begin.position:
        raise WrongUsage(
            f"entry {anchor.position} lies before the first that is verified, {begin.position + 1}",
            hint=f"retention has dropped the entries up to {seals.begin.position}; give a later --head or no --from",
        )
    follower = Follower(keys, begin, anchor=anchor)
    broken = _followed(journal, follower, begin, told)
    if broken is not None and broken.fault is Fault.MISSING and journal.seals().begin.position >= broken.position:
        return verify(journal, keys, first=first, anchor=anchor, told=told)  # retention has dropped it meanwhile
    return Verdict(first=begin.position + 1, reached=follower.reached, seals=seals, broken=broken)


def _link_before(journal: SealedJournal, first: int, seals: Seals) -> Mark:
    """What stands before the entry `first`. Raises `WrongUsage`."""
    if first == seals.begin.position + 1:
        return seals.begin
    found = journal.entries(after=first - 2, limit=1) if seals.begin.position < first - 1 else ()
    if not found or found[0].position != first - 1:
        raise WrongUsage(
            f"the journal has no entry {first - 1} to begin after",
            hint=f"it has entries {seals.begin.position + 1} to {seals.head.position}",
        )
    return Mark(position=first - 1, link=str(found[0].link))


def _followed(
    journal: SealedJournal, follower: Follower, begin: Mark, told: Callable[[int, int], None]
) -> Break | None:
    position = begin.position
    while True:
        head = journal.seals().head  # before the page: what is sealed in between is behind it, but never missing
        page = _page(journal, position, _PAGE)
        if isinstance(page, Break):
            return follower.suspected() or page
        if not page:
            return follower.finish(head)
        if (broken := follower.follow(page)) is not None:
            return broken
        position += len(page)
        told(position - begin.position, max(head.position - begin.position, 1))


def _page(journal: SealedJournal, after: int, limit: int) -> Sequence[Entry] | Break:
    """The next entries; the break when the first of them can't be read, though the database can be."""
    try:
        return journal.entries(after=after, limit=limit)
    except StoreUnavailable as error:
        journal.seals()  # raises when the database is away
        if limit > 1:
            return _page(journal, after, limit // 2)
        detail = f"entry {after + 1} cannot be read: {error.args[0]}"
        return Break(position=after + 1, fault=Fault.UNREADABLE, detail=detail)
