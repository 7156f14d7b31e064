"""The run of a planned change: a run like any other, with its locks, its fence and its guard process. What differs: it
isn't about an alert, nothing is looked at beforehand, and what it disturbs is in maintenance for as long as it lasts.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime, timedelta

from bsm_remediate.domain.bundle import Bundle
from bsm_remediate.domain.change import Change
from bsm_remediate.domain.ids import ChangeId, PolicyId
from bsm_remediate.domain.planned_change import PlannedChange
from bsm_remediate.domain.run import Run, RunState
from bsm_remediate.domain.situation import MaintenanceWindow
from bsm_remediate.domain.work_order import WorkOrder, play_of, written_check

_POLICY = "change:"
"""Before the name of the change in `Run.policy`; no policy has such an id."""


def change_of(run: Run) -> ChangeId | None:
    """The change that `run` carries out; None: it is no change's."""
    return ChangeId(run.remediation) if run.policy.startswith(_POLICY) else None


def hosts_of(planned: PlannedChange, bundle: Bundle) -> tuple[str, ...]:
    """Where its playbook runs."""
    place = bundle.service_map.components[planned.on].host
    return tuple(dict.fromkeys(place if host == "self" else host for host in planned.do.hosts))


def locks_of_change(planned: PlannedChange, bundle: Bundle) -> tuple[str, ...]:
    """Names of everything that its run keeps to itself, sorted."""
    components = bundle.service_map.components
    disturbed = [components[node] for node in planned.components]
    only_places = {one.host for one in (components[planned.on], *disturbed) if not one.lock_host}
    hosts = ({one.host for one in disturbed} | set(hosts_of(planned, bundle))) - only_places
    return tuple(sorted([f"component:{one.id}" for one in disturbed] + [f"host:{host}" for host in hosts]))


def run_of_change(change: Change, planned: PlannedChange, bundle: Bundle, now: datetime) -> Run:
    """Reserved now, to begin at once."""
    slot = change.slot
    costs = f"expected to cost {slot.expected:.2f} {bundle.currency}" if slot is not None else "without a window"
    who = change.approved.who if change.approved is not None else "nobody"
    return Run(
        id=change.next_run,
        remediation=change.id,
        component=planned.on,
        host=bundle.service_map.components[planned.on].host,
        policy=PolicyId(f"{_POLICY}{planned.name}"),
        playbook=planned.do.playbook,
        alternative=0,
        state=RunState.QUEUED,
        reason=f"planned change {change.id}, approved by {who}, {costs}",
        expected_duration_s=planned.do.duration.total_seconds(),
        planned_at=now,
        once=planned.do.once,
        bundle=bundle.digest,
        digest=change.digest,
        approved_by=change.approved.who if change.approved is not None else None,
        locks=locks_of_change(planned, bundle),
    )


def order_of_change(planned: PlannedChange, bundle: Bundle) -> WorkOrder:
    """What its run is to do. Raises `RemediationError` for a template that can't be filled in."""
    component = bundle.service_map.components[planned.on]
    undo = planned.do.rollback
    return WorkOrder(
        play=play_of(planned.do, component),
        rollback=play_of(undo, component) if undo is not None else None,
        component=replace(component, requires=None, match=()),
        hosts=hosts_of(planned, bundle),
        checks=tuple(written_check(check, component) for check in planned.verify),
        resolve_within=timedelta(0),
        is_last=False,
        team=bundle.teams.get(planned.owner) if planned.owner is not None else None,
        is_change=True,
    )


def maintenance_of(runs: Iterable[Run]) -> tuple[MaintenanceWindow, ...]:
    """What changes under way keep in maintenance. It follows from their runs, so that it begins and ends with them
    whatever becomes of the engine.
    """
    return tuple(
        MaintenanceWindow(
            id=run.id,
            target=node,
            who=run.approved_by or "the engine",
            reason=f"{run.policy.removeprefix(_POLICY)}, a planned change",
            since=run.planned_at,
        )
        for run in runs
        if run.state.holds_locks and change_of(run) is not None
        for node in run.disturbs
    )
