"""The page of a report shows what metrics were: a small plot for each policy, of bounded size, and nothing hostile."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from bsm_remediate.domain.bundle import Bundle
from bsm_remediate.domain.ids import PolicyId
from bsm_remediate.domain.metric import fingerprint_of
from bsm_remediate.domain.metric_history import Bucket, Gathering, MetricSeries, Resolution
from bsm_remediate.domain.policy import Mode
from bsm_remediate.testing import builders
from bsm_remediate.testing.store import MemoryStore
from bsm_remediate.web.report import report_document
from bsm_remediate.web.report_page import report_page

NINE = datetime(2026, 1, 5, 9, tzinfo=UTC)
BUNDLE: Bundle = builders.bundle(builders.component("web-1"))
HOSTILE = """</title></style></svg><script>alert(1)</script>"'><img src=x onerror=alert(1)>&lt;"""


def _keep(store: MemoryStore, policy: str, instance: str, hours: dict[int, float]) -> None:
    labels = {"instance": instance}
    one = MetricSeries(policy=PolicyId(policy), id=fingerprint_of(PolicyId(policy), labels), labels=labels)
    buckets = []
    for hour, value in hours.items():
        gathering = Gathering(0)
        gathering.add(value, 0.0)
        buckets.append(Bucket(one.id, Resolution.HOUR, NINE + timedelta(hours=hour), gathering.summary()))
    store.note_figures(buckets, [one])


def _report(store: MemoryStore, hours: int) -> dict[str, Any]:
    store.roll(Resolution.HOUR, NINE + timedelta(hours=hours))
    found = report_document(store, BUNDLE, Mode.AUTO, (NINE, NINE + timedelta(hours=hours)))
    return dict(json.loads(json.dumps(found)))


def _paths(page: str) -> list[str]:
    return re.findall(r'<path class="line\d" d="([^"]*)">', page)


def test_each_series_is_a_line_whose_heights_are_its_figures() -> None:
    store = MemoryStore()
    _keep(store, "busy", "web-1", {hour: float(hour % 2) for hour in range(10)})
    (path,) = _paths(report_page(_report(store, 10)))
    points = [(float(x), float(y)) for x, y in re.findall(r"L([\d.]+) ([\d.]+)", path)]
    assert len(points) == 10
    assert [x for x, _ in points] == sorted(x for x, _ in points)
    assert {y for _, y in points[::2]} == {max(y for _, y in points)}  # what is least lies lowest
    assert {y for _, y in points[1::2]} == {min(y for _, y in points)}


def test_where_there_were_no_figures_the_line_breaks() -> None:
    store = MemoryStore()
    _keep(store, "busy", "web-1", {0: 1.0, 1: 2.0, 5: 1.0, 6: 2.0})
    (path,) = _paths(report_page(_report(store, 10)))
    assert path.count("M") == 2


def test_the_threshold_is_drawn_where_the_report_knows_it() -> None:
    store = MemoryStore()
    _keep(store, "busy", "web-1", {0: 0.5, 1: 0.7})
    report = _report(store, 10)
    assert 'class="limit"' not in report_page(report)
    report["metrics"][0].update(limit=0.85, threshold="above 0.85")
    page = report_page(report)
    assert "threshold 0.85" in page
    assert page.count('class="limit"') == 1


def test_many_series_and_policies_make_no_larger_plots() -> None:
    store = MemoryStore()
    for policy in range(30):
        for instance in range(10):
            _keep(store, f"policy-{policy:02}", f"web-{instance}", dict.fromkeys(range(48), 1.0))
    page = report_page(_report(store, 48))
    assert len(_paths(page)) == 20 * 3
    assert all(f"<td>policy-{policy:02}</td>" in page for policy in range(30))
    assert "the worst of 10" in page
    assert len(page) < 300_000


@pytest.mark.parametrize("value", [0.0, -5.0, 1.7e308, 5e-324])
def test_a_figure_that_never_changes_is_a_level_line_whatever_it_is(value: float) -> None:
    store = MemoryStore()
    _keep(store, "busy", "web-1", {0: value, 1: value})
    (path,) = _paths(report_page(_report(store, 10)))
    assert len(set(re.findall(r"[ML][\d.]+ ([\d.]+)", path))) == 1


def test_the_ends_of_what_a_number_can_be_fit_into_a_plot() -> None:
    store = MemoryStore()
    _keep(store, "busy", "web-1", {0: -1.7e308, 1: 0.0, 2: 1.7e308})
    (path,) = _paths(report_page(_report(store, 10)))
    heights = [float(y) for y in re.findall(r"L[\d.]+ ([\d.]+)", path)]
    assert heights[0] > heights[1] > heights[2] > 0


def test_labels_and_names_stay_text() -> None:
    store = MemoryStore()
    _keep(store, HOSTILE, HOSTILE, {0: 1.0, 1: 2.0})
    page = report_page(_report(store, 10))
    assert "<script" not in page
    assert "<img" not in page
    assert "&lt;script&gt;" in page


def test_without_figures_there_is_no_section() -> None:
    assert "Metrics" not in report_page(_report(MemoryStore(), 10))
