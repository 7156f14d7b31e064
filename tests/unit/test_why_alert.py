"""`why --alert`: each rule and matcher tried on an alert, with the value seen, and what follows."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from bsm_remediate.cli import main

BUNDLE = """
services:
  checkout: {tier: critical, requires: [web-1, db-1]}
components:
  web-1: {}
  db-1: {host: db-host, match: {job: postgres, shard: "1"}}
  cache: {host: db-host}
policies:
  restart:
    match: {alertname: Down}
    when: signal.age > 60
    do: [{playbook: restart.yml}]
    mode: approve
  other:
    match: ['alertname="Down"', 'team!="shop"']
    mode: "off"
"""


@pytest.fixture
def bundle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("BSM_STATE_DIR", str(tmp_path / "state"))
    (tmp_path / "policies").mkdir()
    (tmp_path / "policies" / "all.yml").write_text(BUNDLE)
    return tmp_path


def why(labels: dict[str, str], *options: str) -> Result:
    body = {"labels": {"alertname": "Down", "severity": "critical", **labels}, "startsAt": "2026-01-05T08:00:00Z"}
    arguments = ["why", "--alert", "-", "--at", "2026-01-05T08:10:00Z", *options]
    return CliRunner().invoke(main, arguments, input=json.dumps([body]))


def told(labels: dict[str, str]) -> Any:
    result = why(labels, "-o", "json")
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)["alerts"][0]


@pytest.mark.usefixtures("bundle")
def test_rules_are_told_in_their_order_with_the_one_that_decides() -> None:
    rows = told({"instance": "web-1:9100"})["mapping"]
    assert [(row["rule"], row["text"], row["decides"]) for row in rows] == [
        ("match", "", False),
        ("id", "web-1:9100", False),
        ("id", "web-1", True),
        ("alias", "web-1:9100", False),
        ("alias", "web-1", False),
        ("host", "web-1:9100", False),
        ("host", "web-1", False),
    ]


@pytest.mark.usefixtures("bundle")
def test_a_match_that_nearly_fits_shows_the_value_that_spoils_it() -> None:
    found = told({"job": "postgres", "shard": "2", "instance": "db-host"})
    assert found["component_matches"] == [
        {
            "component": "db-1",
            "fits": False,
            "matchers": [
                {"matcher": 'job="postgres"', "seen": "postgres", "fits": True},
                {"matcher": 'shard="1"', "seen": "2", "fits": False},
            ],
        }
    ]
    assert found["unmapped"] == "ambiguous: host db-host runs db-1, cache; mark one `host_level: true`"
    assert [one["verdict"] for one in found["decisions"]] == ["unmapped"]


@pytest.mark.usefixtures("bundle")
def test_policies_conditions_and_verdict_are_told() -> None:
    found = told({"instance": "web-1"})
    first, second = found["policies"]
    assert (first["policy"], first["speaks"], first["conditions"]) == (
        "restart",
        True,
        [{"component": "web-1", "holds": True}],
    )
    assert (second["policy"], second["speaks"], second["mode"]) == ("other", False, "off")
    assert [(one["policy"], one["verdict"], one["deciding"]) for one in found["decisions"]] == [
        ("restart", "await_approval", True)
    ]


@pytest.mark.usefixtures("bundle")
def test_people_see_ticks_and_crosses_and_no_markup_of_an_alert() -> None:
    result = why({"instance": "web-1", "team": "shop", "note": "[bold red]x[/]"})
    assert result.exit_code == 0, result.output
    for line in (
        "✓ a label whose value is an id: instance=web-1 → web-1",
        '✓ restart (approve): ✓ alertname="Down"',
        "✓ on web-1: when signal.age > 60",
        '✗ other (off, without playbook): ✓ alertname="Down", ✗ team!="shop" (is \'shop\')',
        "it is about web-1 (label instance=web-1) and says down",
        "web-1, restart: await_approval",
        "note=[bold red]x[/]",
    ):
        assert line in result.stdout


@pytest.mark.usefixtures("bundle")
def test_it_takes_an_id_or_an_alert_and_needs_one_that_fires() -> None:
    assert CliRunner().invoke(main, ["why"]).exit_code == 2
    assert CliRunner().invoke(main, ["why", "web-1", "--alert", "-"], input="[]").exit_code == 2
    nothing = CliRunner().invoke(main, ["why", "--alert", "-"], input="[]")
    assert nothing.exit_code == 2
    assert "no firing alert" in nothing.stderr
