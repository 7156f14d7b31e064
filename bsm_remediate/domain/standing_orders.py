"""What people have ordered for a time, and the guards that keep to it: maintenance, pauses, freezes (DESIGN 5.7)."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from bsm_remediate.domain.bundle import Bundle
from bsm_remediate.domain.case import Case
from bsm_remediate.domain.decision import Decision, Verdict
from bsm_remediate.domain.ids import NodeId
from bsm_remediate.domain.run import Run
from bsm_remediate.domain.scope import scope_of_case, scope_of_run
from bsm_remediate.domain.situation import Hold, MaintenanceWindow, Pause
from bsm_remediate.domain.state import State


def in_maintenance(
    windows: Iterable[MaintenanceWindow], bundle: Bundle, now: datetime, covered: dict[str, tuple[NodeId, ...]]
) -> dict[NodeId, MaintenanceWindow]:
    """The components and services that `windows` cover at `now`, and by which. `covered` remembers what each target of
    this bundle covers.
    """
    found: dict[NodeId, MaintenanceWindow] = {}
    for window in windows:
        if is_open(window, bundle, now):
            if window.target not in covered:
                covered[window.target] = covered_by(window.target, bundle)
            for node in covered[window.target]:
                found.setdefault(node, window)
    return found


def is_open(window: MaintenanceWindow, bundle: Bundle, now: datetime) -> bool:
    """Whether it is in force: its start counts, its end doesn't. One by a calendar that the bundle doesn't have any
    more holds from its start to its end: who took the calendar away didn't say that the work is done.
    """
    if now < window.since or (window.until is not None and now >= window.until):
        return False
    calendar = bundle.calendars.get(window.calendar) if window.calendar else None
    return calendar is None or calendar.is_in_force(now)


def is_over(window: MaintenanceWindow, now: datetime) -> bool:
    return window.until is not None and window.until <= now


def covered_by(target: str, bundle: Bundle) -> tuple[NodeId, ...]:
    """The nodes that a window of `target`, a component, set, pool, host or service, covers; empty: there is no such
    thing. A host stands for its components; a service for itself and for what nothing else needs.
    """
    service_map = bundle.service_map
    node = NodeId(target)
    if node in service_map.components:
        return (node,)
    if node in service_map.services:
        return (node, *_only_of(node, bundle))
    if target in bundle.sets:
        return bundle.sets[target]
    return tuple(one.id for one in service_map.components.values() if one.host == target)


def _only_of(service: NodeId, bundle: Bundle) -> list[NodeId]:
    """The components that nothing but `service` needs."""
    service_map = bundle.service_map
    needed_by: dict[NodeId, set[NodeId]] = {}
    for node in (*service_map.components, *service_map.services):
        gate = service_map.requires(node)
        for child in gate.nodes() if gate is not None else ():
            needed_by.setdefault(child, set()).add(node)
    mine = {service}
    is_growing = True
    while is_growing:
        more = {node for node, users in needed_by.items() if node not in mine and users <= mine}
        mine |= {node for node in more if node in service_map.components}
        is_growing = bool(more & service_map.components.keys())
    return sorted(mine - {service})


class Maintenance:
    def check(self, case: Case) -> Decision | None:
        if case.scene.impact.own.get(case.component.id) is not State.MAINTENANCE:
            return None
        window = case.scene.maintenance.get(case.component.id)
        if window is None:
            return case.decided(Verdict.MAINTENANCE, f"{case.component.id} is in maintenance")
        until = f" until {window.until:%H:%M}" if window.until else ""
        what = (
            window.target
            if window.target == case.component.id
            else f"{window.target}, and {case.component.id} with it,"
        )
        reason = f"{what} is in maintenance{until}, says {window.who}: {window.reason}"
        return case.decided(Verdict.MAINTENANCE, reason)


class Paused:
    def check(self, case: Case) -> Decision | None:
        for pause in case.scene.situation.pauses:
            if in_force(pause.until, case.scene.now) and scope_of_case(pause.scope, case):
                until = f" until {pause.until:%H:%M}" if pause.until else ""
                why = f": {pause.reason}" if pause.reason else ""
                what = f"{pause.scope} is " if pause.scope else ""
                return case.decided(Verdict.PAUSED, f"{what}paused by {pause.who}{until}{why}")
        return None


class Frozen:
    """A change freeze: restorations go on, unless their policy says `freeze: hold`; rebalancing never does."""

    def check(self, case: Case) -> Decision | None:
        if not (case.policy.holds_in_freeze or case.alternative.rebalance):
            return None
        for calendar in case.scene.freezes:
            return case.decided(Verdict.FROZEN, f"change freeze '{calendar}' is in force, {case.policy.id} keeps to it")
        return None


def ordered_against(run: Run, pauses: Iterable[Pause], holds: Iterable[Hold], bundle: Bundle, now: datetime) -> str:
    """Which order of a person stands against beginning `run`, that may have been given since it was decided."""
    for pause in pauses:
        if in_force(pause.until, now) and scope_of_run(pause.scope, run, bundle):
            return f"paused by {pause.who}"
    places = {run.component, run.host, *(lock.partition(":")[2] for lock in run.locks)}
    for hold in holds:
        if hold.target in places and in_force(hold.until, now):
            return f"{hold.who} works on {hold.target}"
    return ""


def in_force(until: datetime | None, now: datetime) -> bool:
    return until is None or now < until
