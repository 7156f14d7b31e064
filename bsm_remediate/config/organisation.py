"""Goals and teams: from their sections to domain values."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from bsm_remediate.config.calendars import read_zone
from bsm_remediate.config.draft import Draft
from bsm_remediate.config.organisation_schema import GoalSection, TeamSection
from bsm_remediate.domain.bundle import DEFAULT_GOAL, Goal, Team
from bsm_remediate.domain.on_call import OnCall
from bsm_remediate.domain.policy import Policy
from bsm_remediate.domain.service_map import ServiceMap


def read_goals(draft: Draft, service_map: ServiceMap) -> dict[str, Goal]:
    """The goals; the default one is always there."""
    goals = {DEFAULT_GOAL: Goal(name=DEFAULT_GOAL)}
    functions = {one.function for one in service_map.services.values() if one.function}
    for name, entry in draft.entries("goals"):
        section = draft.validated(GoalSection, entry)
        if section is None:
            continue
        for function, weight in section.weights.items():
            place = entry.place("weights", function, of_key=True)
            if weight < 0:
                draft.add(place.error("bad-value", f"{weight:g} is no weight: it must not be negative"))
            if functions and function not in functions:
                message = f"no service has the function '{function}'"
                draft.add(place.warning("unused-function", message, draft.nearest(function, functions)))
        goals[name] = Goal(name=name, weights=section.weights)
    return goals


def read_teams(draft: Draft) -> dict[str, Team]:
    """The teams with their rotations."""
    teams = {}
    for name, entry in draft.entries("teams"):
        section = draft.validated(TeamSection, entry)
        if section is None:
            continue
        on_call = None
        if section.on_call is not None:
            zone = read_zone(draft, entry, section.on_call.timezone, "on_call") or ZoneInfo("UTC")
            start = datetime.combine(section.on_call.start, section.on_call.at, tzinfo=zone).astimezone(UTC)
            on_call = OnCall(
                rotation=tuple(section.on_call.rotation),
                every=section.on_call.every,
                start=start,
                timezone=zone.key,
            )
            for number, person in enumerate(section.on_call.rotation):
                draft.known(entry.place("on_call", "rotation", number), person, section.members, "member")
        teams[name] = Team(
            name=name,
            members=tuple(section.members),
            on_call=on_call,
            duties=tuple(section.duties),
        )
    return teams


def know_duties(draft: Draft, policies: Iterable[Policy], teams: Mapping[str, Team]) -> None:
    """A finding for each approver of a policy that names duties, but not that one."""
    for policy in policies:
        for name in policy.guard.approvers:
            if name in teams and not teams[name].may_approve_runs:
                message = f"team '{name}' approves runs of '{policy.id}', but hasn't the duty"
                place = draft.named["teams"][name].place("duties")
                draft.add(place.error("no-duty", message, "duties: [approver]"))
