"""`rebalance`: what it says, and what it refuses."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from bsm_remediate.cli import main

EXAMPLE = Path(__file__).parents[2] / "examples" / "rebalancing"


def asked(load: str, *options: str, pool: str = "web") -> Result:
    line = ["--policies", str(EXAMPLE / "shop.yml"), "rebalance", pool, "--load", "-", *options]
    return CliRunner().invoke(main, line, input=load)


def answered(load: dict[str, float], *options: str) -> Any:
    result = asked(json.dumps(load), "-o", "json", *options)
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def test_the_weights_sum_to_a_hundred_and_what_was_lost_is_saved() -> None:
    found = answered({"web-1": 110, "web-2": 30, "web-3": 20})
    assert found["helps"]
    assert sum(one["value"] for one in found["weights"]) == pytest.approx(100)
    assert (found["loss_per_minute"], found["loss_per_minute_after"]) == (21.25, 0)
    assert all(one["load_after"] <= one["capacity"] for one in found["members"])


def test_when_not_all_fits_the_most_valuable_service_is_served_whole() -> None:
    found = answered({"checkout": 150, "search": 100})
    assert {one["ids"][0]: one["shed"] for one in found["services"]} == {"checkout": 0.0, "search": 0.3}
    assert {one["worth_per_unit"] for one in found["members"]} == {0.4}  # 40 EUR/min for 100 units


def test_the_goal_says_which_service_that_is() -> None:
    found = answered({"checkout": 150, "search": 100}, "--goal", "campaign")
    assert {one["ids"][0]: one["shed"] for one in found["services"]} == {"checkout": 0.2, "search": 0.0}


def test_a_member_that_is_down_gets_nothing() -> None:
    found = answered({"web-1": 50, "web-2": 30, "web-3": 20}, "--down", "web-2")
    assert [one["value"] for one in found["weights"] if one["name"] == "web-2"] == [0]
    assert found["loss_per_minute_after"] == 0
    assert "web-2 (down)" in found["reason"]


def test_what_is_well_stays_as_it_is() -> None:
    found = answered({"web-1": 50, "web-2": 30, "web-3": 10})
    assert not found["helps"]
    assert found["moved"] == 0
    assert "all have room" in found["reason"]


def test_it_says_what_it_costs_when_nothing_is_turned_away() -> None:
    result = asked('{"checkout": 150, "search": 100}')
    assert result.exit_code == 0
    assert "If nothing is turned away it is 40.80 EUR/min" in result.stdout


@pytest.mark.parametrize(
    ("load", "word"),
    [
        ('{"wep-1": 1}', "did you mean 'web-1'"),
        ('{"lb-1": 1}', "no member of pool web"),
        ('{"web-1": -1}', "0 or more"),
        ('{"web-1": NaN}', "0 or more"),
        ('{"web-1": 1e999}', "0 or more"),
        ('{"web-1": "1"}', "to a number"),
        ('{"web-1": true}', "to a number"),
        ("[1]", "to a number"),
        ("{}", "there is no load"),
        ('{"web-1": 1, "web-1": 2}', "written twice"),
        ("nonsense", "cannot be read"),
        ('{"web-1": ' + "9" * 400 + "}", "too large"),
    ],
)
def test_a_load_that_is_none_is_refused_with_what_to_do(load: str, word: str) -> None:
    result = asked(load)
    assert result.exit_code == 2
    assert word in result.stderr


@pytest.mark.parametrize(
    ("options", "word"),
    [
        (["--down", "lb-1"], "no member"),
        (["--down", "nothing"], "no component"),
        (["--goal", "none"], "no goal"),
        (["--at", "noon"], "no time"),
    ],
)
def test_options_that_make_no_sense_are_refused(options: list[str], word: str) -> None:
    result = asked('{"web-1": 1}', *options)
    assert result.exit_code == 2
    assert word in result.stderr


def test_a_pool_that_is_not_there_is_told_which_are() -> None:
    result = asked("{}", pool="wep")
    assert result.exit_code == 2
    assert "there are web" in result.stderr


def test_without_a_load_it_says_how_to_give_one() -> None:
    result = CliRunner().invoke(main, ["--policies", str(EXAMPLE / "shop.yml"), "rebalance", "web"])
    assert result.exit_code == 2
    assert "--load FILE" in result.stderr
