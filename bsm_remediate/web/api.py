"""The API: what is (DESIGN 7); people's controls are beside it, in `controls.py`."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

import orjson
from fastapi import FastAPI, Header, HTTPException, Query, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import PlainTextResponse, StreamingResponse
from starlette.exceptions import HTTPException as StarletteHTTPException

from bsm_remediate import __version__
from bsm_remediate.domain.access import READ
from bsm_remediate.domain.brakes import brakes_document, maintenance_rows
from bsm_remediate.domain.change_work import maintenance_of
from bsm_remediate.domain.evaluation import Evaluation
from bsm_remediate.domain.ids import RunId
from bsm_remediate.domain.plan_document import plan_document
from bsm_remediate.domain.policy import Mode
from bsm_remediate.errors import StoreUnavailable
from bsm_remediate.web.changes import add_changes
from bsm_remediate.web.controls import add_controls
from bsm_remediate.web.description import describe
from bsm_remediate.web.gate import EVERYBODY, open_to, still_may
from bsm_remediate.web.incidents import add_incidents
from bsm_remediate.web.live import Live
from bsm_remediate.web.metric_histories import add_metric_histories
from bsm_remediate.web.problem import COME_AGAIN_S, CONTENT_TYPE, Refusal, problem
from bsm_remediate.web.report import period, report_document
from bsm_remediate.web.rows import Row, alert_rows, component_rows, event_row, message_row, run_row, service_rows

_SHOWN_RUNS = timedelta(days=30)
_EVENT_PAUSE_S = 0.25

_LAST_POSITION = 2**53

Cursor = Annotated[int, Query(ge=0, le=_LAST_POSITION, description="The `next` of the page before.")]
Limit = Annotated[int, Query(ge=1, le=10_000)]


def create_api(live: Live, metrics: Callable[[], bytes], sources: Iterable[str]) -> FastAPI:
    """The FastAPI application. A `Gate` stands in front of it; the webhooks of `sources`, which it only describes, are
    served before.
    """
    api = FastAPI(title="bsm-remediate", version=__version__, docs_url=None, redoc_url=None, redirect_slashes=False)
    _answer_with_problems(api)
    _add_health(api, live)
    _add_metrics(api, metrics)
    _add_reading(api, live)
    add_metric_histories(api, live)
    add_incidents(api, live)
    add_controls(api, live)
    add_changes(api, live)
    describe(api, sources)
    return api


def _answer_with_problems(api: FastAPI) -> None:
    @api.exception_handler(StarletteHTTPException)
    async def _http(_request: Request, error: StarletteHTTPException) -> Response:
        body = problem(error.status_code, str(error.detail))
        return Response(body, error.status_code, headers=dict(error.headers or {}), media_type=CONTENT_TYPE)

    @api.exception_handler(RequestValidationError)
    async def _invalid(_request: Request, error: RequestValidationError) -> Response:
        first = error.errors()[0]
        field = "/" + "/".join(str(step) for step in first["loc"][1:])
        return Response(problem(422, str(first["msg"]), field=field), 422, media_type=CONTENT_TYPE)

    @api.exception_handler(Refusal)
    async def _refused(_request: Request, error: Refusal) -> Response:
        body = problem(error.status, error.detail, **error.facts)
        return Response(body, error.status, headers=error.headers, media_type=CONTENT_TYPE)

    @api.exception_handler(StoreUnavailable)
    async def _away(_request: Request, error: StoreUnavailable) -> Response:
        headers = {"Retry-After": str(COME_AGAIN_S)}
        return Response(problem(503, str(error)), 503, headers=headers, media_type=CONTENT_TYPE)


def _add_health(api: FastAPI, live: Live) -> None:
    @api.get("/healthz", openapi_extra=open_to(EVERYBODY))
    def healthz() -> dict[str, Any]:
        return {"status": "ok", "version": __version__}

    @api.get("/readyz", openapi_extra=open_to(EVERYBODY))
    def readyz(response: Response) -> dict[str, Any]:
        health = live.health()
        if not health.is_ready:
            response.status_code = 503
        status = "unready" if not health.is_ready else "degraded" if health.problems else "ok"
        return {"status": status, "problems": list(health.problems), "max_mode": str(health.max_mode)}


def _add_metrics(api: FastAPI, metrics: Callable[[], bytes]) -> None:
    @api.get("/metrics", openapi_extra=open_to(READ), response_class=PlainTextResponse)
    def metrics_page() -> PlainTextResponse:
        return PlainTextResponse(metrics(), media_type="text/plain; version=0.0.4; charset=utf-8")


def _add_reading(api: FastAPI, live: Live) -> None:
    readers = open_to(READ)

    def evaluation() -> Evaluation:
        if live.evaluation is None:
            raise HTTPException(503, "the engine has not looked yet", {"Retry-After": "1"})
        return live.evaluation

    def listing(rows: list[Row], cursor: int, limit: int) -> dict[str, Any]:
        return page(rows[cursor : cursor + limit], cursor + limit, len(rows))

    def page(rows: list[Row], following: int, number: int) -> dict[str, Any]:
        cap = live.evaluation.situation.max_mode if live.evaluation is not None else Mode.AUTO
        capped = {"max_mode": str(cap)} if cap < Mode.AUTO else {}
        return {"items": rows, "next": str(following) if following < number else None, **capped}

    @api.get("/api/v1/alerts", openapi_extra=readers)
    def alerts(cursor: Cursor = 0, limit: Limit = 1000) -> dict[str, Any]:
        found = evaluation()
        rows = alert_rows(found, cursor, limit)
        return page(rows, cursor + limit, len(found.situation.alerts))

    @api.get("/api/v1/services", openapi_extra=readers)
    def services(cursor: Cursor = 0, limit: Limit = 1000) -> dict[str, Any]:
        return listing(service_rows(live.bundle, evaluation()), cursor, limit)

    @api.get("/api/v1/components", openapi_extra=readers)
    def components(cursor: Cursor = 0, limit: Limit = 1000) -> dict[str, Any]:
        return listing(component_rows(live.bundle, evaluation()), cursor, limit)

    @api.get("/api/v1/plan", openapi_extra=readers)
    def plan() -> dict[str, Any]:
        return plan_document(evaluation(), live.bundle, considered=("alerts", "bundle", "database"))

    @api.get("/api/v1/notifications", openapi_extra=readers)
    def notifications() -> dict[str, Any]:
        return {"items": [message_row(one) for one in live.store.messages()], "next": None}

    @api.get("/api/v1/guards", openapi_extra=readers)
    def guards() -> dict[str, Any]:
        return brakes_document(evaluation(), live.bundle)

    @api.get("/api/v1/maintenance", openapi_extra=readers)
    def maintenance() -> dict[str, Any]:
        now = datetime.now(UTC)
        of_changes = maintenance_of(live.store.runs(since=now))
        windows = maintenance_rows((*live.store.standing().maintenance, *of_changes), live.bundle, now)
        return {"items": windows, "next": None}

    @api.get("/api/v1/runs", openapi_extra=readers)
    def runs(cursor: Cursor = 0, limit: Limit = 1000) -> dict[str, Any]:
        found = live.store.runs(since=datetime.now(UTC) - _SHOWN_RUNS)
        return listing([run_row(run) for run in reversed(found)], cursor, limit)

    @api.get("/api/v1/runs/{run_id}", openapi_extra=readers)
    def run(run_id: str) -> dict[str, Any]:
        found = live.store.run(RunId(run_id))
        if found is None:
            raise HTTPException(404, "there is no such run")
        return run_row(found)

    @api.get("/api/v1/runs/{run_id}/events", openapi_extra=readers)
    def run_events(run_id: str, cursor: Cursor = 0, limit: Limit = 1000) -> dict[str, Any]:
        found = live.store.events(after=cursor, subject=run_id, limit=limit)
        following = str(found[-1].position) if len(found) == limit else None
        return {"items": [event_row(event) for event in found], "next": following}

    @api.get("/api/v1/report", openapi_extra=readers)
    def report(
        since: Annotated[datetime | None, Query(alias="from", description="Default: a week before `to`.")] = None,
        until: Annotated[datetime | None, Query(alias="to", description="Default: now.")] = None,
    ) -> dict[str, Any]:
        found = period(since, until, now=datetime.now(UTC))
        if found is None:
            raise HTTPException(422, "`from` must lie before `to`")
        return report_document(live.store, live.bundle, evaluation().situation.max_mode, found)

    @api.get("/api/v1/events", openapi_extra=readers)
    def events(
        request: Request,
        last_event_id: Annotated[int, Header(ge=0, le=_LAST_POSITION)] = 0,
        after: Annotated[int, Query(ge=0, le=_LAST_POSITION)] = 0,
    ) -> StreamingResponse:
        position = max(last_event_id, after)
        return StreamingResponse(_stream(live, position, still_may(request)), media_type="text/event-stream")


async def _stream(live: Live, position: int, may_go_on: Callable[[], Awaitable[bool]]) -> AsyncIterator[bytes]:
    """The journal from `position` on, as server-sent events; a comment now and then keeps the line open. It ends with
    the token that asked for it.
    """
    quiet_since = time.monotonic()
    yield b": the journal\n\n"
    while not live.is_stopping() and await may_go_on():
        found = await asyncio.to_thread(live.store.events, after=position)
        for event in found:
            position = event.position or position
            body = orjson.dumps(event_row(event)).decode()
            yield f"id: {position}\nevent: {event.kind}\ndata: {body}\n\n".encode()
            quiet_since = time.monotonic()
        if time.monotonic() - quiet_since > 15:
            quiet_since = time.monotonic()
            yield b": still here\n\n"
        await asyncio.sleep(_EVENT_PAUSE_S)
