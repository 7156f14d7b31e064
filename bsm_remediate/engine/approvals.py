"""Approvals that nobody answers: the person on call is told, once; the approval stays open until its signal ends."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime

from bsm_remediate.domain.approval import unanswered
from bsm_remediate.domain.bundle import Bundle
from bsm_remediate.domain.duration import format_duration
from bsm_remediate.domain.event import Event
from bsm_remediate.domain.run import Run
from bsm_remediate.engine.run_journal import RunRecords

_log = logging.getLogger(__name__)


def escalate_unanswered(runs: Iterable[Run], *, bundle: Bundle, records: RunRecords, now: datetime) -> None:
    """Write down, and tell, which of `runs` have waited for too long."""
    for run in unanswered(runs, bundle, now):
        teams = _whom_to_tell(run, bundle)
        told = [
            f"{person}, on call for {team}"
            for team in teams
            if (person := bundle.teams[team].on_call_person(now)) is not None
        ]
        who = " and ".join(told) or "a person"
        waited = format_duration(now - run.planned_at)
        facts = {
            "component": run.component,
            "policy": run.policy,
            "reason": f"nobody has answered for {waited}: {who} must decide",
        }
        event = Event(kind="run.approval_escalated", at=now, subject=run.id, facts=facts)
        records.update(replace(run, escalated_at=now), [event])
        _log.warning("run.approval_escalated run=%s component=%s waited=%s", run.id, run.component, waited)


def _whom_to_tell(run: Run, bundle: Bundle) -> list[str]:
    """The teams that may approve, else the one that the component belongs to."""
    policy = bundle.policies.get(run.policy)
    component = bundle.service_map.components.get(run.component)
    owner = (component.owner,) if component is not None and component.owner is not None else ()
    approvers = policy.guard.approvers if policy is not None else ()
    return [team for team in approvers or owner if team in bundle.teams]
