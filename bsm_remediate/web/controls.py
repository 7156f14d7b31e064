"""People's controls over HTTP (DESIGN 7): each is queued as the command line does it, and answered by the engine."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import Body, Depends, FastAPI, HTTPException, Path
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from bsm_remediate.adapters.system_clock import SystemClock
from bsm_remediate.domain.access import ADMINISTER, APPROVE, OPERATE, Identity, Role
from bsm_remediate.domain.approval import may_not_approve
from bsm_remediate.domain.ids import RunId
from bsm_remediate.domain.run import Run
from bsm_remediate.engine.asking import NEED_A_REASON, Request, ask
from bsm_remediate.web.gate import open_to, who_asks
from bsm_remediate.web.live import Live
from bsm_remediate.web.problem import Refusal

Target = Annotated[str, Path(max_length=300)]
Asking = Annotated[Identity, Depends(who_asks)]
Name = Annotated[str, Field(default="", max_length=300)]
Length = Annotated[str, Field(default="", alias="for", max_length=32, description="Like 1h.")]


class Reasoned(BaseModel):
    """What people say with every control."""

    model_config = ConfigDict(extra="forbid")

    reason: str = Field(default="", max_length=1000)


class Wish(Reasoned):
    """What they say with most."""

    target: Name = Field(default="", description="Component, host, policy or goal.")
    duration: Length


class Approval(Wish):
    digest: str | None = Field(default=None, max_length=300, description="The run's, as it was looked at.")


class PauseWish(Reasoned):
    scope: Name = Field(default="", description="`component:ID`, `host:NAME`, `policy:ID` or `team:NAME`; empty: all.")
    cancel_running: bool = Field(default=False, description="Whether what is under way there is stopped too.")
    duration: Length


class ResumeWish(Reasoned):
    scope: str | None = Field(default=None, max_length=300, description="Only that pause; without it all.")


class MaintenanceWish(Reasoned):
    target: Annotated[str, Field(max_length=300, description="Component, set, pool, host or service.")]
    begins: AwareDatetime | None = Field(default=None, alias="from", description="Without it now.")
    duration: Length
    until: AwareDatetime | None = None
    calendar: Name = Field(default="", description="In force only while that calendar is.")


def add_controls(api: FastAPI, live: Live) -> None:
    """Add their routes to `api`."""
    _add_plain(api, live)
    _add_pauses(api, live)
    _add_maintenance(api, live)


def _add_plain(api: FastAPI, live: Live) -> None:
    def add(verb: str, roles: frozenset[Role]) -> None:
        path = f"/api/v1/{verb}"

        @api.post(path, name=f"{verb} {path}", openapi_extra=open_to(roles))
        def control(wish: Annotated[Wish, Body()], identity: Asking) -> dict[str, Any]:
            return carried_out(live, identity, _request(verb, wish, wish.target))

    def add_for_one(kind: str, verb: str, roles: frozenset[Role]) -> None:
        path = f"/api/v1/{kind}/{{target}}/{verb}"

        @api.post(path, name=f"{verb} {path}", openapi_extra=open_to(roles))
        def control(target: Target, wish: Annotated[Wish, Body()], identity: Asking) -> dict[str, Any]:
            return carried_out(live, identity, _request(verb, wish, target))

    @api.post("/api/v1/runs/{target}/approve", openapi_extra=open_to(APPROVE))
    def approve(target: Target, wish: Annotated[Approval, Body()], identity: Asking) -> dict[str, Any]:
        _require_approvable(live, target, wish.digest, identity)
        details = {"digest": wish.digest} if wish.digest is not None else {}
        return carried_out(live, identity, Request(verb="approve", target=target, reason=wish.reason, details=details))

    add_for_one("runs", "reject", APPROVE)
    add_for_one("runs", "check", OPERATE)
    add_for_one("runs", "cancel", OPERATE)
    add_for_one("alerts", "resolve", OPERATE)
    for verb in ("hold", "release", "goal"):
        add(verb, OPERATE)
    for verb in ("adopt", "reload"):
        add(verb, ADMINISTER)


def _add_pauses(api: FastAPI, live: Live) -> None:
    @api.post("/api/v1/pause", openapi_extra=open_to(OPERATE))
    def pause(wish: Annotated[PauseWish, Body()], identity: Asking) -> dict[str, Any]:
        """No new runs. Answers once every live engine has said that it keeps to it; `behind` are those that haven't."""
        details = {"scope": wish.scope, **({"cancel_running": "yes"} if wish.cancel_running else {})}
        asked = Request(verb="pause", reason=wish.reason, length=wish.duration, details=details)
        return carried_out(live, identity, asked)

    @api.post("/api/v1/resume", openapi_extra=open_to(OPERATE))
    def resume(wish: Annotated[ResumeWish, Body()], identity: Asking) -> dict[str, Any]:
        details = {"scope": wish.scope} if wish.scope is not None else {}
        return carried_out(live, identity, Request(verb="resume", reason=wish.reason, details=details))


def _add_maintenance(api: FastAPI, live: Live) -> None:
    @api.post("/api/v1/maintenance", openapi_extra=open_to(OPERATE))
    def maintain(wish: Annotated[MaintenanceWish, Body()], identity: Asking) -> dict[str, Any]:
        asked = Request(
            verb="maintain",
            target=wish.target,
            reason=wish.reason,
            length=wish.duration,
            until=wish.until,
            begins=wish.begins,
            details={"calendar": wish.calendar} if wish.calendar else {},
        )
        return carried_out(live, identity, asked)

    @api.post("/api/v1/maintenance/{target}/end", openapi_extra=open_to(OPERATE))
    def end(target: Target, wish: Annotated[Reasoned, Body()], identity: Asking) -> dict[str, Any]:
        return carried_out(live, identity, Request(verb="end_maintenance", target=target, reason=wish.reason))


def _request(verb: str, wish: Wish, target: str) -> Request:
    return Request(verb=verb, target=target, reason=wish.reason, length=wish.duration)


def carried_out(live: Live, identity: Identity, asked: Request) -> dict[str, Any]:
    """What the engine answered to `asked`. Raises `Refusal` and `HTTPException`."""
    if asked.verb in NEED_A_REASON and not asked.reason.strip():
        raise Refusal(422, "say why: it is kept in the journal", field="/reason")
    try:
        control = asked.control(identity.name, datetime.now(UTC))
    except ValueError as error:
        raise HTTPException(422, str(error)) from error
    reply = ask(control, store=live.store, behind=live.behind, clock=SystemClock(), wake=live.wake)
    if reply.done is False:
        raise HTTPException(409, reply.text or "refused")
    return {"control": reply.control, "answer": reply.text, "behind": list(reply.behind)}


def _require_approvable(live: Live, run_id: str, digest: str | None, identity: Identity) -> Run:
    """The engine looks once more; what is known already gets its own status here."""
    run = live.store.run(RunId(run_id))
    if run is None:
        raise HTTPException(404, "there is no such run")
    if digest is not None and digest != run.digest:
        raise HTTPException(409, "the plan has changed since; look at it again")
    objection = may_not_approve(run, identity.name, live.bundle)
    if objection:
        raise HTTPException(403, objection)
    return run
