"""Whom a review asks: the teams that what failed belongs to, and the questions that are open."""

from __future__ import annotations

from collections.abc import Sequence

from bsm_remediate.domain.account import Account
from bsm_remediate.domain.bundle import Bundle, Team
from bsm_remediate.domain.event import Json
from bsm_remediate.domain.ids import NodeId
from bsm_remediate.domain.incident import lost_in, node_of
from bsm_remediate.domain.review_causes import all_restorers
from bsm_remediate.domain.review_findings import Finding

_MOST_NAMED = 5


def people_rows(account: Account) -> list[Json]:
    """The teams that what failed belongs to, with who was on call when it began and who is now."""
    owned: dict[str, list[NodeId]] = {}
    failed = [node_of(one) for one in account.incident.outages]
    for node in dict.fromkeys(failed):
        team = _owner(node, account.bundle)
        if team is not None:
            owned.setdefault(team.name, []).append(node)
    found: list[Json] = []
    for name, nodes in sorted(owned.items()):
        team = account.bundle.teams[name]
        found.append(
            {
                "team": name,
                "duties": list(team.duties),
                "members": list(team.members),
                "on_call_then": team.on_call_person(account.incident.begin),
                "on_call_now": team.on_call_person(account.now),
                "owns": list(nodes[:_MOST_NAMED]),
                "owns_more": max(len(nodes) - _MOST_NAMED, 0),
            }
        )
    return found


def _owner(about: str, bundle: Bundle) -> Team | None:
    """The team that looks after a component, a service, or what a policy is about: the approvers of a policy."""
    node = NodeId(about)
    if node in bundle.service_map.components:
        owner = bundle.service_map.components[node].owner
    elif node in bundle.service_map.services:
        owner = bundle.service_map.services[node].owner
    else:
        policy = next((one for one in bundle.policies.values() if one.id == about), None)
        owner = next(iter(policy.guard.approvers), None) if policy is not None else None
    return bundle.teams.get(owner) if owner is not None else None


def question_rows(found: Sequence[Finding], account: Account) -> list[Json]:
    """For people: each with whom it is up to, where the bundle says so."""
    first = [
        ("Who noticed it first, the engine, a customer or a colleague?", ""),
        ("Is the loss told here what the business really lost?", next(iter(_lost_services(account)), "")),
        ("What would have prevented it?", next(iter(all_restorers(account)), "")),
    ]
    asked = [*first, *((one.question, one.about) for one in found)]
    questions: list[Json] = []
    for question, about in dict(asked).items():
        team = _owner(about, account.bundle) or _fallback(account)
        questions.append({"question": question, "team": team.name if team is not None else None})
    return questions


def _fallback(account: Account) -> Team | None:
    """Who owns the costliest service that has an owner."""
    owners = (_owner(one, account.bundle) for one in _lost_services(account))
    return next((one for one in owners if one is not None), None)


def _lost_services(account: Account) -> list[NodeId]:
    ranked = sorted(account.incident.services, key=lambda one: (-lost_in(one, account.until), node_of(one)))
    return [node_of(one) for one in ranked]
