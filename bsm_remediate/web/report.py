"""The report of a time, section by section (`report -o json`, `GET /api/v1/report`)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from bsm_remediate.domain.bundle import Bundle
from bsm_remediate.domain.ids import PolicyId
from bsm_remediate.domain.metric_history import NAMES
from bsm_remediate.domain.plan_document import time_text
from bsm_remediate.domain.policy import Mode
from bsm_remediate.domain.shadow_words import shadow_document
from bsm_remediate.engine.ledger import read_statistics
from bsm_remediate.engine.metric_report import metrics_document, metrics_list, metrics_section
from bsm_remediate.engine.shadow import read_shadow_report
from bsm_remediate.records import Store

SCHEMA = "bsm-remediate/report/v1"
USUAL = timedelta(days=7)
"""How far back it looks unless told otherwise."""

Period = tuple[datetime, datetime]


def period(since: datetime | None, until: datetime | None, *, now: datetime) -> Period | None:
    """From when to when, in UTC and never past `now`: a time without a zone is UTC, without `until` it is now, without
    `since` it begins `USUAL` before; None when there is nothing between.
    """
    try:
        end = min(_utc(until), now) if until is not None else now
        begin = _utc(since) if since is not None else end - USUAL
    except OverflowError:
        return None
    return (begin, end) if begin < end else None


def _utc(moment: datetime) -> datetime:
    return (moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)).astimezone(UTC)


def report_document(store: Store, bundle: Bundle, cap: Mode, period: Period) -> dict[str, Any]:
    """Everything that the store tells about `period`; `cap` is how far the engine lets policies go."""
    since, until = period
    shadow = read_shadow_report(store, bundle, cap, since=since, until=until)
    return {
        "schema": SCHEMA,
        "from": time_text(since),
        "to": time_text(until),
        "currency": bundle.currency,
        "max_mode": str(cap),
        **read_statistics(store, bundle, since=since, until=until),
        "metrics": metrics_section(store, bundle, since=since, until=until),
        "shadow": shadow_document(shadow, currency=bundle.currency),
    }


def history_document(
    store: Store, bundle: Bundle, policy: str, resolution: str | None, period: Period
) -> dict[str, Any]:
    """What the figures of `policy` were in `period`; `resolution` is one of `NAMES`, or fits it. Raises `UnknownId`."""
    since, until = period
    fine = NAMES[resolution] if resolution is not None else None
    return metrics_document(store, bundle, PolicyId(policy), fine, since=since, until=until)


def histories_document(store: Store, bundle: Bundle, period: Period) -> dict[str, Any]:
    """What the figures of all metric policies were in `period`, in short."""
    since, until = period
    return metrics_list(store, bundle, since=since, until=until)
