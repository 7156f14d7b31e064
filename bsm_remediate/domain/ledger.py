"""The ledger's entries: how each service and component stands, as the journal keeps it (DESIGN 7).

There is one only where something changes. What an outage costs stands in it as a curve, for the bundle's prices may be
others by the time that somebody adds it up, and a calendar may begin while no engine looks.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeAlias

from bsm_remediate.domain.event import Event, Json
from bsm_remediate.domain.ids import NodeId
from bsm_remediate.domain.loss_curve import LossCurve
from bsm_remediate.domain.state import State

SUBJECT = "ledger"
"""Of all these events, so that the report finds them by the journal's index among everything else."""
KEPT = "ledger.kept"
SERVICE = "service.changed"
COMPONENT = "component.changed"

NOTHING = LossCurve(0.0)


@dataclass(frozen=True, kw_only=True, slots=True)
class ServiceEntry:
    """How a service stands from `at` on, until its next entry."""

    at: datetime
    service: NodeId
    state: State
    loss_per_minute: float = 0.0
    """Money at `at`, whatever the goal weighs."""
    curve: LossCurve = NOTHING
    """Money lost by each second after `at`; what it begins with is lost at once."""
    causes: tuple[NodeId, ...] = ()
    """Sorted: what matters is who, not in which order they are suspected."""
    began_at: datetime | None = None
    """When the first alert about a cause began."""
    received_at: datetime | None = None
    """When that alert came."""
    since: datetime | None = None
    """When the outage began, where its cost depends on that."""
    bundle: str = ""
    """Digest of the bundle that the curve is by."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ComponentEntry:
    """How a component stands from `at` on, until its next entry."""

    at: datetime
    component: NodeId
    state: State
    own: State = State.OK
    """Its own, without what it requires."""
    began_at: datetime | None = None
    received_at: datetime | None = None


Entry: TypeAlias = ServiceEntry | ComponentEntry


def kept_event(at: datetime) -> Event:
    """An engine begins to keep the ledger, or still does. Of the time before the first event nothing is known."""
    return Event(kind=KEPT, at=at, subject=SUBJECT)


def entry_event(entry: Entry) -> Event:
    """As the journal keeps it."""
    if isinstance(entry, ServiceEntry):
        return Event(kind=SERVICE, at=entry.at, subject=SUBJECT, facts=_service_facts(entry))
    facts: dict[str, Json] = {"component": entry.component, "state": entry.state.value, "own": entry.own.value}
    return Event(kind=COMPONENT, at=entry.at, subject=SUBJECT, facts={**facts, **_times(entry)})


def entry_of(event: Event) -> Entry | None:
    """The entry that an event tells of; None for events of other kinds."""
    facts: Mapping[str, Any] = event.facts
    if event.kind == SERVICE:
        curve = facts.get("curve")
        return ServiceEntry(
            at=event.at,
            service=NodeId(facts["service"]),
            state=State(facts["state"]),
            loss_per_minute=facts["loss_per_minute"],
            curve=LossCurve(curve["rate"], tuple(curve["seconds"]), tuple(curve["lost"]))
            if curve is not None
            else LossCurve(facts["loss_per_minute"] / 60),
            causes=tuple(NodeId(one) for one in facts["causes"]),
            began_at=_time(facts.get("began_at")),
            received_at=_time(facts.get("received_at")),
            since=_time(facts.get("since")),
            bundle=facts["bundle"],
        )
    if event.kind == COMPONENT:
        return ComponentEntry(
            at=event.at,
            component=NodeId(facts["component"]),
            state=State(facts["state"]),
            own=State(facts["own"]),
            began_at=_time(facts.get("began_at")),
            received_at=_time(facts.get("received_at")),
        )
    return None


def _service_facts(entry: ServiceEntry) -> dict[str, Json]:
    facts: dict[str, Json] = {
        "service": entry.service,
        "state": entry.state.value,
        "loss_per_minute": entry.loss_per_minute,
        "causes": list(entry.causes),
        **_times(entry),
        "bundle": entry.bundle,
    }
    if entry.since is not None:
        facts["since"] = entry.since.isoformat()
    if entry.curve != LossCurve(entry.loss_per_minute / 60):
        curve = entry.curve
        facts["curve"] = {"rate": curve.rate, "seconds": list(curve.seconds), "lost": list(curve.lost)}
    return facts


def _times(entry: Entry) -> dict[str, Json]:
    times = {"began_at": entry.began_at, "received_at": entry.received_at}
    return {name: moment.isoformat() for name, moment in times.items() if moment is not None}


def _time(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text is not None else None
