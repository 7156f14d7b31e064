"""What the sources list by themselves: it mends lost webhooks both ways, knows silences, and tells when monitoring
can't be relied on (DESIGN 5.6).

Readings are made each minute in threads of their own; the tick takes over what has arrived. Right before an act the
engine looks again.
"""

from __future__ import annotations

import logging
import queue
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from bsm_remediate.domain.alert import Alert, AlertKey
from bsm_remediate.domain.bundle import Watchdog
from bsm_remediate.domain.duration import format_duration
from bsm_remediate.domain.listing import Listing
from bsm_remediate.engine.picture import Picture
from bsm_remediate.engine.under_way import Spawn
from bsm_remediate.errors import SourceUnreachable
from bsm_remediate.ports import AlertSource, Clock
from bsm_remediate.records import AlertLog

_log = logging.getLogger(__name__)

EVERY = timedelta(minutes=1)
_FRESH = timedelta(seconds=5)
"""A reading of that age is good enough right before an act."""
_TRUSTED = timedelta(minutes=5)
"""So long the last reading speaks for a source that doesn't answer any more."""
_CHUNK = 2_000


@dataclass(slots=True)
class _Known:
    """What is known of one source."""

    source: AlertSource
    listing: Listing | None = None
    asked_at: datetime | None = None
    is_asked: bool = False
    """Whether a reading is under way."""
    is_wanted: bool = False
    """Whether one is wanted at once."""
    failure: str = ""
    """Of the last reading."""

    def is_due(self, now: datetime) -> bool:
        if self.is_asked:
            return False
        return self.is_wanted or self.asked_at is None or now - self.asked_at >= EVERY

    def doubt(self, now: datetime) -> str:
        if self.listing is not None and now - self.listing.asked_at < _TRUSTED:
            return ""
        if not self.failure:
            return ""
        if self.listing is None:
            return f"the list of {self.source.name} could not be read yet: {self.failure}"
        ago = format_duration(now - self.listing.asked_at)
        return f"the list of {self.source.name} was read {ago} ago: {self.failure}"


class Monitoring:
    """All configured sources. Its methods are called by the tick, save `want`."""

    def __init__(
        self, sources: Sequence[AlertSource], *, clock: Clock, spawn: Spawn, arrived: Callable[[], None]
    ) -> None:
        self._known = {source.name: _Known(source) for source in sources}
        self._clock = clock
        self._spawn = spawn
        self._tell = arrived
        self._arrived: queue.SimpleQueue[tuple[_Known, Listing | str]] = queue.SimpleQueue()
        self._started_at = clock.now()
        self.suppressed: Mapping[AlertKey, str] = {}
        """Silenced or inhibited alert → by what."""

    @property
    def is_complete(self) -> bool:
        """Whether each source was read, or tried, since the start: the engine acts only then."""
        return all(one.listing is not None or one.failure for one in self._known.values())

    def want(self, source: str) -> None:
        """Read that source at the next tick: its webhook left something out. Safe from any thread."""
        if source in self._known:
            self._known[source].is_wanted = True

    def suppressed_now(self, picture: Picture) -> Mapping[AlertKey, str]:
        """What was listed as silenced or inhibited, save what has begun anew since: nobody has said so of that."""
        if not self.suppressed:
            return self.suppressed
        listed_at = {name: one.listing.asked_at for name, one in self._known.items() if one.listing is not None}
        return {
            alert.key: self.suppressed[alert.key]
            for alert in picture.firing(self.suppressed)
            if alert.starts_at <= listed_at[alert.source]
        }

    def still_suppressed(self, keys: Sequence[AlertKey]) -> tuple[Alert, ...]:
        """Those of `keys` that their sources last listed as silenced or inhibited."""
        wanted = {key for key in keys if key in self.suppressed}
        listings = [one.listing for one in self._known.values() if one.listing is not None] if wanted else []
        return tuple(alert for listing in listings for alert in listing.alerts if alert.key in wanted)

    def refresh(self, log: AlertLog, picture: Picture, *, touched_within: timedelta) -> bool:
        """Start the readings that are due and take over those that arrived; whether any alert changed.

        `touched_within`: an unchanged alert that was heard of within it isn't written again.
        """
        now = self._clock.now()
        for known in self._known.values():
            if known.is_due(now):
                known.is_asked, known.is_wanted, known.asked_at = True, False, now
                self._spawn(lambda one=known: self._read(one), f"source-{known.source.name}")  # type: ignore[misc]
        wrote = False
        while True:
            try:
                known, found = self._arrived.get_nowait()
            except queue.Empty:
                return wrote
            known.is_asked = False
            wrote = self._take(known, found, log, picture, touched_within) or wrote

    def look_again(self, keys: Sequence[AlertKey], log: AlertLog, picture: Picture) -> bool:
        """Right before acting on the alerts `keys`: read, in this thread, the sources that weren't read just now and
        after those came in; whether anything looks different.
        """
        came_in = max((alert.received_at for alert in picture.firing(keys)), default=self._started_at)
        before = self.suppressed
        wrote = False
        for known in self._known.values():
            now = self._clock.now()
            listing = known.listing
            if listing is not None and listing.asked_at > came_in and now - listing.asked_at < _FRESH:
                continue
            if known.failure and known.asked_at is not None and now - known.asked_at < _FRESH:
                continue  # it doesn't answer; waiting for it again would only delay
            known.asked_at = now
            wrote = self._take(known, self._ask(known), log, picture, EVERY) or wrote
        return wrote or self.suppressed != before

    def doubt(self, watchdog: Watchdog | None, picture: Picture) -> str:
        """Why monitoring can't be relied on now; empty when it can."""
        now = self._clock.now()
        doubts = [one.doubt(now) for one in self._known.values()]
        if watchdog is not None:
            doubts.append(self._missing(watchdog, picture, now))
        return "; ".join(one for one in doubts if one)

    def _missing(self, watchdog: Watchdog, picture: Picture, now: datetime) -> str:
        beats = [
            max(alert.received_at, picture.last_seen.get(alert.key, alert.received_at)) for alert in picture.heartbeats
        ]
        silent_for = now - max([self._started_at, *beats])
        if silent_for <= watchdog.within:
            return ""
        since = f"for {format_duration(silent_for)}" if beats else "since it ended or the start"
        return f"the heartbeat {watchdog.alertname} is missing {since}"

    # --- reading ---------------------------------------------------------------------------------------------------

    def _read(self, known: _Known) -> None:
        self._arrived.put((known, self._ask(known)))
        self._tell()

    @staticmethod
    def _ask(known: _Known) -> Listing | str:
        try:
            return known.source.listing()
        except SourceUnreachable as error:
            return str(error.args[0])
        except Exception as error:  # noqa: BLE001 - an answer nobody thought of must not end the readings
            _log.exception("source.reading_failed source=%s", known.source.name)
            return type(error).__name__

    def _take(
        self, known: _Known, found: Listing | str, log: AlertLog, picture: Picture, touched_within: timedelta
    ) -> bool:
        if isinstance(found, str):
            if not known.failure:
                _log.warning("source.unreachable source=%s: %s", known.source.name, found)
            known.failure = found
            return False
        known.listing, known.failure = found, ""
        self.suppressed = {
            key: why
            for one in self._known.values()
            if one.listing is not None
            for key, why in one.listing.suppressed.items()
        }
        # What was heard of while the list was being read isn't contradicted by it.
        heard = log.heard_since(found.asked_at)
        news = [
            alert
            for alert in (*found.alerts, *found.gone(picture.alerts, picture.last_seen))
            if alert.key not in heard and not _is_known(alert, picture, touched_within)
        ]
        changed = 0
        for start in range(0, len(news), _CHUNK):
            changed += log.record(news[start : start + _CHUNK]).new
        return changed > 0


def _is_known(alert: Alert, picture: Picture, touched_within: timedelta) -> bool:
    """Whether writing it would change nothing that matters."""
    known = next(iter(picture.firing([alert.key])), None)
    if known is None or not alert.is_firing or known.starts_at < alert.starts_at:
        return False
    seen = max(known.received_at, picture.last_seen.get(known.key, known.received_at))
    if alert.received_at - seen >= touched_within:
        return False
    return known.labels == alert.labels and known.annotations == alert.annotations
