"""`importance`, `what-if` and `why` on outages that are only imagined."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from bsm_remediate.cli import main

BUNDLE = """
currency: EUR
services:
  shop: {loss_per_minute: 100, requires: [web, db]}
  blog: {loss_per_minute: 10, requires: [web]}
components:
  web: {requires: {any: [web-1, web-2]}}
  web-1: {requires: [rack]}
  web-2: {requires: [rack]}
  db: {requires: [disk]}
  rack: {}
  disk: {}
policies:
  web-down:
    match: {alertname: WebDown}
    evidence: direct
    sets: down
    mode: auto
    unchecked: true
    do: [{playbook: web.yml, expect: {duration: 60s}}]
  web-slow: {match: {alertname: Slow}, sets: down, mode: shadow, do: [{playbook: other.yml}]}
  only-big: {match: ['alertname=~"Big.*"'], sets: down, mode: auto, do: [{playbook: big.yml}]}
"""
ALERTS = [
    {"labels": {"alertname": "WebDown", "component": one}, "startsAt": "2026-01-05T08:59:00Z"}
    for one in ("disk", "web-1")
]


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("policies").mkdir()
    Path("policies/shop.yml").write_text(BUNDLE)
    Path("alerts.json").write_text(json.dumps(ALERTS))


def told(*arguments: str) -> str:
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 0, result.output
    return result.stdout


def asked(*arguments: str) -> Any:
    return json.loads(told(*arguments, "-o", "json"))


def test_importance_says_of_what_a_second_one_would_save_most() -> None:
    found = asked("importance")
    assert [one["component"] for one in found["redundancy"]][:2] == ["web", "db"]
    web, db = found["redundancy"][:2]
    assert (web["saves_per_minute"], web["failures"]) == (220, ["rack", "web"])
    assert (db["saves_per_minute"], db["failures"]) == (200, ["db", "disk"])
    assert "pairs" not in found


def test_pairs_are_those_that_redundancy_bears_one_by_one() -> None:
    found = asked("importance", "--pairs")
    assert found["pairs"] == [
        {
            "components": ["web-1", "web-2"],
            "loss_per_minute": 110.0,
            "extra_loss_per_minute": 110.0,
            "services": ["shop", "blog"],
        }
    ]
    assert found["pairs_left_out"] == 0
    assert "web-1 and web-2" in told("importance", "--pairs")


def test_the_worst_failures_leave_out_what_another_takes_down_and_what_is_down_already() -> None:
    found = asked("what-if", "--worst", "2")
    assert [one["components"] for one in found["worst"]] == [["rack"], ["disk"]]
    assert found["worst_is_proven"] is True
    assert found["worst_at_most"] == 110
    on_top = asked("what-if", "--worst", "2", "--down", "rack")
    assert on_top["worst"] == [], "everything is down already"
    assert asked("what-if", "--worst", "1", "--down", "web-1")["worst"][0]["components"] == ["rack"]


def test_what_if_plans_as_if_the_alerts_had_come_that_policies_wait_for() -> None:
    plan = asked("what-if", "--down", "web-1,disk", "--plan", "--at", "2026-01-05T09:00:00Z")["plan"]
    assert [(one["component"], one["policy"], one["playbook"]) for one in plan["steps"]] == [
        ("disk", "web-down", "web.yml"),
        ("web-1", "web-down", "web.yml"),
    ]
    assert plan["considered"] == ["supposed alerts", "bundle"]
    assert asked("what-if", "--degraded", "disk", "--plan")["plan"]["steps"] == [], "no policy speaks of that"
    assert "Nothing to run." in told("what-if", "--degraded", "disk", "--plan")


def test_why_explains_by_a_file_of_alerts_without_a_server() -> None:
    at = ("--alerts", "alerts.json", "--at", "2026-01-05T09:00:00Z")
    assert told("why", "shop", *at).startswith("shop is down and costs 100.00 EUR/min now\n")
    disk = asked("why", "disk", *at)
    assert disk["kind"] == "component"
    assert any("step 1 of the plan: web.yml on disk" in line for line in disk["because"])
    assert any(line.startswith("before step 2: ") for line in disk["because"])
    assert asked("why", "web-down", *at)["because"][0] == "web-down speaks about 2 components now"
    result = CliRunner().invoke(main, ["why", "dsk", *at])
    assert result.exit_code != 0
    assert "did you mean 'disk'?" in result.stderr
