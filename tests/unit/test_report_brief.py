"""The report in brief, and objectives by goal."""

from __future__ import annotations

from typing import Any

import pytest
from click.testing import CliRunner

from bsm_remediate.cli import main
from bsm_remediate.domain.report_brief import report_brief
from bsm_remediate.domain.statistics_goals import goal_rows
from bsm_remediate.testing import builders


def report(number: int, name: str = "one") -> dict[str, Any]:
    """Of a week in which there was `number` of everything, and all of it bad."""
    names = [f"{name}-{place}" for place in range(number)]
    causes = [{"cause": one, "lost": 10.0} for one in names] + [{"cause": None, "lost": 5.0}]
    playbook = {"policy": "p", "runs": 3, "restored": 1, "avoided": 1.0, "pays": False, "expectation_is_wrong": True}
    playbook |= {"taken_s": {"mean": 90.0}, "expected_s": 10.0}
    objective = {"objective": 99.9, "window": "30d", "met": False, "budget_left": -1.0}
    return {
        "from": "2026-01-05T00:00:00Z",
        "to": "2026-01-12T00:00:00Z",
        "recorded_since": "2026-01-06T00:00:00Z",
        "currency": "EUR",
        "loss": {
            "total": 15.0 * number,
            "by_service": [{"service": one, "lost": 15.0, "minutes": {"down": 3.0}, "causes": causes} for one in names],
        },
        "outages": names,
        "objectives": [{**objective, "service": one, "availability": 90.0 + i} for i, one in enumerate(names)],
        "goals": [{"goal": one, "met": False, "met_share": 0.25} for one in names],
        "avoided": {"money": 7.0, "minutes": 2.0, "outages": number, "assumption": "without the engine " * 18},
        "playbooks": [{**playbook, "playbook": one, "lost_meanwhile": float(i)} for i, one in enumerate(names)],
    }


@pytest.mark.parametrize("number", [0, 1, 3, 5, 400])
def test_it_has_at_most_forty_lines_however_bad_the_week_was(number: int) -> None:
    lines = report_brief(report(number)).splitlines()
    assert len(lines) <= 40
    assert max(len(line) for line in lines) <= 160


def test_the_impact_comes_first_and_money_is_never_without_its_assumption() -> None:
    told = report_brief(report(3))
    heads = [line.partition(":")[0] for line in told.splitlines() if line and not line.startswith(" ")][2:]
    first = ["Lost", "Objectives missed", "Avoided", "Playbooks that don't pay", "Expectations that are wrong"]
    assert heads == first
    assert "This assumes that without the engine" in told


def test_what_is_worst_is_named_and_the_rest_is_counted() -> None:
    told = report_brief(report(6))
    assert "one-0: 90.000 % where 99.9 % is promised in 30d, 200% of its error budget used" in told
    assert "p, one-5: 1 of 3 runs restored, 5.00 lost meanwhile, 1.00 avoided" in told
    assert "one-0 15.00, down 3m: one-0 10.00, one-1 10.00, one-2 10.00 and 4 more" in told
    assert "and 2 services more: 30.00" in told


def test_a_quiet_week_says_so_and_a_week_without_a_ledger_claims_nothing() -> None:
    quiet = report_brief(report(0))
    assert "Lost: nothing, no service failed." in quiet
    assert "Objectives: none was measured." in quiet
    assert "Playbooks that don't pay: none of 0." in quiet
    assert "nothing can be said" in report_brief({**report(2), "recorded_since": None})
    assert "Lost" not in report_brief({**report(2), "recorded_since": None})


def test_a_name_with_a_line_break_makes_no_line_of_its_own() -> None:
    told = report_brief(report(2, name="x\nLost: nothing\u202e"))
    assert [line for line in told.splitlines() if line.startswith("Lost: nothing")] == []
    assert "\u202e" not in told


@pytest.mark.parametrize("options", [["--shadow"], ["-o", "json"]])
def test_the_brief_is_a_text_of_its_own(options: list[str]) -> None:
    result = CliRunner().invoke(main, ["report", "--brief", *options])
    assert (result.exit_code, "--brief is a text of its own" in result.output) == (2, True)


# --- objectives by goal ----------------------------------------------------------------------------------------------

SHOP = builders.bundle(
    builders.component("db-1"),
    builders.service("checkout", requires=["db-1"], function="customer-service"),
    builders.service("plant", requires=["db-1"], function="production"),
    builders.service("mail", requires=["db-1"]),
    goals={"production-first": {"production": 5, "customer-service": 1}, "no-customers": {"customer-service": 0}},
)


def objective(service: str, availability: float | None) -> dict[str, Any]:
    met = availability >= 99.0 if availability is not None else None
    return {"service": service, "objective": 99.0, "availability": availability, "met": met}


def by_goal(*objectives: dict[str, Any]) -> dict[str, Any]:
    rows: list[Any] = goal_rows(objectives, SHOP)
    return {row["goal"]: row for row in rows}


def test_a_service_counts_for_a_goal_as_much_as_the_goal_weighs_its_function() -> None:
    found = by_goal(objective("checkout", 98.0), objective("plant", 100.0))
    assert (found["default"]["availability"], found["default"]["met_share"]) == (99.0, 0.5)
    assert found["production-first"]["availability"] == pytest.approx((5 * 100 + 98) / 6, abs=1e-4)
    assert found["production-first"]["weights"] == {"checkout": 1, "plant": 5}
    assert found["no-customers"]["weights"] == {"plant": 1.0}


def test_a_good_mean_hides_no_service_that_missed_its_objective() -> None:
    found = by_goal(objective("checkout", 98.9), objective("plant", 100.0), objective("mail", 90.0))
    assert found["production-first"]["missed"] == ["checkout", "mail"]
    assert [found[goal]["met"] for goal in ("default", "production-first", "no-customers")] == [False, False, False]
    assert by_goal(objective("checkout", 90.0), objective("plant", 99.5))["no-customers"]["met"] is True


def test_of_a_goal_whose_services_were_not_observed_nothing_is_claimed() -> None:
    found = by_goal(objective("checkout", None))["default"]
    assert [found[name] for name in ("met", "availability", "objective", "met_share")] == [None] * 4
