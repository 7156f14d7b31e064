"""Reviews: what a document says of an incident, on a virtual clock; and that it stays readable whatever came."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from bsm_remediate.config.loader import load_bundle
from bsm_remediate.domain.account import Gathering
from bsm_remediate.domain.alert import Alert, AlertStatus
from bsm_remediate.domain.bundle import Bundle
from bsm_remediate.domain.event import Event
from bsm_remediate.domain.ids import Fingerprint
from bsm_remediate.domain.incident import incidents, requirements
from bsm_remediate.domain.ledger import SUBJECT
from bsm_remediate.domain.review import review_document
from bsm_remediate.domain.review_page import review_page
from bsm_remediate.domain.review_timeline import MOST_LINES
from bsm_remediate.domain.statistics import History
from bsm_remediate.engine.review import read_incidents, read_review
from bsm_remediate.engine.statistics_keeper import pages
from bsm_remediate.testing.executor import Scripted
from bsm_remediate.testing.store import MemoryStore
from bsm_remediate.testing.timeline import BEGIN, Timeline

SHOP = """
currency: EUR
services:
  checkout:
    title: Customers pay
    loss_per_minute: 60
    owner: shop
    objective: {availability: 99, window: 1d}
    requires: [web-1, db-1]
  plant: {loss_per_minute: 600, requires: [plc-1]}
components:
  web-1: {requires: [db-1], owner: shop}
  db-1: {owner: data}
  plc-1: {}
  spare-1: {}
teams:
  shop: {members: [ana, li], on_call: {rotation: [ana, li], every: 7d, start: 2026-01-05}, duties: [owner]}
  data: {members: [kim], duties: [approver]}
policies:
  restart-database:
    match: {alertname: PostgresDown}
    evidence: direct
    do: [{playbook: restart_database.yml, expect: {duration: 60s, success: 0.9}}]
    verify: [{tcp: "{{ component.address }}:5432", within: 30s}]
    mode: auto
    resolve_within: 2m
  restart-web:
    match: {alertname: WebDown}
    do: [{playbook: restart_web.yml, expect: {duration: 20s, success: 0.9}}]
    verify: [{tcp: "{{ component.address }}:80", within: 30s}]
    mode: auto
  disk-means: {match: {alertname: DiskFull}, evidence: direct, sets: down}
  restart-plc:
    match: {alertname: PlcDown}
    evidence: direct
    do: [{playbook: restart_plc.yml, expect: {duration: 20s, success: 0.9}}]
    verify: [{tcp: "{{ component.address }}:102", within: 30s}]
    mode: approve
    guard: {approvers: [data]}
settings: {settle: 20s}
"""
Loaded = Callable[..., Bundle]


@pytest.fixture
def loaded(tmp_path: Path) -> Loaded:
    def load(text: str = SHOP) -> Bundle:
        (tmp_path / "shop.yml").write_text(text)
        found = load_bundle(tmp_path, inventory=None, playbooks=None, scrutinise=False)
        assert found.bundle is not None, found.findings
        return found.bundle

    return load


@pytest.fixture
def shop(loaded: Loaded) -> Timeline:
    found = Timeline(loaded(), MemoryStore())
    found.executor.script("restart_database.yml", Scripted(duration_s=60))
    found.executor.script("restart_web.yml", Scripted(duration_s=20))
    found.executor.script("restart_plc.yml", Scripted(duration_s=20))
    return found


def nine(minute: int, second: int = 0) -> datetime:
    return datetime(2026, 1, 5, 9, minute, second, tzinfo=UTC)


def review(shop: Timeline, name: str = "latest") -> dict[str, Any]:
    found: dict[str, Any] | None = read_review(shop.store, shop.engine.bundle, name, now=shop.clock.now())
    assert found is not None
    return found


def found_wrong(document: dict[str, Any]) -> dict[str, str]:
    return {one["kind"]: one["told"] for one in document["findings"]}


def restored(shop: Timeline) -> Timeline:
    """Its database fails at nine and is restored by a run as expected."""
    shop.at("09:00:00").fires("PostgresDown", instance="db-1").at("09:01:10").resolves("PostgresDown", instance="db-1")
    return shop.at("09:05:00")


# --- incidents -------------------------------------------------------------------------------------------------------


def test_failures_of_one_cause_are_one_incident_and_others_at_the_same_time_are_not(shop: Timeline) -> None:
    shop.at("09:00:00").fires("DiskFull", instance="db-1").at("09:00:10").fires("WebDown", instance="web-1")
    shop.at("09:00:20").fires("PlcDown", instance="plc-1").at("09:03:00")
    for name, instance in (("DiskFull", "db-1"), ("WebDown", "web-1"), ("PlcDown", "plc-1")):
        shop.resolves(name, instance=instance)
    rows: list[Any] = read_incidents(shop.store, shop.engine.bundle, since=BEGIN, until=shop.at("09:05:00").clock.now())
    told = [(one["id"], one["services"], one["components"], one["causes"]) for one in rows]
    assert told == [
        ("20260105T090020Z-plc-1", ["plant"], ["plc-1"], ["plc-1"]),
        ("20260105T090000Z-db-1", ["checkout"], ["db-1", "web-1"], ["db-1"]),
    ]
    assert [one["lost"] for one in rows] == [pytest.approx(600 * 160 / 60), 180.0]


def test_a_review_is_found_by_its_id_by_a_run_of_it_and_as_the_latest(shop: Timeline) -> None:
    restored(shop)
    by_latest = review(shop)
    assert review(shop, "20260105T090000Z-db-1") == by_latest
    assert review(shop, shop.run_of("db-1").id) == by_latest
    for name in ("nonsense", "20260105T090000Z-web-1"):
        assert read_review(shop.store, shop.engine.bundle, name, now=shop.clock.now()) is None


def test_what_fails_again_shortly_after_is_the_same_incident(shop: Timeline) -> None:
    shop.at("09:00:00").fires("DiskFull", instance="db-1").at("09:01:00").resolves("DiskFull", instance="db-1")
    shop.forget().at("09:05:00").fires("DiskFull", instance="db-1").at("09:06:00").resolves("DiskFull", instance="db-1")
    shop.forget().at("09:20:00").fires("DiskFull", instance="db-1").at("09:21:00").resolves("DiskFull", instance="db-1")
    rows: list[Any] = read_incidents(shop.store, shop.engine.bundle, since=BEGIN, until=shop.at("09:22:00").clock.now())
    assert [one["id"] for one in rows] == ["20260105T092000Z-db-1", "20260105T090000Z-db-1"]


# --- what it says ----------------------------------------------------------------------------------------------------


def test_two_sentences_say_what_customers_lost_why_and_what_restored_it(shop: Timeline) -> None:
    harm, course = review(restored(shop))["summary"]
    assert harm == "checkout was down for 1m (60.00 EUR)."
    run = shop.run_of("db-1").id
    assert course == (
        f"The cause was db-1; restart_database.yml on db-1 (run {run}) restored it, and all was ok again 1m after it"
        " began."
    )


def test_an_incident_that_nobody_restored_by_a_run_says_so(shop: Timeline) -> None:
    shop.at("09:00:00").fires("DiskFull", instance="db-1").at("09:10:00").resolves("DiskFull", instance="db-1")
    document = review(shop.at("09:11:00"))
    assert "no run of the engine restored it" in document["summary"][1]
    assert found_wrong(document)["nothing_was_run"] == (
        "no playbook was begun for db-1, to which 600.00 EUR were lost: no_policy, disk-means only says what it means"
    )


def test_an_incident_that_lasts_can_be_reviewed_already(shop: Timeline) -> None:
    shop.at("09:00:00").fires("PostgresDown", instance="db-1").at("09:00:30")
    document = review(shop)
    assert document["incident"]["ended_at"] is None
    assert document["summary"][0] == "checkout has been down for 30s (30.00 EUR)."
    assert f"it lasts; under way: run {shop.run_of('db-1').id}" in document["summary"][1]
    assert "(UTC); it lasts" in review_page(document)


def test_the_impact_has_money_times_and_the_budget_used_of_each_service(shop: Timeline) -> None:
    (checkout,) = review(restored(shop))["impact"]
    assert (checkout["service"], checkout["down_s"], checkout["lost"]) == ("checkout", 60, 60)
    assert checkout["budget_used"] == pytest.approx(60 / (0.01 * 86_400), abs=1e-4)


def test_the_timeline_goes_from_the_alert_to_its_end_in_order_counting_from_its_begin(shop: Timeline) -> None:
    shop.at("09:00:20").fires("PostgresDown", instance="db-1", since=nine(0)).at("09:01:30")
    shop.resolves("PostgresDown", instance="db-1").at("09:05:00")
    lines = review(shop)["timeline"]
    run = shop.run_of("db-1").id
    wanted = [
        ("The first alert about it begins", 0),
        ("Alert PostgresDown about db-1 comes, 20s after it began", 20),
        ("db-1 is down", 20),
        ("Service checkout is down, losing 60.00 EUR/min, because of db-1", 20),
        ("Likeliest causes: db-1 1.00", 20),
        ("Decided about db-1 under restart-database: run, permitted", 20),
        (f"Run {run} (restart_database.yml for db-1) is planned: ", 20),
        (f"Run {run} (restart_database.yml for db-1) begins", 20),
        (f"Run {run} has all its checks passed: ", 80),
        (f"Run {run} has succeeded: restored after 1m: ", 80),
        ("Service checkout is ok again", 80),
        ("Alert PostgresDown about db-1 ends", 90),
    ]
    told = iter((one["told"], one["after_s"]) for one in lines)
    for text, after in wanted:
        assert any(found.startswith(text) and seconds == after for found, seconds in told), text
    assert [one["at"] for one in lines] == sorted(one["at"] for one in lines)


def test_people_s_wishes_approvals_and_refusals_are_told_with_their_names(shop: Timeline) -> None:
    shop.at("09:00:00").fires("PlcDown", instance="plc-1").at("09:02:00")
    run = shop.run_of("plc-1").id
    shop.asks("approve", run, who="li")
    shop.asks("hold", "db-1", reason="I look at it", who="ana")
    shop.asks("approve", run, reason="go", who="kim")
    shop.at("09:02:30").resolves("PlcDown", instance="plc-1").at("09:04:00")
    document = review(shop)
    told = [one["told"] for one in document["timeline"]]
    assert f"Run {run} is approved by kim: go" in told
    assert any(one.startswith("ana asks to hold db-1 (I look at it)") for one in told)
    assert any(one.startswith(f"li asks to approve {run}, which was refused: li may not approve") for one in told)
    (done,) = document["runs"]
    assert (done["approved_by"], done["waited_s"]) == ("kim", 120)
    assert done["promised"] == ["plant"]


def test_an_event_of_a_kind_that_nobody_knows_is_told_by_its_kind(shop: Timeline) -> None:
    shop.at("09:00:00").fires("DiskFull", instance="db-1").at("09:00:10")
    facts = {"component": "db-1", "detail": "to ana by mail"}
    shop.store.append([Event(kind="notification.sent", at=shop.clock.now(), subject="n1", facts=facts)])
    shop.store.append([Event(kind="notification.sent", at=shop.clock.now(), subject="n2", facts={"component": "else"})])
    shop.at("09:00:20")
    told = [one["told"] for one in review(shop)["timeline"] if "notification" in one["told"]]
    assert told == ["notification.sent n1: to ana by mail"]


def test_causes_say_how_they_were_ranked_and_what_came_back_with_them(shop: Timeline) -> None:
    document = review(restored(shop))
    (cause,) = document["causes"]
    assert (cause["component"], cause["best_rank"], cause["score"], cause["mended"]) == ("db-1", 1, 1.0, ["checkout"])
    assert document["rankings"][0]["causes"] == [{"component": "db-1", "score": 1.0, "suspect": False}]


def test_a_run_says_its_place_its_promise_and_whether_it_was_kept(shop: Timeline) -> None:
    (run,) = review(restored(shop))["runs"]
    assert (run["order"], run["promised"], run["gain_per_minute"]) == (1, ["checkout"], 60)
    assert (run["expected_s"], run["taken_s"], run["state"], run["rollback"]) == (60, 60, "succeeded", None)


def test_the_teams_and_who_was_on_call_are_named_with_their_questions(shop: Timeline) -> None:
    document = review(restored(shop))
    teams = {one["team"]: one for one in document["people"]}
    assert (teams["shop"]["on_call_then"], teams["shop"]["duties"], teams["shop"]["owns"]) == (
        "ana",
        ["owner"],
        ["checkout"],
    )
    assert teams["data"]["owns"] == ["db-1"]
    asked = {one["question"]: one["team"] for one in document["questions"]}
    assert asked["Is the loss told here what the business really lost?"] == "shop"
    assert asked["What would have prevented it?"] == "data"
    assert "- [ ] What would have prevented it? (team data) Action: … by: …" in review_page(document)


# --- what the model got wrong ----------------------------------------------------------------------------------------


def test_where_all_went_as_expected_nothing_is_found_wrong(shop: Timeline) -> None:
    document = review(restored(shop))
    assert document["findings"] == []
    assert "Nothing that could be computed from the record." in review_page(document)


def test_a_run_that_takes_half_as_long_again_as_expected_is_told(shop: Timeline) -> None:
    shop.executor.script("restart_database.yml", Scripted(duration_s=95))
    shop.at("09:00:00").fires("PostgresDown", instance="db-1").at("09:02:00").resolves("PostgresDown", instance="db-1")
    assert (
        "took 1m35s until its checks passed, where 1m was expected"
        in (found_wrong(review(shop.at("09:05:00")))["expected_duration"])
    )


def test_checks_that_passed_while_the_alert_went_on_are_told(shop: Timeline) -> None:
    shop.at("09:00:00").fires("PostgresDown", instance="db-1").at("09:04:00")
    told = found_wrong(review(shop))["checks_passed_wrongly"]
    assert "the checks of restart-database passed on db-1, yet its checks held, but its alert still fires" in told


def test_a_service_that_stays_lost_after_its_repair_is_told_and_that_nothing_explains_it(shop: Timeline) -> None:
    shop.at("09:00:00").fires("PostgresDown", instance="db-1").fires("CheckoutFails", service="checkout")
    shop.at("09:01:10").resolves("PostgresDown", instance="db-1").at("09:05:00")
    bundle_says = found_wrong(review(shop))
    assert "services_not_restored" not in bundle_says  # no policy gives the report a state: it costs nothing
    assert "1 alert came that are named by no policy: CheckoutFails (1)" in bundle_says["alerts_without_policy"]


def test_a_report_on_a_service_that_outlasts_the_repair_of_its_cause_is_told(loaded: Loaded) -> None:
    shop = Timeline(loaded(SHOP.replace("settle: 20s", "settle: 20s, state_from_severity: all")), MemoryStore())
    shop.executor.script("restart_database.yml", Scripted(duration_s=60))
    shop.at("09:00:00").fires("PostgresDown", instance="db-1").fires("CheckoutFails", service="checkout")
    shop.at("09:01:10").resolves("PostgresDown", instance="db-1").at("09:05:00")
    shop.resolves("CheckoutFails", service="checkout")
    told = found_wrong(review(shop.at("09:06:00")))
    assert "restored db-1, but checkout stayed lost" in told["services_not_restored"]
    assert told["unexplained"].startswith("checkout was lost for 4m while nothing that it requires was known to fail")


def test_a_promise_isn_t_broken_by_what_failed_only_later(shop: Timeline) -> None:
    shop.at("09:00:00").fires("PostgresDown", instance="db-1").at("09:00:30").fires("DiskFull", instance="web-1")
    shop.at("09:01:10").resolves("PostgresDown", instance="db-1").at("09:10:00").resolves("DiskFull", instance="web-1")
    assert "services_not_restored" not in found_wrong(review(shop.at("09:12:00")))


def test_who_was_ranked_first_but_mended_nothing_is_told_with_who_did(shop: Timeline) -> None:
    shop.at("09:00:00").fires("DiskFull", instance="web-1").at("09:00:05").fires("DiskFull", instance="db-1")
    first = review(shop.at("09:01:00"))["rankings"][-1]["causes"][0]["component"]
    other = {"web-1": "db-1", "db-1": "web-1"}[first]
    shop.at("09:02:00").resolves("DiskFull", instance=first).at("09:04:00").resolves("DiskFull", instance=other)
    told = found_wrong(review(shop.at("09:10:00")))["ranked_wrongly"]
    assert told.startswith(f"{first} was ranked first among the causes for ")
    assert told.endswith(f"but services came back with {other}")


def test_a_symptom_whose_alert_ends_later_isn_t_taken_for_what_mended_it(shop: Timeline) -> None:
    shop.at("09:00:00").fires("PostgresDown", instance="db-1").fires("WebDown", instance="web-1")
    shop.at("09:01:10").resolves("PostgresDown", instance="db-1").resolves("WebDown", instance="web-1")
    document = review(shop.at("09:05:00"))
    assert [(one["component"], one["mended"]) for one in document["causes"]] == [("db-1", ["checkout"]), ("web-1", [])]
    assert document["findings"] == []


def test_a_symptom_that_needed_its_own_repair_is_told(shop: Timeline) -> None:
    shop.at("09:00:00").fires("PostgresDown", instance="db-1").fires("WebDown", instance="web-1")
    shop.at("09:01:10").resolves("PostgresDown", instance="db-1").at("09:02:30").resolves("WebDown", instance="web-1")
    told = found_wrong(review(shop.at("09:10:00")))["symptom_needed_repair"]
    assert told.startswith("web-1 was held as a symptom, but needed a repair of its own: run ")


def test_an_approval_that_cost_more_than_it_protected_is_told(shop: Timeline) -> None:
    shop.at("09:00:00").fires("PlcDown", instance="plc-1").at("09:12:00")
    shop.asks("approve", shop.run_of("plc-1").id, who="kim")
    shop.at("09:12:40").resolves("PlcDown", instance="plc-1").at("09:14:00")
    told = found_wrong(review(shop))["approval_too_slow"]
    assert "waited 12m for approval, which cost 7,200.00 EUR; the run was expected to take 20s" in told


def test_what_the_run_itself_could_cost_is_compared_with_what_waiting_did(loaded: Loaded) -> None:
    text = SHOP.replace("mode: approve\n    guard: {approvers: [data]}", "mode: auto\n    guard: {approve_above: 5}")
    text = text.replace("plc-1: {}", "plc-1: {host: shared}").replace("spare-1: {}", "spare-1: {host: shared}")
    text = text.replace("  plant:", "  store: {loss_per_minute: 90, requires: [spare-1]}\n  plant:")
    shop = Timeline(loaded(text), MemoryStore())
    shop.executor.script("restart_plc.yml", Scripted(duration_s=20))
    shop.at("09:00:00").fires("PlcDown", instance="plc-1").at("09:00:02")
    shop.asks("approve", shop.run_of("plc-1").id, who="kim")
    shop.at("09:00:30").resolves("PlcDown", instance="plc-1").at("09:02:00")
    assert "approval_too_slow" not in found_wrong(review(shop))  # 20 EUR lost, 30 protected
    shop.forget().at("09:30:00").fires("PlcDown", instance="plc-1").at("09:31:00")
    shop.asks("approve", shop.run_of("plc-1").id, who="kim")
    shop.at("09:31:30").resolves("PlcDown", instance="plc-1").at("09:32:00")
    assert "the run itself could have cost 30.00 EUR" in found_wrong(review(shop))["approval_too_slow"]


def test_monitoring_that_took_a_third_of_the_time_is_told(shop: Timeline) -> None:
    shop.at("09:02:00").fires("PostgresDown", instance="db-1", since=nine(0)).at("09:03:10")
    shop.resolves("PostgresDown", instance="db-1")
    told = found_wrong(review(shop.at("09:05:00")))["slow_detection"]
    assert told == "the alert about db-1 came 2m after it began, of 3m until it was restored"


def test_alerts_that_fit_nothing_and_that_no_policy_names_are_counted_by_name(shop: Timeline) -> None:
    shop.at("09:00:00").fires("PostgresDown", instance="db-1")
    for number in range(7):
        shop.fires("Odd", instance=f"elsewhere-{number}")
    shop.fires("Unheard", instance="spare-1").at("09:01:10").resolves("PostgresDown", instance="db-1")
    told = found_wrong(review(shop.at("09:05:00")))
    assert told["unmapped_alerts"] == "7 alerts came that fit no component: Odd (7)"
    assert told["alerts_without_policy"] == "1 alert came that are named by no policy: Unheard (1)"


# --- however much came -----------------------------------------------------------------------------------------------


def alert(number: int, at: datetime, name: str) -> Alert:
    labels = {"alertname": name, "instance": "db-1" if number % 2 else f"x{number}", "severity": "critical"}
    return Alert(
        source="alertmanager",
        fingerprint=Fingerprint(str(number)),
        status=AlertStatus.FIRING,
        labels=labels,
        starts_at=at,
        received_at=at,
    )


@pytest.mark.parametrize("name", ["Storm", "Storm{}"], ids=["of one name", "each of its own name"])
def test_a_storm_of_a_hundred_thousand_alerts_makes_a_timeline_that_somebody_reads(shop: Timeline, name: str) -> None:
    shop.at("09:00:00").fires("DiskFull", instance="db-1").at("09:20:00").resolves("DiskFull", instance="db-1")
    bundle = shop.at("09:21:00").engine.bundle
    (incident,) = incidents(History().fold(pages(shop.store, SUBJECT)), requirements(bundle.service_map))
    gathering = Gathering(incident=incident, bundle=bundle, now=shop.clock.now(), runs=())
    for event in shop.store.events(limit=10_000):
        gathering.event(event)
    for number in range(100_000):
        gathering.alert(alert(number, nine(1) + number * timedelta(milliseconds=5), name.format(number)))
    document: dict[str, Any] = review_document(gathering.account())
    told = [one["told"] for one in document["timeline"]]
    assert len(told) <= MOST_LINES
    assert told[0] == "The first alert about it begins"
    assert "Service checkout is ok again" in told[-8:]
    assert sum(count for _, count in _counts(document)) + document["timeline_left_out"] >= 100_000
    assert len(review_page(document)) < 60_000


def _counts(document: dict[str, Any]) -> list[tuple[str, int]]:
    return [(one["told"], one["count"]) for one in document["timeline"]]


def test_many_alike_are_one_line_with_their_number_the_first_and_the_last(shop: Timeline) -> None:
    shop.at("09:00:00").fires("DiskFull", instance="db-1").at("09:00:10")
    for number in range(9):
        shop.fires("Odd", instance=f"elsewhere-{number}").at(f"09:00:{11 + number}")
    shop.at("09:10:00").fires("Odd", instance="late").at("09:11:00").resolves("DiskFull", instance="db-1")
    lines = [one for one in review(shop.at("09:12:00"))["timeline"] if "Odd" in one["told"]]
    assert [(one["told"], one["count"], one["at"], one["until"]) for one in lines] == [
        ("9 alerts Odd: each comes: nothing that is known", 9, "2026-01-05T09:00:10Z", "2026-01-05T09:00:18Z"),
        ("Alert Odd about nothing that is known comes", 1, "2026-01-05T09:10:00Z", None),
    ]
