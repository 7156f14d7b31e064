"""What people ask for: as a request to a server, and what is made of the reply."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from bsm_remediate.engine.asking import ANSWER_WITHIN_S, KEPT_BY_ALL, Reply, Request
from bsm_remediate.errors import NotReachable, RemediationError

Row = dict[str, Any]
_OF_RUNS = frozenset({"approve", "reject", "check", "cancel"})
_OF_CHANGES = {
    "change_check": "dry-run",
    "change_approve": "approve",
    "change_reject": "reject",
    "change_withdraw": "withdraw",
    "change_review": "review",
}
_STOP_IT = "stop that engine, or put a file PAUSED into its state directory"


def posted(request: Request) -> tuple[str, Row]:
    """Path and body of `request` (DESIGN 7)."""
    target = quote(request.target, safe="")
    body: Row = {"reason": request.reason}
    details = request.details
    if request.verb in _OF_RUNS:
        return f"/api/v1/runs/{target}/{request.verb}", {**body, **details}
    if request.verb == "resolve":
        return f"/api/v1/alerts/{target}/resolve", body
    if request.verb == "pause":
        is_cancelling = details.get("cancel_running") == "yes"
        scope = details.get("scope", "")
        body = {**body, "for": request.length, "scope": scope, "cancel_running": is_cancelling}
        return "/api/v1/pause", body
    if request.verb == "resume":
        return "/api/v1/resume", {**body, **details}
    if request.verb == "change_propose":
        return "/api/v1/changes", {**body, "name": request.target, **details}
    if request.verb in _OF_CHANGES:
        return f"/api/v1/changes/{target}/{_OF_CHANGES[request.verb]}", {**body, **details}
    if request.verb == "end_maintenance":
        return f"/api/v1/maintenance/{target}/end", body
    body = {**body, "target": request.target, "for": request.length}
    if request.verb != "maintain":
        return f"/api/v1/{request.verb}", body
    moments = {"from": request.begins, "until": request.until}
    said = {name: moment.isoformat() for name, moment in moments.items() if moment is not None}
    return "/api/v1/maintenance", {**body, **details, **said}


def told(request: Request, reply: Reply) -> str:
    """What to tell whoever asked. Raises `RemediationError` where it was refused, `NotReachable` where it is not sure
    that it holds everywhere.
    """
    if reply.done is False:
        raise RemediationError(reply.text)
    if reply.done is None:
        if request.verb in KEPT_BY_ALL:
            raise NotReachable(f"asked, but no engine has answered within {ANSWER_WITHIN_S:.0f} s", hint=_STOP_IT)
        return "asked; the engine has not answered yet"
    if reply.behind:
        behind = ", ".join(reply.behind)
        raise NotReachable(f"{reply.text}, but not yet known to be kept to by {behind}", hint=_STOP_IT)
    return reply.text or ""
