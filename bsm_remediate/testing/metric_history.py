"""What the figures of metric policies were, for the store in memory."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from bsm_remediate.domain.ids import Fingerprint, PolicyId
from bsm_remediate.domain.metric_history import Bucket, MetricSeries, Resolution


class MemoryMetricHistory:
    """Implements `records.MetricHistory` and `records.MetricUpkeep`, without locks."""

    def __init__(self) -> None:
        self._series: dict[Fingerprint, MetricSeries] = {}
        self._buckets: dict[tuple[Resolution, Fingerprint, datetime], Bucket] = {}
        self._rolled: dict[Resolution, datetime] = {}

    def note_figures(self, buckets: Sequence[Bucket], new: Sequence[MetricSeries]) -> None:
        self._series.update((one.id, one) for one in new)
        for one in buckets:
            self._buckets.setdefault((one.resolution, one.series, one.begin), one)

    def metric_series(self, policy: PolicyId | None = None) -> Sequence[MetricSeries]:
        found = [one for one in self._series.values() if policy in {None, one.policy}]
        return sorted(found, key=lambda one: (one.policy, sorted(one.labels.items())))

    def buckets(
        self, series: Sequence[Fingerprint], resolution: Resolution, *, since: datetime, until: datetime
    ) -> Sequence[Bucket]:
        found = [
            one
            for one in self._buckets.values()
            if one.resolution is resolution and one.series in series and since <= one.begin < until
        ]
        return sorted(found, key=lambda one: (one.series, one.begin))

    def rolled(self) -> Mapping[Resolution, datetime]:
        return dict(self._rolled)

    def roll(self, resolution: Resolution, through: datetime) -> None:
        self._rolled[resolution] = through

    def forget_buckets(self, series: Sequence[Fingerprint], before: Mapping[Resolution, datetime]) -> None:
        for key, one in list(self._buckets.items()):
            if one.series in series and one.begin < before[one.resolution]:
                del self._buckets[key]
        left = {one.series for one in self._buckets.values()}
        for number in series:
            if number not in left:
                self._series.pop(number, None)
