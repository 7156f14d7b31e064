"""Every store keeps what metrics were in the same way, in memory and on a database."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from bsm_remediate.domain.ids import PolicyId
from bsm_remediate.domain.metric import fingerprint_of
from bsm_remediate.domain.metric_history import Bucket, Gathering, MetricSeries, Resolution
from bsm_remediate.records import Store

NINE = datetime(2026, 1, 5, 9, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
ALL = {Resolution.MINUTE: NINE, Resolution.HOUR: NINE, Resolution.DAY: NINE}


def series(instance: str, policy: str = "busy") -> MetricSeries:
    labels = {"instance": instance, "text": "ä \u2028 'quoted'"}
    return MetricSeries(policy=PolicyId(policy), id=fingerprint_of(PolicyId(policy), labels), labels=labels)


WEB_1, WEB_2, QUEUE = series("web-1"), series("web-2"), series("mail", "queue")


def bucket(of: MetricSeries, minute: int, *figures: float, resolution: Resolution = Resolution.MINUTE) -> Bucket:
    gathering = Gathering(0)
    for one in figures:
        gathering.add(one, 15.0)
    return Bucket(of.id, resolution, NINE + minute * MINUTE, gathering.summary())


def test_buckets_come_back_as_they_were_series_by_series_the_oldest_first(store: Store) -> None:
    later, first = bucket(WEB_1, 1, 0.5, -3.0, 0.0, 1e300), bucket(WEB_1, 0, 0.7)
    store.note_figures([later, first, bucket(QUEUE, 0, 3.0)], [WEB_1, QUEUE])
    assert store.buckets([WEB_1.id], Resolution.MINUTE, since=NINE, until=NINE + 2 * MINUTE) == [first, later]
    assert store.buckets([WEB_1.id], Resolution.MINUTE, since=NINE + MINUTE, until=NINE + 2 * MINUTE) == [later]
    assert store.buckets([WEB_1.id], Resolution.MINUTE, since=NINE, until=NINE + MINUTE) == [first]
    assert store.buckets([WEB_1.id], Resolution.HOUR, since=NINE, until=NINE + MINUTE) == []
    assert store.buckets([], Resolution.MINUTE, since=NINE, until=NINE + MINUTE) == []


def test_series_are_known_by_their_policies(store: Store) -> None:
    store.note_figures([], [WEB_2, WEB_1, QUEUE])
    store.note_figures([], [WEB_1])
    assert store.metric_series() == [WEB_1, WEB_2, QUEUE]
    assert store.metric_series(PolicyId("queue")) == [QUEUE]


def test_a_bucket_is_there_once_and_the_first_one_stays(store: Store) -> None:
    store.note_figures([bucket(WEB_1, 0, 1.0)], [WEB_1])
    store.note_figures([bucket(WEB_1, 0, 2.0), bucket(WEB_1, 1, 3.0)], [])
    found = store.buckets([WEB_1.id], Resolution.MINUTE, since=NINE, until=NINE + 9 * MINUTE)
    assert [one.summary.high for one in found] == [1.0, 3.0]


def test_old_buckets_are_forgotten_by_their_resolution_and_a_series_with_its_last(store: Store) -> None:
    hours = {resolution: bucket(WEB_1, -600, 1.0, resolution=resolution) for resolution in Resolution}
    store.note_figures([*hours.values(), bucket(WEB_1, 0, 1.0), bucket(WEB_2, -1, 1.0)], [WEB_1, WEB_2])
    store.forget_buckets([WEB_1.id, WEB_2.id], {**ALL, Resolution.DAY: NINE - timedelta(days=9)})
    assert store.metric_series() == [WEB_1]
    left = [
        (resolution, len(store.buckets([WEB_1.id], resolution, since=NINE - timedelta(days=1), until=NINE + MINUTE)))
        for resolution in Resolution
    ]
    assert left == [(Resolution.MINUTE, 1), (Resolution.HOUR, 0), (Resolution.DAY, 1)]


def test_up_to_when_coarser_ones_were_made_is_remembered(store: Store) -> None:
    assert store.rolled() == {}
    store.roll(Resolution.HOUR, NINE)
    store.roll(Resolution.HOUR, NINE + timedelta(hours=1))
    store.roll(Resolution.DAY, NINE)
    assert store.rolled() == {Resolution.HOUR: NINE + timedelta(hours=1), Resolution.DAY: NINE}
