"""What each vendor posts is read as expected; what is no alert starts nothing."""

from __future__ import annotations

import json
import logging
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from bsm_remediate.adapters.webhooks import SOURCES, named
from bsm_remediate.adapters.webhooks.pagerduty import is_signed
from bsm_remediate.domain.alert import Alert, AlertStatus
from bsm_remediate.errors import MalformedAlerts
from bsm_remediate.testing.store import MemoryStore

DATA = Path(__file__).parents[2].parent / "shared" / "data" / "alerts"
NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
VENDORS = ("grafana", "zabbix", "datadog", "cloudwatch", "pagerduty", "newrelic", "uptime-kuma")
SAMPLES: list[dict[str, Any]] = [
    sample for sample in json.loads((DATA / "expected.json").read_text())["samples"] if sample["vendor"] in VENDORS
]
STEPS = {"warning": "medium"}
"""Our severities on the five-step scale of the samples."""
STILL_FIRING = "acknowledged"
NAMED_IN_PROSE_ONLY = "alerts/datadog/mq-consumer-struggling.json"
"""Its host stands in the sentence for people; the scope, by which Datadog tells alerts apart, names another."""


def sample(name: str) -> Any:
    return json.loads((DATA / name).read_text())


def read(vendor: str, body: object) -> list[Alert]:
    delivery = SOURCES[vendor](json.dumps(body).encode(), NOW)
    assert delivery.rejected == []
    return delivery.alerts


def changed(body: Any, **members: object) -> Any:
    return {**body, **members}


def test_there_are_samples_of_each_vendor() -> None:
    assert {sample["vendor"] for sample in SAMPLES} == set(VENDORS)


@pytest.mark.parametrize("expected", SAMPLES, ids=lambda sample: sample["file"].removeprefix("alerts/"))
def test_what_a_vendor_sent_is_read_as_expected(expected: dict[str, Any]) -> None:
    found = read(expected["vendor"], sample(expected["file"].removeprefix("alerts/")))
    assert len(found) == len(expected["alerts"])
    for alert, wanted in zip(found, expected["alerts"], strict=True):
        status = "firing" if wanted["status"] == STILL_FIRING else wanted["status"]
        assert (alert.source, alert.name, alert.status.value) == (expected["vendor"], wanted["name"], status)
        assert STEPS.get(alert.severity, alert.severity) == STEPS.get(wanted["severity"], wanted["severity"] or "")
        assert wanted["dedup_key"] in {None, alert.fingerprint}
        assert wanted["ended_at"] == alert.ends_at
        if wanted["resource"] is not None and expected["file"] != NAMED_IN_PROSE_ONLY:
            assert wanted["resource"] in {alert.labels.get(label) for label in ("instance", "host", "service")}
        assert wanted["summary"] in {None, alert.annotations.get("summary"), alert.name}
        assert wanted.get("labels", {}).items() <= alert.labels.items()
        started = datetime.fromisoformat(wanted["started_at"]) if wanted["started_at"] else NOW
        assert abs(alert.starts_at - started) < timedelta(seconds=1)


PAIRS = {
    "grafana": (sample("grafana/legacy-alert-alerting.json"), sample("grafana/legacy-alert-ok.json")),
    "zabbix": (sample("zabbix/problem-filled.json"), sample("zabbix/recovery-filled.json")),
    "datadog": tuple(
        changed(sample("datadog/high-cpu-usage.json"), scopes="host:db-1,env:prod", alert_transition=transition)
        for transition in ("Triggered", "Recovered")
    ),
    "cloudwatch": tuple(
        changed(
            sample("cloudwatch/sns-alarm.json"),
            Message=json.dumps(
                {
                    "AlarmName": "Down",
                    "Region": "EU",
                    "AWSAccountId": "1",
                    "NewStateValue": state,
                    "NewStateReason": why,
                }
            ),
        )
        for state, why in (("ALARM", "1 > 0"), ("OK", "0"))
    ),
    "pagerduty": tuple(
        {
            "event": changed(
                event,
                occurred_at=f"2021-04-26T17:{minute}:27.458Z",
                data=changed(event["data"], status=status, created_at="2021-04-26T17:30:00Z", priority=None),
            )
        }
        for event in [sample("pagerduty/webhook-v3-priority-updated.json")["event"]]
        for minute, status in (("36", "triggered"), ("50", "resolved"))
    ),
    "newrelic": tuple(
        changed(sample("newrelic/legacy-open.json"), current_state=state, timestamp=1601033007849 + later)
        for state, later in (("open", 0), ("closed", 60_000))
    ),
    "uptime-kuma": tuple(
        changed(
            sample("uptime-kuma/up.json"),
            heartbeat=changed(
                sample("uptime-kuma/up.json")["heartbeat"], status=status, localDateTime=f"2022-08-26 01:0{status}:00"
            ),
        )
        for status in (0, 1)
    ),
}


@pytest.mark.parametrize("vendor", VENDORS)
def test_the_end_of_an_alert_pairs_with_its_beginning(vendor: str) -> None:
    beginning, end = (read(vendor, body)[0] for body in PAIRS[vendor])
    assert (beginning.status, end.status) == (AlertStatus.FIRING, AlertStatus.RESOLVED)
    assert beginning.key == end.key
    store = MemoryStore()
    for alert, active in ((beginning, 1), (end, 0), (beginning, 1 if end.starts_at == beginning.starts_at else 0)):
        store.record([alert])
        assert len(store.active()) == active  # a late delivery of the beginning changes nothing, where it can be told


@pytest.mark.parametrize("vendor", VENDORS)
def test_two_senders_of_one_kind_do_not_mix_their_alerts(vendor: str) -> None:
    raw = json.dumps(PAIRS[vendor][0]).encode()
    here, there = (reader(raw, NOW).alerts[0] for reader in (SOURCES[vendor], named(vendor, f"{vendor}-eu")))
    assert (here.source, there.source) == (vendor, f"{vendor}-eu")
    assert (here.fingerprint, here.labels) == (there.fingerprint, there.labels)


def test_alertmanager_and_generic_may_have_other_names_too() -> None:
    generic = named("generic", "mytool")(b'{"name": "Down"}', NOW).alerts[0]
    body = json.dumps({"alerts": [{"status": "firing", "labels": {"a": "b"}, "startsAt": "2026-01-05T09:00:00Z"}]})
    alertmanager = named("alertmanager", "am-eu")(body.encode(), NOW).alerts[0]
    assert (generic.source, alertmanager.source) == ("mytool", "am-eu")


CONTROLS = [
    ("cloudwatch", sample("cloudwatch/sns-subscription-confirmation.json")),
    ("cloudwatch", {"Type": "UnsubscribeConfirmation", "SubscribeURL": "https://sns.eu-west-1.amazonaws.com/?a=b"}),
    ("pagerduty", {"event": {"event_type": "pagey.ping", "data": {"message": "Hello", "type": "ping"}}}),
    ("pagerduty", {"event": {"event_type": "incident.annotated", "data": {"type": "incident_note", "id": "P1"}}}),
    ("pagerduty", {"event": {"event_type": "service.updated", "data": {"type": "service", "id": "P1"}}}),
    ("zabbix", sample("zabbix/webhook-parameters-template.json")),
    ("grafana", {"ruleId": 0, "ruleName": "Test notification", "state": "alerting", "title": "[Alerting] Test"}),
    ("uptime-kuma", {"heartbeat": None, "monitor": None, "msg": "My Webhook Testing"}),
]


@pytest.mark.parametrize(("vendor", "body"), CONTROLS)
def test_tests_pings_and_confirmations_are_no_alerts_and_no_errors(vendor: str, body: object) -> None:
    assert read(vendor, body) == []


@pytest.mark.parametrize(
    ("vendor", "body"),
    [
        ("cloudwatch", sample("cloudwatch/sns-insufficient-data.json")),
        ("grafana", changed(sample("grafana/legacy-alert-ok.json"), state="no_data")),
        ("datadog", changed(sample("datadog/high-cpu-usage.json"), alert_transition="No Data")),
    ],
)
def test_a_source_that_cannot_tell_says_so(vendor: str, body: object) -> None:
    assert [alert.status for alert in read(vendor, body)] == [AlertStatus.UNKNOWN]


@pytest.mark.parametrize(
    ("vendor", "body"),
    [
        ("grafana", changed(sample("grafana/legacy-alert-ok.json"), state="paused")),
        ("uptime-kuma", changed(sample("uptime-kuma/up.json"), heartbeat={"status": 2})),
        ("uptime-kuma", changed(sample("uptime-kuma/up.json"), heartbeat={"status": 3})),
    ],
)
def test_what_is_pending_or_paused_neither_begins_nor_ends_an_alert(vendor: str, body: object) -> None:
    assert read(vendor, body) == []


def test_a_subscription_is_confirmed_by_a_person_who_is_shown_the_address(caplog: pytest.LogCaptureFixture) -> None:
    body = sample("cloudwatch/sns-subscription-confirmation.json")
    with caplog.at_level(logging.WARNING):
        read("cloudwatch", body)
    assert body["SubscribeURL"] in caplog.text


@pytest.mark.parametrize(
    "address",
    [
        "http://sns.eu-west-1.amazonaws.com/?Action=x",
        "https://sns.eu-west-1.amazonaws.com.evil.example/?Action=x",
        "https://sns.eu-west-1.amazonaws.com@evil.example/?Action=x",
        "https://sns.eu-west-1.amazonaws.com/?Action=x\nengine.started all is well",
        "https://169.254.169.254/?Action=x",
        7777777,
        None,
    ],
)
def test_an_address_that_is_not_amazons_is_not_even_shown(address: object, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        read("cloudwatch", {"Type": "SubscriptionConfirmation", "SubscribeURL": address})
    assert "confirm_subscription" in caplog.text
    assert str(address) not in caplog.text


def test_an_alarm_may_come_without_the_envelope_of_sns() -> None:
    enveloped = sample("cloudwatch/sns-alarm.json")
    assert read("cloudwatch", json.loads(enveloped["Message"])) == read("cloudwatch", enveloped)


def test_an_alarm_on_an_expression_has_the_dimensions_of_its_metrics() -> None:
    metric = {"MetricStat": {"Metric": {"Dimensions": [{"name": "InstanceId", "value": "i-1"}]}}}
    alarm = {"AlarmName": "Busy", "NewStateValue": "ALARM", "Trigger": {"Metrics": [{"Expression": "a*2"}, metric]}}
    assert read("cloudwatch", alarm)[0].labels == {"alertname": "Busy", "instance": "i-1", "InstanceId": "i-1"}


def test_what_is_published_on_the_topic_beside_alarms_is_refused() -> None:
    with pytest.raises(MalformedAlerts) as refused:
        read("cloudwatch", {"Type": "Notification", "Message": "hello"})
    assert refused.value.field == "/Message"


def test_a_legacy_grafana_rule_about_several_series_has_the_labels_that_they_share() -> None:
    matches = [{"tags": {"instance": f"web-{n}", "job": "web"}} for n in (1, 2)]
    alert = read("grafana", changed(sample("grafana/legacy-example.json"), evalMatches=matches))[0]
    assert alert.labels == {"alertname": "Load peaking!", "job": "web"}


def test_the_two_hosts_of_one_datadog_monitor_are_two_alerts() -> None:
    one, other = (
        read("datadog", {"title": "Disk", "monitor_id": "7", "scopes": scope, "alert_transition": "Triggered"})[0]
        for scope in ("host:db-1", "host:db-2")
    )
    assert one.fingerprint != other.fingerprint
    assert one.labels == {"alertname": "Disk", "monitor_id": "7", "host": "db-1"}


def test_the_milder_threshold_of_a_datadog_monitor_is_a_warning() -> None:
    body = {"title": "Disk", "monitor_id": "7", "priority": "P1", "alert_transition": "Warn"}
    assert read("datadog", body)[0].severity == "warning"


def test_a_new_relic_workflow_is_read_as_well_as_its_forerunner() -> None:
    body = {
        "id": "c1f6ad3c",
        "issueUrl": "https://radar.example/issues/c1f6ad3c",
        "title": "CPU of 'web-1' above 90",
        "priority": "CRITICAL",
        "impactedEntities": ["web-1"],
        "state": "ACTIVATED",
        "createdAt": 1767603600000,
        "alertPolicyNames": ["Shop"],
        "alertConditionNames": ["CPU high"],
    }
    alert = read("newrelic", body)[0]
    assert alert.labels == {"alertname": "CPU high", "severity": "critical", "instance": "web-1", "policy": "Shop"}
    assert alert.starts_at == datetime(2026, 1, 5, 9, tzinfo=UTC)
    closed = read("newrelic", changed(body, state="CLOSED", closedAt=1767603660000))[0]
    assert (closed.key, closed.status, closed.starts_at) == (alert.key, AlertStatus.RESOLVED, alert.starts_at)
    assert closed.ends_at == datetime(2026, 1, 5, 9, 1, tzinfo=UTC)
    assert "instance" not in read("newrelic", changed(body, impactedEntities=["web-1", "web-2"]))[0].labels


def test_the_address_of_a_kuma_monitor_that_has_none_is_its_host() -> None:
    monitor = {"id": 3, "name": "Ping", "type": "ping", "url": "https://", "hostname": "db-1", "tags": []}
    heartbeat = {"status": 0, "time": "2026-11-23 11:00:00.123", "msg": "timeout"}
    alert = read("uptime-kuma", {"monitor": monitor, "heartbeat": heartbeat, "msg": "x"})[0]
    assert alert.labels == {"alertname": "Ping", "instance": "db-1", "host": "db-1", "monitor_type": "ping"}
    assert alert.starts_at == datetime(2026, 11, 23, 11, 0, 0, 123000, UTC)


def test_a_kuma_heartbeat_is_dated_by_its_own_offset() -> None:
    body = sample("uptime-kuma/up.json")
    body["heartbeat"]["timezoneOffset"] = "-07:00"
    assert read("uptime-kuma", body)[0].starts_at == datetime(2022, 8, 26, 8, 2, 24, tzinfo=UTC)


VECTOR = sample("pagerduty/signature.json")


@pytest.mark.parametrize(
    ("header", "fits"),
    [
        (VECTOR["value"], True),
        (VECTOR["wrong_value"], False),
        (f"{VECTOR['wrong_value']},{VECTOR['value']}", True),
        (f"{VECTOR['wrong_value']}, {VECTOR['value']}", True),
        (VECTOR["value"].replace("v1=", "v0="), False),
        (VECTOR["value"][:-1], False),
        ("", False),
        ("v1=ä", False),
    ],
)
def test_a_signature_of_pagerduty_fits_or_not(header: str, fits: bool) -> None:
    secrets, headers = ["another", VECTOR["test_secret"]], {b"x-pagerduty-signature": header.encode()}
    assert is_signed(secrets, headers, VECTOR["body"].encode()) is fits
    assert not is_signed(secrets, headers, VECTOR["body"].encode() + b" ")
    assert not is_signed(["another"], headers, VECTOR["body"].encode())


def test_without_the_header_nothing_is_signed() -> None:
    assert not is_signed([VECTOR["test_secret"]], {}, VECTOR["body"].encode())


@pytest.mark.parametrize("vendor", VENDORS)
def test_template_text_stays_the_text_that_it_is(vendor: str) -> None:
    text = "{{ lookup(env) }} --limit=all"
    name = read(vendor, PAIRS[vendor][0])[0].name
    assert read(vendor, json.loads(json.dumps(PAIRS[vendor][0]).replace(name, text)))[0].name == text
