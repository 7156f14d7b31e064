"""Incidents and their reviews over HTTP."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from fastapi import FastAPI, HTTPException, Query, Response
from fastapi.responses import JSONResponse, PlainTextResponse

from bsm_remediate.domain.access import READ
from bsm_remediate.domain.review_page import review_page
from bsm_remediate.engine.review import read_incidents, read_review
from bsm_remediate.web.gate import open_to
from bsm_remediate.web.live import Live
from bsm_remediate.web.report import period

_PAGE = {"content": {"text/markdown": {"schema": {"type": "string"}}, "application/json": {}}}


def add_incidents(api: FastAPI, live: Live) -> None:
    """Add their routes to `api`."""

    @api.get("/api/v1/incidents", openapi_extra=open_to(READ))
    def listed(
        since: Annotated[datetime | None, Query(alias="from", description="Default: a week before `to`.")] = None,
        until: Annotated[datetime | None, Query(alias="to", description="Default: now.")] = None,
    ) -> dict[str, Any]:
        found = period(since, until, now=datetime.now(UTC))
        if found is None:
            raise HTTPException(422, "`from` must lie before `to`")
        rows = read_incidents(live.store, live.bundle, since=found[0], until=found[1])
        return {"items": rows, "next": None, "currency": live.bundle.currency}

    @api.get(
        "/api/v1/incidents/{incident_id}/review",
        openapi_extra=open_to(READ),
        response_class=PlainTextResponse,
        responses={200: _PAGE},
    )
    def review(
        incident_id: str,
        form: Annotated[
            Literal["markdown", "json"], Query(alias="format", description="json has the facts.")
        ] = "markdown",
    ) -> Response:
        """`incident_id` may also be a run, or `latest`."""
        found = read_review(live.store, live.bundle, incident_id, now=datetime.now(UTC))
        if found is None:
            raise HTTPException(404, "there is no such incident, and no run of one")
        if form == "json":
            return JSONResponse(found)
        return PlainTextResponse(review_page(found), media_type="text/markdown; charset=utf-8")
