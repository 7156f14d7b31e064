"""What metrics were in a time: the report's section, and one policy's history."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime
from math import ceil
from typing import Protocol

from bsm_remediate.domain.bundle import Bundle
from bsm_remediate.domain.event import Json
from bsm_remediate.domain.ids import Fingerprint, PolicyId
from bsm_remediate.domain.metric_history import SHARES, Bucket, MetricSeries, Resolution, Summary, stretches, summed
from bsm_remediate.domain.plan_document import time_text
from bsm_remediate.ports import MetricHistory, MetricUpkeep

SCHEMA = "bsm-remediate/metrics/v1"
_MOST_POINTS = 500
_TOGETHER = 200
_SHOWN_SERIES = 20


class Figures(MetricHistory, MetricUpkeep, Protocol):
    """Where they are kept."""


def metrics_section(store: Figures, bundle: Bundle, *, since: datetime, until: datetime) -> list[Json]:
    """By policy what its series were between `since` and `until`, to the minute; in the order of their names."""
    by_policy: defaultdict[PolicyId, list[MetricSeries]] = defaultdict(list)
    for one in store.metric_series():
        by_policy[one.policy].append(one)
    found: list[Json] = []
    for policy, series in sorted(by_policy.items()):
        known = _summaries(store, series, since, until)
        whole = summed(known.values())
        if whole is not None:
            worst = sorted(series, key=lambda one: -known[one.id].beyond_s if one.id in known else 0.0)
            rows: list[Json] = [_series(one, known[one.id]) for one in worst[:_SHOWN_SERIES] if one.id in known]
            found.append(
                {
                    "policy": policy,
                    "threshold": _threshold(bundle, policy),
                    "series": len(known),
                    **_figures(whole),
                    "worst_series": rows,
                }
            )
    return found


def _summaries(
    store: Figures, series: Sequence[MetricSeries], since: datetime, until: datetime
) -> dict[Fingerprint, Summary]:
    parts = stretches(Resolution.MINUTE.begin(since), Resolution.MINUTE.begin(until), store.rolled())
    found: dict[Fingerprint, Summary] = {}
    for start in range(0, len(series), _TOGETHER):
        some = [one.id for one in series[start : start + _TOGETHER]]
        by_series: defaultdict[Fingerprint, list[Summary]] = defaultdict(list)
        for part in parts:
            for bucket in store.buckets(some, part.resolution, since=part.since, until=part.until):
                by_series[bucket.series].append(bucket.summary)
        found.update((one, whole) for one, all_ in by_series.items() if (whole := summed(all_)) is not None)
    return found


def usual_resolution(since: datetime, until: datetime) -> Resolution:
    """The finest of which not too many lie between."""
    length = (until - since).total_seconds()
    return next((one for one in Resolution if ceil(length / one) <= _MOST_POINTS), Resolution.DAY)


def metrics_document(
    store: Figures, bundle: Bundle, policy: PolicyId, resolution: Resolution, *, since: datetime, until: datetime
) -> dict[str, Json]:
    """The history of one policy's series; the buckets that begin between `since` and `until`."""
    series = store.metric_series(policy)
    by_series: defaultdict[Fingerprint, list[Bucket]] = defaultdict(list)
    for bucket in store.buckets([one.id for one in series], resolution, since=since, until=until):
        by_series[bucket.series].append(bucket)
    rows: list[Json] = [
        {"labels": dict(one.labels), "buckets": _buckets(by_series[one.id])} for one in series if one.id in by_series
    ]
    return {
        "schema": SCHEMA,
        "policy": policy,
        "threshold": _threshold(bundle, policy),
        "from": time_text(since),
        "to": time_text(until),
        "resolution_s": int(resolution),
        "series": rows,
    }


def _buckets(found: Iterable[Bucket]) -> list[Json]:
    return [{"from": time_text(one.begin), **_figures(one.summary)} for one in found]


def _series(one: MetricSeries, summary: Summary) -> dict[str, Json]:
    return {"labels": dict(one.labels), **_figures(summary)}


def _figures(summary: Summary) -> dict[str, Json]:
    return {
        "figures": summary.number,
        "min": summary.low,
        "mean": summary.mean,
        **{name: summary.percentile(share) for name, share in SHARES.items()},
        "max": summary.high,
        "beyond_minutes": round(summary.beyond_s / 60, 2),
    }


def _threshold(bundle: Bundle, policy: PolicyId) -> str:
    known = bundle.policies.get(policy)
    return str(known.metric.threshold) if known is not None and known.metric is not None else ""
