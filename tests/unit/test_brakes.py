"""What keeps the engine from acting, as the person on call sees it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from bsm_remediate.cli.brakes import show_brakes
from bsm_remediate.domain.brakes import brakes_document
from bsm_remediate.domain.playbook import PlaybookOutcome
from bsm_remediate.domain.situation import Pause
from bsm_remediate.testing.executor import Scripted
from bsm_remediate.testing.store import MemoryStore
from bsm_remediate.testing.timeline import BEGIN, Timeline
from bsm_remediate.web.rows import component_rows, run_row, service_rows
from tests.unit.pair import SHOP, bundle_of

FAILS = Scripted(outcome=PlaybookOutcome.FAILED, reason="no", exit_code=2)


@pytest.fixture
def shop(tmp_path: Path) -> Timeline:
    text = SHOP.replace('nights: {timezone: UTC, hours: "22:00-06:00"}', 'days: {timezone: UTC, hours: "06:00-22:00"}')
    text = text.replace("at_least: 10}", "at_least: 3}").replace("settings: {", "settings: {freeze: [days], ")
    return Timeline(bundle_of(text, tmp_path), MemoryStore()).at("09:00:00")


def brakes(shop: Timeline) -> dict[str, Any]:
    return brakes_document(shop.tick(), shop.engine.bundle)


def shown(shop: Timeline) -> str:
    console = Console(width=400)
    with console.capture() as captured:
        show_brakes(console, brakes(shop))
    return captured.get()


def test_orders_are_shown_with_who_and_why_until_they_end(shop: Timeline) -> None:
    shop.brake = Pause(who="the file /state/PAUSED", reason="fire drill", since=BEGIN)
    shop.asks("pause", reason="new fan", scope="shared")
    shop.asks("hold", "db-1", reason="new disk", who="li")
    shop.asks("maintain", "farm", reason="kernel", calendar="days")
    found = brakes(shop)
    assert [(one["scope"], one["who"], one["reason"]) for one in found["pauses"]] == [
        ("host:shared", "ana", "new fan"),
        ("", "the file /state/PAUSED", "fire drill"),
    ]
    assert [(one["target"], one["who"], one["reason"]) for one in found["holds"]] == [("db-1", "li", "new disk")]
    assert [(one["target"], one["in_force"], one["covers"]) for one in found["maintenance"]] == [
        ("farm", True, ["w-1", "w-2", "w-3"])
    ]
    assert found["freezes"] == ["days"]
    text = shown(shop)
    for words in ("host:shared", "the file /state/PAUSED", "fire drill", "kernel (while days is in force)", "released"):
        assert words in text
    shop.brake = None
    shop.asks("resume")
    shop.asks("release", "db-1")
    shop.asks("end_maintenance", "farm")
    found = brakes(shop)
    assert (found["pauses"], found["holds"], found["maintenance"]) == ([], [], [])


def test_an_order_that_has_run_out_is_not_shown(shop: Timeline) -> None:
    end = shop.clock.now().replace(minute=1)
    shop.asks("pause", reason="x", until=end)
    shop.asks("hold", "db-1", reason="x", until=end)
    shop.asks("maintain", "s-1", reason="x", until=end)
    shop.at("09:00:59")
    assert all(brakes(shop)[kind] for kind in ("pauses", "holds", "maintenance"))
    shop.at("09:01:00")
    assert not any(brakes(shop)[kind] for kind in ("pauses", "holds", "maintenance"))


def test_an_open_breaker_is_shown_with_its_rest_and_how_to_close_it(shop: Timeline) -> None:
    shop.executor.script("restart.yml", FAILS)
    for node in ("db-1", "s-1", "t-1"):
        shop.broken(node).fires("Down", instance=node)
        shop.wait_until(lambda node=node: shop.run_of(node).state.is_over)  # type: ignore[misc]
    (breaker,) = brakes(shop)["breakers"]
    assert (breaker["policy"], breaker["state"], breaker["failures"]) == ("restart", "open", 3)
    assert "`release restart` closes it" in shown(shop)
    shop.asks("release", "restart")
    assert brakes(shop)["breakers"] == []


def test_a_storm_is_shown_for_its_set_and_for_everything(shop: Timeline) -> None:
    shop.asks("pause", reason="so that nothing changes")
    for node in ("w-1", "w-2", "w-3", "db-1", "s-1", "t-1"):
        shop.fires("Down", instance=node)
    assert brakes(shop)["storm"] == "6 of 6 components began to signal within 5m, the limit is 90%"
    assert "a person approves" in shown(shop)


def test_an_approval_that_nobody_answers_is_shown_with_who_may(shop: Timeline) -> None:
    shop.fires("Corrupt", instance="db-1").at("09:09:00")
    (waiting,) = brakes(shop)["approvals"]
    assert (waiting["escalated_at"], waiting["approvers"]) == (None, ["payments"])
    assert waiting["digest"] == run_row(shop.run_of("db-1"))["digest"] == shop.run_of("db-1").digest
    assert "unanswered" not in shown(shop)
    shop.at("09:10:01")
    (waiting,) = brakes(shop)["approvals"]
    assert waiting["escalated_at"] == "2026-01-05T09:10:00Z"
    assert "unanswered" in shown(shop)


def test_what_flaps_is_shown(shop: Timeline) -> None:
    for at in ("09:00:01", "09:05:00", "09:10:00"):
        shop.at(at).forget().fires("Down", instance="s-1").resolves("Down", instance="s-1")
    shop.at("09:15:00").forget().fires("Down", instance="s-1")
    (one,) = brakes(shop)["flapping"]
    assert (one["component"], one["policy"]) == ("s-1", "restart")
    assert "began 4 times within 30m" in shown(shop)


def test_what_is_in_maintenance_says_so_and_costs_nothing(shop: Timeline) -> None:
    shop.asks("pause", reason="so that nothing is mended")
    shop.fires("Down", instance="db-1")
    shop.asks("maintain", "db-1", reason="new disks", until=shop.clock.now().replace(hour=11))
    evaluation = shop.tick()
    components = {row["id"]: row["state"] for row in component_rows(shop.engine.bundle, evaluation)}
    services = {row["id"]: row for row in service_rows(shop.engine.bundle, evaluation)}
    assert components["db-1"] == "maintenance"
    assert services["checkout"]["state"] == "maintenance"
    assert services["checkout"]["loss_per_minute"] == 0


def test_nothing_in_force_prints_nothing(shop: Timeline, tmp_path: Path) -> None:
    quiet = Timeline(bundle_of(SHOP, tmp_path), MemoryStore())
    assert shown(quiet) == ""
    assert shop.store is not quiet.store
