"""Bodies as senders post them: real ones are read rightly, hostile ones are refused or stay inert."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bsm_remediate.adapters.webhooks import SOURCES
from bsm_remediate.adapters.webhooks.files import read_alerts
from bsm_remediate.domain.alert import AlertStatus
from bsm_remediate.errors import MalformedAlerts

DATA = Path(__file__).parents[2].parent / "shared" / "data" / "alerts"
NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
SAMPLES: list[dict[str, Any]] = [
    sample
    for sample in json.loads((DATA / "expected.json").read_text())["samples"]
    if sample["vendor"] == "alertmanager"
]


def body(**change: object) -> dict[str, Any]:
    alert = {
        "status": "firing",
        "labels": {"alertname": "Down", "instance": "db-1"},
        "annotations": {"summary": "it is gone"},
        "startsAt": "2026-11-23T11:59:00Z",
        "endsAt": "0001-01-01T00:00:00Z",
        "fingerprint": "a1",
    }
    return {"version": "4", "alerts": [{**alert, **change}]}


def raw(value: object) -> bytes:
    return json.dumps(value).encode()


def test_there_are_samples_of_a_real_alertmanager() -> None:
    assert len(SAMPLES) >= 20


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda sample: Path(sample["file"]).stem)
def test_what_a_real_alertmanager_sent_is_read_as_expected(sample: dict[str, Any]) -> None:
    delivery = SOURCES["alertmanager"]((DATA.parent / sample["file"]).read_bytes(), NOW)
    assert delivery.rejected == []
    assert len(delivery.alerts) == len(sample["alerts"])
    for alert, expected in zip(delivery.alerts, sample["alerts"], strict=True):
        assert (alert.name, alert.status.value) == (expected["name"], expected["status"])
        assert alert.severity == (expected["severity_raw"] or "").lower()
        assert expected["dedup_key"] in {None, alert.fingerprint}
        started = datetime.fromisoformat(expected["started_at"])
        assert abs(alert.starts_at - started) < timedelta(seconds=1)
        assert (alert.ends_at is None) == (expected["ended_at"] is None)


def test_a_fingerprint_is_made_of_the_labels_where_there_is_none() -> None:
    first, second = (
        SOURCES["alertmanager"](raw(body(fingerprint=None, annotations={"n": str(n)})), NOW).alerts[0] for n in (1, 2)
    )
    assert first.fingerprint == second.fingerprint


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"labels": None}, "/alerts/0/labels"),
        ({"labels": {}}, "/alerts/0/labels"),
        ({"labels": []}, "/alerts/0/labels"),
        ({"labels": {"a": 1}}, "/alerts/0/labels/a"),
        ({"labels": {"a/b~c": None}}, "/alerts/0/labels/a~1b~0c"),
        ({"labels": {f"l{n}": "x" for n in range(100_000)}}, "/alerts/0/labels"),
        ({"labels": {"a": "x" * 70_000}}, "/alerts/0/labels/a"),
        ({"annotations": "text"}, "/alerts/0/annotations"),
        ({"status": "pending"}, "/alerts/0/status"),
        ({"status": None}, "/alerts/0/status"),
        ({"startsAt": None}, "/alerts/0/startsAt"),
        ({"startsAt": "yesterday"}, "/alerts/0/startsAt"),
        ({"startsAt": "2026-11-23T11:59:00"}, "/alerts/0/startsAt"),
        ({"startsAt": 5}, "/alerts/0/startsAt"),
        ({"endsAt": "never"}, "/alerts/0/endsAt"),
        ({"fingerprint": 7}, "/alerts/0/fingerprint"),
        ({"fingerprint": "x" * 300}, "/alerts/0/fingerprint"),
    ],
)
def test_a_bad_alert_is_refused_with_the_place_of_the_fault(change: dict[str, object], field: str) -> None:
    with pytest.raises(MalformedAlerts) as refused:
        SOURCES["alertmanager"](raw(body(**change)), NOW)
    assert refused.value.field == field


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"{",
        b"null",
        b"[]",
        b'"text"',
        b'{"alerts": 5}',
        b"{}",
        b'{"alerts": [5]}',
        b'{"alerts": [' + b"[" * 5_000 + b"]" * 5_000 + b"]}",
        b'{"alerts": [{"status": "firing", "labels": {"a": "\xff"}}]}',
        b'{"alerts": [{"status": "firing", "labels": {"a": "\\ud800"}}]}',
        b'{"alerts": NaN}',
        b"\xef\xbb\xbf{}",
        '{"alerts": [1]}'.encode("utf-16"),
    ],
)
def test_a_body_that_is_none_is_refused(text: bytes) -> None:
    with pytest.raises(MalformedAlerts):
        SOURCES["alertmanager"](text, NOW)


def test_one_bad_alert_is_kept_aside_and_the_good_ones_are_taken() -> None:
    good, bad = body()["alerts"][0], {"status": "firing"}
    delivery = SOURCES["alertmanager"](raw({"alerts": [bad, good, bad]}), NOW)
    assert [alert.name for alert in delivery.alerts] == ["Down"]
    assert [one.field for one in delivery.rejected] == ["/alerts/0/labels", "/alerts/2/labels"]


def test_template_text_and_strange_names_are_only_text() -> None:
    labels = {
        "alertname": "{{ lookup('pipe', 'id') }}",
        "__ansible_unsafe": "!unsafe x",
        "ansible_python_interpreter": "/bin/sh",
        "--limit": "all\u202e\n",
        "nul": "a\0b",
    }
    alert = SOURCES["alertmanager"](raw(body(labels=labels)), NOW).alerts[0]
    assert alert.labels == {**labels, "nul": "a\ufffdb"}


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("2026-11-23T12:30:00Z", NOW),  # the future is now
        ("0001-01-01T00:00:00+14:00", datetime(1970, 1, 1, tzinfo=UTC)),
        ("9999-12-31T23:59:59-14:00", NOW),
        ("2026-11-23T11:59:00.123456789Z", datetime(2026, 11, 23, 11, 59, 0, 123456, UTC)),
        ("2026-11-23T12:59:00+01:00", datetime(2026, 11, 23, 11, 59, tzinfo=UTC)),
    ],
)
def test_absurd_times_are_brought_to_earth(written: str, read: datetime) -> None:
    assert SOURCES["alertmanager"](raw(body(startsAt=written)), NOW).alerts[0].starts_at == read


def test_the_generic_body_needs_only_a_name() -> None:
    alert = SOURCES["generic"](raw({"name": "Down"}), NOW).alerts[0]
    assert (alert.name, alert.status, alert.starts_at) == ("Down", AlertStatus.FIRING, NOW)


def test_the_generic_body_says_severity_and_component_outright() -> None:
    posted = {"name": "Down", "severity": "critical", "component": "db-1", "labels": {"shard": "1"}}
    alert = SOURCES["generic"](raw({"alerts": [posted]}), NOW).alerts[0]
    assert alert.labels == {"alertname": "Down", "severity": "critical", "component": "db-1", "shard": "1"}


@pytest.mark.parametrize(
    "posted", [{}, {"name": ""}, {"name": 5}, {"name": "a", "what": 1}, {"name": "a", "labels": 1}]
)
def test_a_generic_body_that_is_wrong_is_refused(posted: dict[str, object]) -> None:
    with pytest.raises(MalformedAlerts):
        SOURCES["generic"](raw(posted), NOW)


def test_a_file_may_hold_a_body_a_list_of_bodies_a_list_of_alerts_or_lines() -> None:
    alert = body()["alerts"][0]
    forms = [raw(body()), raw([body()]), raw([alert]), raw(body()) + b"\n" + raw(alert) + b"\n"]
    for form in forms:
        assert [one.name for one in read_alerts(form, received_at=NOW)] == ["Down"]


def test_in_a_file_a_later_resolve_ends_the_alert() -> None:
    ended = {**body()["alerts"][0], "status": "resolved"}
    assert read_alerts(raw([body(), {"alerts": [ended]}]), received_at=NOW) == []


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(sorted(SOURCES)), st.binary(max_size=300))
def test_any_bytes_are_alerts_or_refused(source: str, text: bytes) -> None:
    try:
        delivery = SOURCES[source](text, NOW)
    except MalformedAlerts:
        return
    assert all(alert.labels for alert in delivery.alerts)


_JSON = st.recursive(
    st.none() | st.booleans() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner, max_size=4),
    max_leaves=20,
)
_MEMBERS = ["status", "labels", "annotations", "startsAt", "endsAt", "fingerprint", "name", "severity"]


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(sorted(SOURCES)), st.dictionaries(st.sampled_from(_MEMBERS), _JSON))
def test_any_members_are_an_alert_or_refused(source: str, change: dict[str, object]) -> None:
    try:
        delivery = SOURCES[source](json.dumps(body(**change)).encode(), NOW)
    except MalformedAlerts:
        return
    assert all(alert.starts_at <= NOW for alert in delivery.alerts)
