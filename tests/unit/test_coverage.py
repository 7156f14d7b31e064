"""`coverage`: what finds a component and a policy, what share of the loss that is, and the worst gaps first."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from bsm_remediate.adapters.webhooks.files import read_alerts
from bsm_remediate.cli import main
from bsm_remediate.domain.alert_rule import AlertRule
from bsm_remediate.domain.bundle import Bundle, Settings, Watchdog
from bsm_remediate.domain.coverage import Cover, Coverage, Reach, measure
from bsm_remediate.domain.matcher import Matcher, MatchOperator
from bsm_remediate.domain.metric import POLICY_LABEL, Metric
from bsm_remediate.domain.policy import Mode
from bsm_remediate.domain.threshold import Side, Threshold
from bsm_remediate.testing.builders import NINE, alert, bundle, component, either, policy, service

RECORDED = Path(__file__).parents[3] / "shared" / "data" / "alerts" / "alertmanager"
PARTS = (
    component("web-1", match={"cluster": "web"}),
    component("web-2", match={"cluster": "web"}),
    component("db-1"),
    component("mail"),
    service("shop", requires=[either("web-1", "web-2"), "db-1"], loss=100.0),
    service("letters", requires=["mail"], loss=10.0),
)
POLICIES = (
    policy("auto", match={"alertname": "WebDown"}),
    policy("look", match={"alertname": "DbSlow"}, mode=Mode.SHADOW),
    policy("word", match={"alertname": "DbOdd"}, do=[]),
    policy("never", match={"alertname": "DbLost"}, mode=Mode.OFF),
)
SHOP = bundle(*PARTS, *POLICIES)


def covered(*names: tuple[str, str], shop: Bundle = SHOP, rules: tuple[AlertRule, ...] = ()) -> Coverage:
    """Of alerts by name, each about an instance."""
    return measure(shop, [alert(name, instance=place) for name, place in names], rules, at=NINE)


def test_alerts_are_counted_by_what_they_are_about_and_what_would_be_done() -> None:
    found = measure(
        SHOP,
        [
            alert("WebDown", instance="web-1"),
            alert("WebDown", cluster="web"),
            alert("DbSlow", service="shop"),
            alert("DbLost", instance="nowhere"),
        ],
        [],
        at=NINE,
    )
    assert [one.reach for one in found.alerts] == [Reach.ONE, Reach.SEVERAL, Reach.SERVICE, Reach.NONE]
    assert [one.cover for one in found.alerts] == [Cover.AUTO, Cover.AUTO, Cover.SHADOW, Cover.NONE]


def test_a_redundant_component_counts_with_what_its_service_can_lose() -> None:
    found = covered(("WebDown", "web-1"))
    assert found.loss_per_minute == 110
    assert found.loss[Cover.AUTO] == 100
    assert found.loss[None] == 10, "nothing is heard about letters"


def test_the_loss_of_a_service_is_divided_among_the_kinds_of_its_alerts() -> None:
    found = covered(("WebDown", "web-1"), ("WebDown", "web-2"), ("DbSlow", "db-1"), ("DbOdd", "db-1"), ("X", "mail"))
    assert {cover: loss for cover, loss in found.loss.items() if loss} == {
        Cover.AUTO: 50,
        Cover.SHADOW: 25,
        Cover.NO_PLAYBOOK: 25,
        Cover.NONE: 10,
    }
    assert found.share(Cover.AUTO, Cover.SHADOW) == pytest.approx(75 / 110)


def test_the_worst_gaps_come_first_and_say_what_to_add() -> None:
    found = covered(("DbSlow", "db-1"), ("DbOdd", "db-1"), ("X", "mail"), ("Y", "10.0.0.9:9100"), ("WebDown", "web-1"))
    assert [(gap.kind, gap.name, gap.loss_per_minute) for gap in found.gaps] == [
        ("unmapped", "Y", None),
        ("no_playbook", "DbOdd", 100),
        ("no_policy", "X", 10),
        ("shadow", "DbSlow", 100),
    ]
    hints = [gap.hint for gap in found.gaps]
    assert "`aliases`" in hints[0]
    assert "give word a playbook" in hints[1]
    assert "match: {alertname: X}" in hints[2]
    assert "give look `mode: approve`" in hints[3]


def test_what_says_nothing_about_service_is_no_gap_and_no_loss() -> None:
    found = measure(SHOP, [alert("Backup", severity="info", instance="db-1")], [], at=NINE)
    assert [gap.kind for gap in found.gaps] == ["unseen"]
    assert found.loss[None] == 110


def test_a_heartbeat_is_not_counted() -> None:
    shop = bundle(*PARTS, *POLICIES, settings=Settings(watchdog=Watchdog(alertname="Watchdog")))
    found = covered(("Watchdog", "web-1"), shop=shop, rules=(AlertRule(name="Watchdog"),))
    assert (found.alerts, found.rules) == ((), ())


def test_rules_are_judged_by_what_all_their_alerts_have_in_common() -> None:
    regional = policy(
        "regional", match=[Matcher(label="region", operator=MatchOperator.EQUAL, value="eu")], mode=Mode.APPROVE
    )
    rules = (
        AlertRule(name="WebDown", labels={"cluster": "web"}),
        AlertRule(name="DbSlow", labels={"component": "db-1"}),
        AlertRule(name="Other", labels={"region": "us", "severity": "critical"}),
        AlertRule(name="Open", labels={"severity": "critical"}),
    )
    found = covered(shop=bundle(*PARTS, *POLICIES, regional), rules=rules)
    assert [(one.reach, one.cover) for one in found.rules] == [
        (Reach.SEVERAL, Cover.AUTO),
        (Reach.ONE, Cover.SHADOW),
        (Reach.OPEN, Cover.NONE),
        (Reach.OPEN, Cover.OPEN),
    ]
    assert [gap.name for gap in found.gaps if gap.kind == "rule_without_policy"] == ["Other"]


def test_a_metric_policy_covers_no_rule() -> None:
    threshold = Threshold(side=Side.ABOVE, limit=1, clear=1, stale_after=timedelta(seconds=90))
    metric = Metric(query="cpu", threshold=threshold, every=timedelta(seconds=30))
    busy = replace(policy("busy", match={POLICY_LABEL: "busy"}), metric=metric)
    found = covered(shop=bundle(*PARTS, busy), rules=(AlertRule(name="Open"),))
    assert [one.cover for one in found.rules] == [Cover.NONE]


def test_a_rule_whose_alerts_fire_is_about_what_they_are_about() -> None:
    found = covered(("WebDown", "web-1"), rules=(AlertRule(name="WebDown"),))
    assert [one.reach for one in found.rules] == [Reach.ONE]


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["WebDown", "DbSlow", "DbOdd", "DbLost", "X"]),
            st.sampled_from(["web-1", "db-1", "mail", "shop", "nowhere"]),
        )
    )
)
def test_all_loss_is_accounted_for_once(names: list[tuple[str, str]]) -> None:
    found = covered(*names)
    assert sum(found.loss.values()) == pytest.approx(found.loss_per_minute)
    assert found.share(*Cover, None) == pytest.approx(1)


def test_recorded_alerts_are_all_counted() -> None:
    alerts = [
        one for file in sorted(RECORDED.glob("0*.json")) for one in read_alerts(file.read_bytes(), received_at=NINE)
    ]
    assert len(alerts) > 20
    found = measure(SHOP, alerts, [], at=NINE)
    assert len(found.alerts) == len(alerts)


# --- the command -----------------------------------------------------------------------------------------------------


@pytest.fixture
def team(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("BSM_STATE_DIR", str(tmp_path / "state"))
    (tmp_path / "policies").mkdir()
    (tmp_path / "policies" / "all.yml").write_text(
        "services: {shop: {tier: high, requires: [web-1]}}\n"
        "components: {web-1: {}}\n"
        "policies: {restart: {match: {alertname: WebDown}, do: [{playbook: restart.yml}], mode: approve}}\n"
    )
    (tmp_path / "rules.yml").write_text("groups: [{name: a, rules: [{alert: WebDown}, {alert: WebSlow}]}]")
    return tmp_path


def coverage(*labels: dict[str, str], options: tuple[str, ...] = ()) -> Any:
    alerts = json.dumps([{"labels": {"severity": "critical", **one}} for one in labels])
    return CliRunner().invoke(main, ["coverage", "--alerts", "-", *options], input=alerts)


@pytest.mark.usefixtures("team")
def test_a_program_gets_all_numbers() -> None:
    result = coverage({"alertname": "WebDown", "instance": "web-1:80"}, options=("--rules", "rules.yml", "-o", "json"))
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    assert found["alerts"]["about"]["one_component"] == 1
    assert found["alerts"]["policies"]["approve"] == 1
    assert found["rules"]["total"] == 2
    assert found["rules"]["policies"] == {
        **dict.fromkeys(("auto", "shadow", "no_playbook", "depends_on_the_alert"), 0),
        "approve": 1,
        "no_policy": 1,
    }
    assert (found["share_with_policy"], found["loss"]["approve"]) == (1.0, 100.0)
    assert [gap["name"] for gap in found["gaps"]] == ["WebSlow"]


@pytest.mark.usefixtures("team")
def test_people_see_the_share_and_the_gaps_without_markup_of_an_alert() -> None:
    result = coverage({"alertname": "[red]Odd[/]", "instance": "web-1"})
    assert result.exit_code == 0, result.output
    assert "0% has a policy with a playbook: 100% no policy." in result.stdout
    assert "[red]Odd[/]" in result.stdout
    assert "No gaps." in coverage({"alertname": "WebDown", "instance": "web-1"}).stdout


@pytest.mark.usefixtures("team")
def test_it_needs_alerts_from_somewhere() -> None:
    assert CliRunner().invoke(main, ["coverage"]).exit_code == 2
