"""Planned changes over HTTP: what they are, and what people ask of them (docs/changes.md)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

from fastapi import Body, FastAPI, HTTPException, Query
from pydantic import AwareDatetime, Field

from bsm_remediate.domain.access import APPROVE, OPERATE, READ, Role
from bsm_remediate.domain.change import Change
from bsm_remediate.domain.change_document import change_row
from bsm_remediate.domain.duties import may_not_approve_change
from bsm_remediate.domain.ids import ChangeId
from bsm_remediate.engine.asking import Request
from bsm_remediate.web.controls import Asking, Name, Reasoned, Target, carried_out
from bsm_remediate.web.gate import open_to
from bsm_remediate.web.live import Live
from bsm_remediate.web.rows import event_row

_SHOWN = timedelta(days=90)
_MOST_EVENTS = 1000


class Proposal(Reasoned):
    name: Name = Field(default="", description="Of its entry in the bundle.")
    not_before: AwareDatetime | None = None
    before: AwareDatetime | None = Field(default=None, description="Over by then.")


class ChangeApproval(Reasoned):
    digest: str | None = Field(default=None, max_length=300, description="The change's, as it was looked at.")


def add_changes(api: FastAPI, live: Live) -> None:
    """The routes of changes."""
    _add_reading(api, live)
    _add_asking(api, live)


def _add_reading(api: FastAPI, live: Live) -> None:
    @api.get("/api/v1/changes", openapi_extra=open_to(READ))
    def changes(
        cursor: Annotated[int, Query(ge=0, le=2**53)] = 0, limit: Annotated[int, Query(ge=1, le=10_000)] = 1000
    ) -> dict[str, Any]:
        """Those that aren't over, and those proposed within 90 days, the newest first."""
        found = list(reversed(live.store.planned(since=datetime.now(UTC) - _SHOWN)))
        rows = [change_row(one, live.bundle.currency) for one in found[cursor : cursor + limit]]
        return {"items": rows, "next": str(cursor + limit) if cursor + limit < len(found) else None}

    @api.get("/api/v1/changes/{change_id}", openapi_extra=open_to(READ))
    def change(change_id: str) -> dict[str, Any]:
        """One with its events."""
        events = live.store.events(subject=change_id, limit=_MOST_EVENTS)
        return {
            **change_row(_known(live, change_id), live.bundle.currency),
            "events": [event_row(event) for event in events],
        }


def _add_asking(api: FastAPI, live: Live) -> None:
    @api.post("/api/v1/changes", openapi_extra=open_to(OPERATE))
    def propose(wish: Annotated[Proposal, Body()], identity: Asking) -> dict[str, Any]:
        """Pick the window of a change that loses least; 409 says why there is none."""
        limits = {"not_before": wish.not_before, "before": wish.before}
        details = {name: moment.isoformat() for name, moment in limits.items() if moment is not None}
        asked = Request(verb="change_propose", target=wish.name, reason=wish.reason, details=details)
        return carried_out(live, identity, asked)

    @api.post("/api/v1/changes/{target}/approve", openapi_extra=open_to(APPROVE))
    def approve(target: Target, wish: Annotated[ChangeApproval, Body()], identity: Asking) -> dict[str, Any]:
        """By a member of a team with that duty; above the change's limit not by who proposed it."""
        change = _known(live, target)
        planned = live.bundle.changes.get(change.name)
        if planned is None or (wish.digest is not None and wish.digest != change.digest):
            raise HTTPException(409, "it is not what was looked at any more; look at it again")
        objection = may_not_approve_change(change, planned, identity.name, live.bundle)
        if objection:
            raise HTTPException(403, objection)
        details = {"digest": wish.digest} if wish.digest is not None else {}
        asked = Request(verb="change_approve", target=target, reason=wish.reason, details=details)
        return carried_out(live, identity, asked)

    def add(path: str, verb: str, roles: frozenset[Role]) -> None:
        place = f"/api/v1/changes/{{target}}/{path}"

        @api.post(place, name=f"{verb} {place}", openapi_extra=open_to(roles))
        def control(target: Target, wish: Annotated[Reasoned, Body()], identity: Asking) -> dict[str, Any]:
            _known(live, target)
            return carried_out(live, identity, Request(verb=verb, target=target, reason=wish.reason))

    add("dry-run", "change_check", OPERATE)
    add("reject", "change_reject", APPROVE)
    add("withdraw", "change_withdraw", OPERATE)
    add("review", "change_review", OPERATE)


def _known(live: Live, change_id: str) -> Change:
    found = live.store.change(ChangeId(change_id))
    if found is None:
        raise HTTPException(404, "there is no such change")
    return found
