"""Incidents and their reviews, read from the store: the ledger, the runs, sealed events and alerts of their time."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

from bsm_remediate.domain.account import Gathering
from bsm_remediate.domain.bundle import Bundle
from bsm_remediate.domain.event import Event, Json
from bsm_remediate.domain.ids import RunId
from bsm_remediate.domain.incident import Incident, find_incident, incidents, requirements
from bsm_remediate.domain.review import incident_row, review_document
from bsm_remediate.engine.ledger import ledger_history
from bsm_remediate.engine.statistics_keeper import ALWAYS
from bsm_remediate.records import EventLog, Store

LATEST = "latest"
_PAGE = 5_000
_LATE = timedelta(minutes=5)
"""The journal is in the order of sealing: an event may stand that much behind later ones."""
_UNREADABLE = "journal.unreadable"
_TRIED = 10
"""Entries looked at for one that says its time."""


def read_incidents(store: Store, bundle: Bundle, *, since: datetime, until: datetime) -> list[dict[str, Json]]:
    """Rows of the incidents that lasted at some time from `since` to `until`, newest first."""
    found = [one for one in _incidents(store, bundle) if one.begin <= until and (one.end is None or one.end >= since)]
    runs = store.runs(since=min(one.begin for one in found)) if found else ()
    return [incident_row(one, runs, now=until) for one in reversed(found)]


def read_review(store: Store, bundle: Bundle, name: str, *, now: datetime) -> dict[str, Json] | None:
    """The review of the incident of that id, or during which that run was made, or of the `latest` in which a service
    was lost (of the latest at all where none ever was); None when there is none.
    """
    incident = _named(store, _incidents(store, bundle), name)
    if incident is None:
        return None
    runs = tuple(incident.runs(store.runs(since=incident.begin)))
    gathering = Gathering(incident=incident, bundle=bundle, now=now, runs=runs)
    for event in _events(store, gathering.since, gathering.until):
        gathering.event(event)
    position = 0
    while True:
        alerts, position = store.received(gathering.since, gathering.until, after=position, limit=_PAGE)
        for alert in alerts:
            gathering.alert(alert)
        if not position:
            return review_document(gathering.account())


def _incidents(store: Store, bundle: Bundle) -> list[Incident]:
    return incidents(ledger_history(store, since=ALWAYS), requirements(bundle.service_map))


def _named(store: Store, found: list[Incident], name: str) -> Incident | None:
    if name == LATEST:
        costly = [one for one in found if one.services]
        return next(iter(reversed(costly or found)), None)
    incident = find_incident(found, name)
    if incident is not None:
        return incident
    run = store.run(RunId(name))
    return next((one for one in found if run is not None and one.runs([run])), None)


def _events(log: EventLog, since: datetime, until: datetime) -> Iterator[Event]:
    """Sealed events of that time, in their order."""
    position = _before(log, since - _LATE)
    while True:
        page = log.events(after=position, limit=_PAGE)
        for event in page:
            position = event.position or position
            if since <= event.at <= until:
                yield event
        if len(page) < _PAGE or page[-1].at > until + _LATE:
            return


def _before(log: EventLog, moment: datetime) -> int:
    """A position before everything from `moment` on, found by halving: the journal may be years long."""
    low, high = 0, log.latest_position()
    while low < high:
        middle = (low + high) // 2
        found = [one for one in log.events(after=middle, limit=_TRIED) if one.kind != _UNREADABLE]
        if found and found[0].at < moment:
            low = max(found[0].position or 0, middle + 1)
        else:
            high = middle
    return max(low - 1, 0)
