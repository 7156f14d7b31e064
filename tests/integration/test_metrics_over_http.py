"""What metrics were, over HTTP: in short, one policy's history, and what there isn't."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from bsm_remediate.domain.ids import PolicyId
from bsm_remediate.domain.metric import fingerprint_of
from bsm_remediate.domain.metric_history import Bucket, Gathering, MetricSeries, Resolution
from bsm_remediate.testing.store import MemoryStore
from tests.integration.standstill import Site

VIEWER = {"authorization": "Bearer secret-of-viewer"}
BEGIN = Resolution.HOUR.begin(datetime.now(UTC)) - timedelta(hours=3)
BUSY = PolicyId("busy-web")
LABELS = {"instance": "web-1"}


@pytest.fixture
def site() -> Iterator[Site]:
    """Two hours of figures, of a policy that was removed since."""
    store = MemoryStore()
    one = MetricSeries(policy=BUSY, id=fingerprint_of(BUSY, LABELS), labels=LABELS)
    for hour in range(2):
        gathering = Gathering(0)
        for value in (1.0, 3.0):
            gathering.add(value, 90.0)
        begin = BEGIN + timedelta(hours=hour)
        store.note_figures([Bucket(one.id, Resolution.HOUR, begin, gathering.summary())], [one])
    store.roll(Resolution.HOUR, BEGIN + timedelta(hours=2))
    made = Site(store)
    yield made
    made.close()


@pytest.mark.anyio
async def test_all_policies_are_told_in_short(site: Site) -> None:
    found = (await site.send("GET", "/api/v1/metrics", headers=VIEWER)).json()
    (row,) = found["items"]
    assert (row["policy"], row["series"], row["figures"], row["mean"]) == (BUSY, 1, 4, 2.0)
    assert row["beyond_minutes"] == 6
    assert found["schema"] == "bsm-remediate/metrics-list/v1"


@pytest.mark.anyio
async def test_a_policy_is_told_bucket_by_bucket(site: Site) -> None:
    found = (await site.send("GET", "/api/v1/metrics/busy-web?resolution=1h", headers=VIEWER)).json()
    (series,) = found["series"]
    assert (series["labels"], [one["max"] for one in series["buckets"]]) == (LABELS, [3.0, 3.0])
    later = f"{BEGIN + timedelta(hours=1):%Y-%m-%dT%H:%M:%SZ}"
    answer = await site.send("GET", f"/api/v1/metrics/busy-web?from={later}&resolution=1h", headers=VIEWER)
    assert [one["from"] for one in answer.json()["series"][0]["buckets"]] == [later]


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/api/v1/metrics/nonsense", 404),
        ("/api/v1/metrics/%00", 404),
        ("/api/v1/metrics/busy-web?resolution=5m", 422),
        ("/api/v1/metrics/busy-web?from=2026-01-05T09:00:00Z&to=2026-01-04T09:00:00Z", 422),
        ("/api/v1/metrics?from=2026-01-05T09:00:00Z&to=2026-01-04T09:00:00Z", 422),
        ("/api/v1/metrics?from=yesterday", 422),
    ],
)
async def test_what_there_isn_t_is_a_problem(site: Site, path: str, status: int) -> None:
    answer = await site.send("GET", path, headers=VIEWER)
    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json")
