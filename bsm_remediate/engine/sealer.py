"""Seals the journal, watches that what was sealed stays, tells its head, and drops what is too old (DESIGN 8)."""

from __future__ import annotations

import logging
import math
import sys
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta

from bsm_remediate.domain.audit import Follower
from bsm_remediate.domain.event import Event, Json
from bsm_remediate.domain.seal import Entry, Keyring, Mark, Seals, is_same
from bsm_remediate.ports import Clock
from bsm_remediate.records import Store

_log = logging.getLogger(__name__)

TELLS_EVERY = timedelta(hours=1)
_FIRST_AFTER = timedelta(minutes=1)
"""The engine begins to work first."""
_PAGE = 2_000
"""Entries of a transaction: so long do writers wait for their turn, a few hundredths of a second."""
_MANY = 50_000


class Sealer:
    """One for each engine; of several on one database each may call `seal` at any time."""

    def __init__(
        self,
        store: Store,
        keys: Keyring,
        clock: Clock,
        *,
        keep_months: int | None = None,
        read_through: Callable[[], int] = lambda: sys.maxsize,
    ) -> None:
        """`keep_months` is how many whole calendar months (UTC) are kept beside the present one; None: all.

        What lies after `read_through` is needed yet, however old it is.
        """
        self._store = store
        self._keys = keys
        self._clock = clock
        self._keep_months = keep_months
        self._read_through = read_through
        self._known = Mark()
        """The latest head that this process has seen: nobody can change it here."""
        self._tells_at: datetime | None = None
        self.trouble = ""
        """What people should look at; empty when all is well."""

    def seal(self, *, within_s: float = math.inf) -> None:
        """Seal what was appended; once in an hour also tell the head and drop closed months.

        After `within_s` seconds the rest is left to the next call, as it is after `StoreUnavailable`.
        """
        now = self._clock.now()
        if self._tells_at is None:
            self._begin()
            self._tells_at = now + _FIRST_AFTER
        end = self._clock.monotonic() + within_s
        while self._clock.monotonic() <= end:
            head = self._store.seal(self._keys.current, limit=_PAGE)
            if head is None:
                break
            self._require_kept()
            self._known = head
        if not now < self._tells_at <= now + TELLS_EVERY:  # that far ahead only when the clock was set back
            self.tell()
            self._tells_at = now + TELLS_EVERY
            self._drop_closed(now)

    def tell(self) -> None:
        """Write the head to the log: noted elsewhere, it shows later whether the journal's end was cut."""
        head = self._store.seals().head
        if head.position:
            _log.info("journal.head %s", head)

    def _begin(self) -> None:
        seals = self._store.seals()
        self._known = seals.head
        if seals.waiting > _MANY:
            _log.info("journal.sealing %s entries wait, from before; it takes a while", seals.waiting)
        if seals.head.position and self._keys.of_link(seals.head.link) is None:
            self._raise_trouble(
                f"the journal was sealed with another key ({seals.head.link.partition(':')[0]}) than this engine's"
                f" ({self._keys.current.id}): give all engines the same BSM_JOURNAL_KEY_FILE, and keep old keys in it"
            )

    def _require_kept(self) -> None:
        """Say so when what this process saw as the head isn't there any more."""
        known = self._known
        found = self._store.entries(after=known.position - 1, limit=1)
        is_kept = bool(found) and found[0].position == known.position and is_same(known.link, found[0].link)
        if not is_kept and known.position > self._store.seals().begin.position:
            self._raise_trouble(
                f"entry {known.position} of the journal is no longer what was sealed: somebody has changed the"
                f" database; `bsm-remediate audit verify --head {known}` tells more"
            )

    def _raise_trouble(self, trouble: str) -> None:
        if trouble != self.trouble:
            _log.error("journal.not_as_sealed %s", trouble)
        self.trouble = trouble

    # --- retention -------------------------------------------------------------------------------------------------

    def _drop_closed(self, now: datetime) -> None:
        """Drop the months that are over for long enough, as far as they are what was sealed."""
        if self._keep_months is None:
            return
        before = month_before(now, self._keep_months)
        seals = self._store.seals()
        dropped = 0
        while (begin := self._droppable(seals, before)) is not None:
            self._store.drop(begin, self._keys.current.proof(begin))
            dropped += begin.position - seals.begin.position
            seals = self._store.seals()
        if dropped:
            facts: dict[str, Json] = {"entries": dropped, "through": seals.begin.position, "before": before.isoformat()}
            self._store.append([Event(kind="journal.dropped", at=now, subject="journal", facts=facts)])
            _log.info("journal.dropped entries=%s through=%s", dropped, seals.begin)

    def _droppable(self, seals: Seals, before: datetime) -> Mark | None:
        """How far the next page may be dropped; None when nothing of it may."""
        read_through = self._read_through()
        page = self._store.entries(after=seals.begin.position, limit=_PAGE)
        old = [one for one in _older(page, before) if one.position <= read_through]
        if not old:
            return None
        if not self._keys.vouches(seals.begin, seals.begin_proof):
            self._raise_trouble("the journal's begin was moved by somebody without the key; nothing is dropped")
            return None
        follower = Follower(self._keys, seals.begin)
        found = follower.follow(old) or follower.suspected()
        if found is not None:
            self._raise_trouble(f"nothing is dropped from the journal before it was looked at: {found.detail}")
            return None
        return Mark(position=old[-1].position, link=old[-1].link)


def _older(entries: Sequence[Entry], before: datetime) -> list[Entry]:
    """Those at the begin that are older than `before`; of one that comes later than a newer one nothing is said."""
    end = next((number for number, one in enumerate(entries) if not _is_older(one, before)), len(entries))
    return list(entries[:end])


def _is_older(entry: Entry, before: datetime) -> bool:
    return isinstance(entry.at, float) and entry.at < before.timestamp()


def month_before(now: datetime, months: int) -> datetime:
    """The beginning of the month that lies `months` before that of `now`, in UTC."""
    there = now.astimezone(UTC)
    number = there.year * 12 + there.month - 1 - months
    return datetime(number // 12, number % 12 + 1, 1, tzinfo=UTC)
