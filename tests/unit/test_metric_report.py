"""What metrics were, told: figures that an engine polled, and the documents that reports, API and commands show."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from bsm_remediate.config.loader import load_bundle
from bsm_remediate.domain.bundle import Bundle
from bsm_remediate.domain.ids import Fingerprint, PolicyId
from bsm_remediate.domain.metric import fingerprint_of
from bsm_remediate.domain.metric_history import Bucket, Gathering, MetricSeries, Resolution
from bsm_remediate.domain.policy import Mode
from bsm_remediate.engine import metric_report
from bsm_remediate.engine.metric_report import metrics_document, metrics_section, usual_resolution
from bsm_remediate.errors import UnknownId
from bsm_remediate.testing.store import MemoryStore
from bsm_remediate.testing.timeline import Timeline
from bsm_remediate.web.report import report_document

BUSY = PolicyId("relieve-web")
SHOP = """
currency: EUR
services: {checkout: {loss_per_minute: 300, requires: {any: [web-1, web-2]}}}
components: {web-1: {}, web-2: {}}
policies:
  relieve-web:
    metric: {query: cpu, above: 0.85, clear: 0.7, for: 1m, every: 10s}
    mode: shadow
  queue-long: {metric: {query: queue, above: 100, every: 10s}, mode: shadow}
  by-alert: {match: {alertname: WebDown}, mode: shadow}
"""


def at(text: str) -> datetime:
    return datetime.fromisoformat(f"2026-01-{text if 'T' in text else f'05T{text}'}").replace(tzinfo=UTC)


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    folder = tmp_path_factory.mktemp("shop")
    (folder / "shop.yml").write_text(SHOP)
    loaded = load_bundle(folder, inventory=None, playbooks=None, scrutinise=False)
    assert loaded.bundle is not None, loaded.findings
    return loaded.bundle


@pytest.fixture(scope="module")
def morning(bundle: Bundle) -> Timeline:
    """From 09:00 to 12:10: web-1 is busy from 10:00 to 10:30, web-2 is gone from 11:00 on."""
    shop = Timeline(bundle, MemoryStore())
    shop.figures.set("cpu", {"web-1": 0.4, "web-2": 0.2})
    shop.figures.set("queue", {"mail": 7.0})
    shop.at("10:00:00").figures.set("cpu", {"web-1": 0.9, "web-2": 0.2})
    shop.at("10:30:00").figures.set("cpu", {"web-1": 0.4, "web-2": 0.2})
    shop.at("11:00:00").figures.set("cpu", {"web-1": 0.4})
    return shop.at("12:10:00")


def history(shop: Timeline, bundle: Bundle, resolution: Resolution | None, since: str, until: str) -> dict[str, Any]:
    found = metrics_document(shop.store, bundle, BUSY, resolution, since=at(since), until=at(until))
    return dict(json.loads(json.dumps(found)))


def figures_of(document: dict[str, Any], instance: str) -> list[dict[str, Any]]:
    return next((one["buckets"] for one in document["series"] if one["labels"] == {"instance": instance}), [])


def section(shop: Timeline, bundle: Bundle, since: str, until: str) -> dict[str, Any]:
    found = metrics_section(shop.store, bundle, since=at(since), until=at(until))
    return {one["policy"]: one for one in json.loads(json.dumps(found))}


def test_an_hour_says_how_many_figures_there_were_and_what_they_were(morning: Timeline, bundle: Bundle) -> None:
    hours = figures_of(history(morning, bundle, Resolution.HOUR, "09:00", "12:00"), "web-1")
    assert [one["from"] for one in hours] == [f"2026-01-05T{hour}:00:00Z" for hour in ("09", "10", "11")]
    for calm in (hours[0], hours[2]):
        assert 320 <= calm["figures"] <= 361
        assert {calm[name] for name in ("min", "p50", "p95", "p99", "max")} == {0.4}
        assert calm["beyond_minutes"] == 0
    busy = hours[1]
    assert (busy["min"], busy["max"]) == (0.4, 0.9)
    assert busy["mean"] == pytest.approx(0.65, abs=0.01)
    assert busy["p95"] == pytest.approx(0.9, rel=0.01)
    assert busy["p99"] == pytest.approx(0.9, rel=0.01)


def test_the_time_beyond_the_threshold_is_how_long_it_was(morning: Timeline, bundle: Bundle) -> None:
    hour = figures_of(history(morning, bundle, Resolution.HOUR, "10:00", "11:00"), "web-1")[0]
    assert hour["beyond_minutes"] == pytest.approx(30, rel=0.06)  # polls are spread by up to a tenth of their pause
    minutes = figures_of(history(morning, bundle, Resolution.MINUTE, "10:00", "11:00"), "web-1")
    beyond = [one["from"] for one in minutes if one["beyond_minutes"]]
    assert (beyond[0], beyond[-1]) == ("2026-01-05T10:00:00Z", "2026-01-05T10:29:00Z")
    assert sum(one["beyond_minutes"] for one in minutes) == pytest.approx(hour["beyond_minutes"], abs=0.3)


def test_a_report_sums_the_series_of_a_policy_and_names_the_worst_first(morning: Timeline, bundle: Bundle) -> None:
    found = section(morning, bundle, "09:00", "12:00")
    assert list(found) == ["queue-long", "relieve-web"]
    busy = found["relieve-web"]
    assert (busy["threshold"], busy["limit"]) == ("above 0.85 for 1m, clear at 0.7", 0.85)
    assert (busy["series"], busy["min"], busy["max"]) == (2, 0.2, 0.9)
    assert [one["labels"]["instance"] for one in busy["worst_series"]] == ["web-1", "web-2"]
    assert busy["figures"] == sum(one["figures"] for one in busy["worst_series"])
    assert busy["beyond_minutes"] == busy["worst_series"][0]["beyond_minutes"] == pytest.approx(30, rel=0.06)
    assert busy["worst_series"][1]["beyond_minutes"] == 0
    assert (found["queue-long"]["mean"], found["queue-long"]["p99"]) == (7, 7)


def test_a_section_of_part_of_an_hour_is_to_the_minute(morning: Timeline, bundle: Bundle) -> None:
    assert section(morning, bundle, "10:20", "10:50")["relieve-web"]["beyond_minutes"] == pytest.approx(10, rel=0.1)
    assert section(morning, bundle, "10:30", "12:00")["relieve-web"]["max"] == 0.4
    assert section(morning, bundle, "05:00", "08:00") == {}


def test_the_parts_of_a_time_add_up_to_the_whole(morning: Timeline, bundle: Bundle) -> None:
    whole = section(morning, bundle, "09:00", "12:05")["relieve-web"]
    parts = [
        section(morning, bundle, since, until)["relieve-web"]
        for since, until in (("09:00", "09:47"), ("09:47", "11:03"), ("11:03", "12:05"))
    ]
    assert whole["figures"] == sum(one["figures"] for one in parts)
    assert whole["beyond_minutes"] == pytest.approx(sum(one["beyond_minutes"] for one in parts), abs=0.02)


def test_a_series_that_is_gone_is_told_as_long_as_it_was_there(morning: Timeline, bundle: Bundle) -> None:
    hours = figures_of(history(morning, bundle, Resolution.HOUR, "09:00", "12:00"), "web-2")
    assert [one["from"][11:13] for one in hours] == ["09", "10"]
    later = history(morning, bundle, Resolution.HOUR, "11:00", "12:00")
    assert [one["labels"]["instance"] for one in later["series"]] == ["web-1"]
    assert section(morning, bundle, "11:00", "12:00")["relieve-web"]["series"] == 1


def test_the_report_has_the_section_and_a_few_points_for_its_plot(morning: Timeline, bundle: Bundle) -> None:
    report = report_document(morning.store, bundle, Mode.AUTO, (at("09:00"), at("12:00")))
    busy = next(one for one in report["metrics"] if one["policy"] == "relieve-web")
    web_1 = busy["over_time"][0]
    assert (web_1["labels"], web_1["resolution_s"], len(web_1["buckets"])) == ({"instance": "web-1"}, 60, 180)
    assert {one["max"] for one in web_1["buckets"]} == {0.4, 0.9}


# --- what is unknown -------------------------------------------------------------------------------------------------


def test_a_policy_that_nobody_knows_is_an_error_and_one_without_figures_yet_is_none(bundle: Bundle) -> None:
    store = MemoryStore()
    for policy, why in (("releive-web", "there is no policy 'releive-web'"), ("by-alert", "watches no metric")):
        with pytest.raises(UnknownId, match=why):
            metrics_document(store, bundle, PolicyId(policy), None, since=at("09:00"), until=at("10:00"))
    found = metrics_document(store, bundle, BUSY, None, since=at("09:00"), until=at("10:00"))
    assert (found["series"], found["limit"]) == ([], 0.85)


def test_figures_of_a_policy_that_was_removed_are_still_told(bundle: Bundle) -> None:
    store = _kept({Resolution.HOUR: ["05T09:00"]}, policy="gone")
    found = metrics_document(store, bundle, PolicyId("gone"), None, since=at("09:00"), until=at("12:00"))
    assert (found["threshold"], found["limit"], len(_rows(found))) == ("", None, 1)


# --- which resolution ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("length", "resolution"),
    [
        (timedelta(minutes=1), Resolution.MINUTE),
        (timedelta(minutes=500), Resolution.MINUTE),
        (timedelta(minutes=501), Resolution.HOUR),
        (timedelta(hours=500), Resolution.HOUR),
        (timedelta(hours=501), Resolution.DAY),
        (timedelta(days=3000), Resolution.DAY),
    ],
)
def test_unless_told_it_is_the_finest_of_which_not_too_many_fit(length: timedelta, resolution: Resolution) -> None:
    assert usual_resolution(at("09:00"), at("09:00") + length) is resolution


def _series(instance: str, policy: str = BUSY) -> MetricSeries:
    labels = {"instance": instance}
    return MetricSeries(policy=PolicyId(policy), id=fingerprint_of(PolicyId(policy), labels), labels=labels)


def _bucket(series: Fingerprint, resolution: Resolution, begin: datetime) -> Bucket:
    gathering = Gathering(0)
    gathering.add(0.5, 0.0)
    return Bucket(series, resolution, begin, gathering.summary())


def _kept(begins: dict[Resolution, list[str]], *, instances: Sequence[str] = ("web-1",), policy: str = BUSY) -> Any:
    store = MemoryStore()
    series = [_series(one, policy) for one in instances]
    for resolution, moments in begins.items():
        store.note_figures([_bucket(one.id, resolution, at(begin)) for one in series for begin in moments], series)
    return store


def _rows(document: dict[str, Any]) -> list[dict[str, Any]]:
    return list(document["series"])


def test_where_minutes_are_forgotten_hours_are_told_without_being_asked_for(bundle: Bundle) -> None:
    store = _kept({Resolution.HOUR: ["05T09:00", "05T10:00"], Resolution.DAY: ["05T00:00"]})
    found = metrics_document(store, bundle, BUSY, None, since=at("09:00"), until=at("11:00"))
    assert (found["resolution_s"], len(_rows(found)[0]["buckets"])) == (3600, 2)
    asked = metrics_document(store, bundle, BUSY, Resolution.MINUTE, since=at("09:00"), until=at("11:00"))
    assert (asked["resolution_s"], asked["series"]) == (60, [])


def test_what_reaches_back_further_is_taken_where_the_finer_ones_begin_within(bundle: Bundle) -> None:
    minutes = [f"05T10:{minute:02}" for minute in range(60)]
    store = _kept({Resolution.MINUTE: minutes, Resolution.HOUR: ["05T09:00", "05T10:00"]})
    since_nine = metrics_document(store, bundle, BUSY, None, since=at("09:00"), until=at("11:00"))
    since_ten = metrics_document(store, bundle, BUSY, None, since=at("10:00"), until=at("11:00"))
    assert (since_nine["resolution_s"], since_ten["resolution_s"]) == (3600, 60)


def test_in_its_first_hour_an_engine_tells_the_minutes_that_there_are(bundle: Bundle) -> None:
    store = _kept({Resolution.MINUTE: ["05T09:00", "05T09:01"]})
    for since in ("04T09:00", "01T09:00"):
        found = metrics_document(store, bundle, BUSY, None, since=at(since), until=at("09:02"))
        assert (found["resolution_s"], len(_rows(found)[0]["buckets"])) == (60, 2)
    (told,) = json.loads(json.dumps(metrics_section(store, bundle, since=at("01T09:00"), until=at("09:02"))))
    assert len(told["over_time"][0]["buckets"]) == 2


def test_a_time_that_begins_with_the_calendar_is_answered_too(bundle: Bundle) -> None:
    store = _kept({Resolution.DAY: ["05T00:00"]})
    first = datetime.min.replace(tzinfo=UTC)
    assert len(_rows(metrics_document(store, bundle, BUSY, None, since=first, until=at("06T00:00")))) == 1
    assert metrics_section(store, bundle, since=first, until=first + timedelta(hours=1)) == []
    assert _rows(metrics_document(store, bundle, BUSY, None, since=first, until=first + timedelta(hours=1))) == []


# --- limits ----------------------------------------------------------------------------------------------------------


def test_of_very_many_series_the_first_are_told_and_the_others_counted(
    bundle: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(metric_report, "_MOST_BUCKETS", 100)
    store = _kept({Resolution.HOUR: ["05T09:00", "05T10:00"]}, instances=[f"web-{one:03}" for one in range(120)])
    found = metrics_document(store, bundle, BUSY, Resolution.HOUR, since=at("09:00"), until=at("11:00"))
    assert [one["labels"]["instance"] for one in _rows(found)] == [f"web-{one:03}" for one in range(50)]
    assert found["left_out"] == 70
    short = metrics_document(store, bundle, BUSY, Resolution.HOUR, since=at("09:00"), until=at("10:00"))
    assert (len(_rows(short)), short["left_out"]) == (100, 20)


def test_a_report_names_the_worst_twenty_series_counts_all_and_plots_few(bundle: Bundle) -> None:
    names = [f"web-{one:02}" for one in range(30)]
    store = _kept({Resolution.MINUTE: [f"05T09:{minute:02}" for minute in range(60)]}, instances=names)
    (found,) = json.loads(json.dumps(metrics_section(store, bundle, since=at("09:00"), until=at("10:00"))))
    assert (found["series"], found["figures"], len(found["worst_series"]), len(found["over_time"])) == (30, 1800, 20, 3)


def test_of_many_policies_the_first_are_plotted_and_all_are_told(bundle: Bundle) -> None:
    store = MemoryStore()
    for number in range(25):
        one = _series("web-1", f"policy-{number:02}")
        store.note_figures([_bucket(one.id, Resolution.MINUTE, at("09:00"))], [one])
    found = metrics_section(store, bundle, since=at("09:00"), until=at("10:00"))
    assert [bool(dict(one)["over_time"]) for one in json.loads(json.dumps(found))] == [True] * 20 + [False] * 5
