"""What the figures of metric policies were, by HTTP."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from fastapi import FastAPI, HTTPException, Query

from bsm_remediate.domain.access import READ
from bsm_remediate.errors import UnknownId
from bsm_remediate.web.gate import open_to
from bsm_remediate.web.live import Live
from bsm_remediate.web.report import Period, histories_document, history_document, period

_Since = Annotated[datetime | None, Query(alias="from", description="Default: a week before `to`.")]
_Until = Annotated[datetime | None, Query(alias="to", description="Default: now.")]
_Fine = Annotated[Literal["1m", "1h", "1d"] | None, Query(description="Default: fits the time, and what is kept.")]


def add_metric_histories(api: FastAPI, live: Live) -> None:
    """Adds its routes."""
    readers = open_to(READ)

    @api.get("/api/v1/metrics", openapi_extra=readers)
    def metric_histories(since: _Since = None, until: _Until = None) -> dict[str, Any]:
        return histories_document(live.store, live.bundle, _period(since, until))

    @api.get("/api/v1/metrics/{policy}", openapi_extra=readers)
    def metric_history(
        policy: str, since: _Since = None, until: _Until = None, resolution: _Fine = None
    ) -> dict[str, Any]:
        try:
            return history_document(live.store, live.bundle, policy, resolution, _period(since, until))
        except UnknownId as error:
            raise HTTPException(404, str(error)) from error


def _period(since: datetime | None, until: datetime | None) -> Period:
    found = period(since, until, now=datetime.now(UTC))
    if found is None:
        raise HTTPException(422, "`from` must lie before `to`")
    return found
