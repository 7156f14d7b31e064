"""What metrics were in a time: the report's section, and one policy's history."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from math import ceil
from typing import Protocol

from bsm_remediate.domain.bundle import Bundle
from bsm_remediate.domain.event import Json
from bsm_remediate.domain.ids import Fingerprint, PolicyId
from bsm_remediate.domain.metric_history import SHARES, Bucket, MetricSeries, Resolution, Summary, stretches, summed
from bsm_remediate.domain.plan_document import time_text
from bsm_remediate.errors import UnknownId
from bsm_remediate.records import MetricHistory, MetricUpkeep

SCHEMA = "bsm-remediate/metrics/v1"
LIST_SCHEMA = "bsm-remediate/metrics-list/v1"
_MOST_POINTS = 500
"""Of a series, unless a finer resolution is asked for."""
_MOST_BUCKETS = 50_000
"""Of one policy's history: some 20 MB of JSON."""
_TOGETHER = 200
_SHOWN_SERIES = 20
_PLOTTED_SERIES = 3
_PLOTTED_POLICIES = 20
_PLOTTED_POINTS = 200


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
            with_figures = [one for one in series if one.id in known]
            worst = sorted(with_figures, key=lambda one: -known[one.id].beyond_s)[:_SHOWN_SERIES]
            rows: list[Json] = [_series(one, known[one.id]) for one in worst]
            plotted = worst[:_PLOTTED_SERIES] if len(found) < _PLOTTED_POLICIES else []
            found.append(
                {
                    "policy": policy,
                    "threshold": _threshold(bundle, policy),
                    "limit": _limit(bundle, policy),
                    "series": len(known),
                    **_figures(whole),
                    "worst_series": rows,
                    "over_time": _over_time(store, plotted, since=since, until=until),
                }
            )
    return found


def metrics_list(store: Figures, bundle: Bundle, *, since: datetime, until: datetime) -> dict[str, Json]:
    """The same as a document of its own."""
    return {
        "schema": LIST_SCHEMA,
        "from": time_text(since),
        "to": time_text(until),
        "items": metrics_section(store, bundle, since=since, until=until),
    }


def _over_time(store: Figures, series: Sequence[MetricSeries], *, since: datetime, until: datetime) -> list[Json]:
    """What a plot needs of the worst ones: few points each, and of few series."""
    fine = usual_resolution(since, until, most=_PLOTTED_POINTS)
    resolution, by_series = _fitting(store, series, fine, since=since, until=until)
    return [
        {"labels": dict(one.labels), "resolution_s": int(resolution), "buckets": _buckets(by_series[one.id])}
        for one in series
        if one.id in by_series
    ]


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


def usual_resolution(since: datetime, until: datetime, *, most: int = _MOST_POINTS) -> Resolution:
    """The finest of which not more than `most` lie between."""
    length = (until - since).total_seconds()
    return next((one for one in Resolution if ceil(length / one) <= most), Resolution.DAY)


def metrics_document(
    store: Figures, bundle: Bundle, policy: PolicyId, resolution: Resolution | None, *, since: datetime, until: datetime
) -> dict[str, Json]:
    """The history of one policy's series; the buckets that begin between `since` and `until`.

    Without a `resolution` it is the finest that fits, and that is still kept. Of very many series only the first are
    read; how many aren't is `left_out`. Raises `UnknownId` for a policy of which nothing is known.
    """
    series = store.metric_series(policy)
    if not series:
        _must_be_of_metrics(bundle, policy)
    if resolution is None:
        few = series[:_SHOWN_SERIES]
        resolution, _ = _fitting(store, few, usual_resolution(since, until), since=since, until=until)
    by_series, left_out = _read(store, series, resolution, since=since, until=until)
    rows: list[Json] = [
        {"labels": dict(one.labels), "buckets": _buckets(by_series[one.id])} for one in series if one.id in by_series
    ]
    return {
        "schema": SCHEMA,
        "policy": policy,
        "threshold": _threshold(bundle, policy),
        "limit": _limit(bundle, policy),
        "from": time_text(since),
        "to": time_text(until),
        "resolution_s": int(resolution),
        "series": rows,
        "left_out": left_out,
    }


def _must_be_of_metrics(bundle: Bundle, policy: PolicyId) -> None:
    known = bundle.policies.get(policy)
    if known is None:
        raise UnknownId(f"there is no policy '{policy}', and no figures of one are kept")
    if known.metric is None:
        raise UnknownId(f"the policy '{policy}' watches no metric")


_BySeries = dict[Fingerprint, list[Bucket]]


def _read(
    store: Figures, series: Sequence[MetricSeries], resolution: Resolution, *, since: datetime, until: datetime
) -> tuple[_BySeries, int]:
    """Their buckets, and how many series were not looked at since there is enough."""
    points = ceil((until - since).total_seconds() / resolution)
    together = max(min(_TOGETHER, _MOST_BUCKETS // points), 1)
    found: defaultdict[Fingerprint, list[Bucket]] = defaultdict(list)
    number = 0
    for start in range(0, len(series), together):
        some = [one.id for one in series[start : start + together]]
        for bucket in store.buckets(some, resolution, since=since, until=until):
            found[bucket.series].append(bucket)
            number += 1
        if number >= _MOST_BUCKETS:
            return dict(found), max(len(series) - start - together, 0)
    return dict(found), 0


def _fitting(
    store: Figures, series: Sequence[MetricSeries], usual: Resolution, *, since: datetime, until: datetime
) -> tuple[Resolution, _BySeries]:
    """Their buckets: coarser ones than usual where those reach back further, finer ones while nothing else is there."""
    resolution, found = _reaching(store, series, usual, since=since, until=until)
    finer = resolution.finer
    while not found and finer is not None:
        found, _ = _read(store, series, finer, since=since, until=until)
        if found:
            return finer, found
        finer = finer.finer
    return resolution, found


def _reaching(
    store: Figures, series: Sequence[MetricSeries], resolution: Resolution, *, since: datetime, until: datetime
) -> tuple[Resolution, _BySeries]:
    """Their buckets, coarser ones where the finer ones are forgotten: those that reach back further are taken."""
    found, _ = _read(store, series, resolution, since=since, until=until)
    coarser = next((one for one in Resolution if one.finer is resolution), None)
    if coarser is None:
        return resolution, found
    begins = min((one.begin for buckets in found.values() for one in buckets), default=until)
    if begins - since >= coarser.length:
        ended_before = begins - coarser.length + timedelta(seconds=1)
        if store.buckets([one.id for one in series], coarser, since=since, until=ended_before):
            return _reaching(store, series, coarser, since=since, until=until)
    return resolution, found


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
        "beyond_minutes": round(summary.beyond_s / 60, 4),
    }


def _threshold(bundle: Bundle, policy: PolicyId) -> str:
    known = bundle.policies.get(policy)
    return str(known.metric.threshold) if known is not None and known.metric is not None else ""


def _limit(bundle: Bundle, policy: PolicyId) -> float | None:
    known = bundle.policies.get(policy)
    return known.metric.threshold.limit if known is not None and known.metric is not None else None
