"""What people are told of the past: objectives that burn, and the weekly report. Both are worked out in a
thread of their own.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

from bsm_remediate.domain.bundle import Bundle
from bsm_remediate.domain.ids import NodeId
from bsm_remediate.domain.message import Message
from bsm_remediate.domain.standing_notices import Burns
from bsm_remediate.domain.statistics import BURN_WINDOWS, attainment
from bsm_remediate.domain.weekly_report import WEEK, latest_due, weekly_body, weekly_title
from bsm_remediate.engine.ledger import ledger_history, read_statistics
from bsm_remediate.engine.telling_team import messages_to
from bsm_remediate.engine.under_way import Spawn
from bsm_remediate.errors import StoreUnavailable
from bsm_remediate.records import Store

_log = logging.getLogger(__name__)

EVERY = timedelta(minutes=1)


class Week:
    """Its methods are called by the tick; what takes long is answered at a later one."""

    def __init__(self, store: Store, *, spawn: Spawn, arrived: Callable[[], None]) -> None:
        self._store = store
        self._spawn = spawn
        self._arrived = arrived
        self._burns: Burns = {}
        self._looked_at: datetime | None = None
        self._is_busy = False
        self._made: Sequence[Message] = ()
        self._reported: datetime | None = None

    def burns(self, bundle: Bundle, now: datetime) -> Burns:
        """As they were last worked out, at most a minute or two ago."""
        has_objectives = any(one.availability is not None for one in bundle.service_map.services.values())
        if not has_objectives:
            return {}
        if not self._is_busy and (self._looked_at is None or abs(now - self._looked_at) >= EVERY):
            self._looked_at = now
            self._begin(lambda: self._work_out(bundle, now), "notify-objectives")
        return self._burns

    def reports(self, bundle: Bundle, now: datetime) -> Sequence[Message]:
        """Those that are to be written; `reported` says that they were."""
        weekly = bundle.settings.notify.weekly_report
        due = latest_due(weekly, now) if weekly is not None else None
        if weekly is None or due is None or due == self._reported:
            return ()
        if not self._made and not self._is_busy:
            team = weekly.team
            self._begin(lambda: self._make(bundle, team, due, now), "notify-week")
        return self._made

    def reported(self, messages: Sequence[Message], bundle: Bundle, now: datetime) -> None:
        """`messages` are in the outbox."""
        weekly = bundle.settings.notify.weekly_report
        if messages and weekly is not None:
            self._made, self._reported = (), latest_due(weekly, now)

    def _begin(self, work: Callable[[], None], name: str) -> None:
        self._is_busy = True

        def guarded() -> None:
            try:
                work()
            except StoreUnavailable as error:
                _log.warning("notice.past_unknown: %s", error)
            finally:
                self._is_busy = False
                self._arrived()

        self._spawn(guarded, name)

    def _work_out(self, bundle: Bundle, now: datetime) -> None:
        history = ledger_history(self._store, since=now - max(BURN_WINDOWS.values()), until=now)
        spans, since = history.services, history.recorded_since
        found: dict[NodeId, dict[str, float | None]] = {}
        for node, service in bundle.service_map.services.items():
            if service.availability is None or since is None or node not in spans:
                continue
            measured = attainment(
                spans[node],
                objective=service.availability,
                window=service.window,
                until=now,
                recorded_since=since,
            )
            # A window that the journal doesn't reach back to would make a short outage look like a long one.
            known = {name for name, length in BURN_WINDOWS.items() if now - since >= length}
            found[node] = {name: rate for name, rate in measured.burn_rates.items() if name in known}
        self._burns = found

    def _make(self, bundle: Bundle, team: str, due: datetime, now: datetime) -> None:
        since = due - WEEK
        document = read_statistics(self._store, bundle, since=since, until=due)
        recorded_since = document["recorded_since"]
        if recorded_since is None or datetime.fromisoformat(str(recorded_since)) >= due:
            self._reported = due  # of that week nothing is known: the engine is new
            return
        self._made = messages_to(
            bundle.routes,
            team=team,
            subject=f"week-{due:%Y-%m-%d}",
            title=weekly_title(document, bundle.currency),
            body=weekly_body(document, bundle.currency, since=since, until=due),
            now=now,
        )
