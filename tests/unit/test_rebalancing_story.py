"""Pools on a timeline: pressed members are relieved, nothing is set blindly, and normal weights return."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bsm_remediate.config.loader import load_bundle
from bsm_remediate.domain.bundle import Bundle
from bsm_remediate.domain.evaluation import Evaluator
from bsm_remediate.domain.ids import NodeId
from bsm_remediate.domain.plan_document import plan_document
from bsm_remediate.domain.playbook import PlaybookOutcome
from bsm_remediate.domain.run import RunState
from bsm_remediate.testing.executor import Scripted
from bsm_remediate.testing.store import MemoryStore
from bsm_remediate.testing.timeline import Timeline

SHOP = """
currency: EUR
services:
  checkout: {loss_per_minute: 300, requires: [{any: [web-1, web-2, web-3]}, lb-1]}
  search: {loss_per_minute: 40, requires: [{any: [web-1, web-2, web-3]}, lb-1]}
components: {lb-1: {host: balancer}, web-1: {}, web-2: {}, web-3: {}}
pools:
  web:
    members: {web-1: {capacity: 100}, web-2: {capacity: 60}, web-3: {capacity: 60}}
    serves: [checkout, search]
    apply: {component: lb-1, playbook: set_weights.yml, vars: {haproxy_backend: web}, expect: {duration: 3s}}
calendars:
  evening: {timezone: UTC, hours: "18:00-20:00"}
policies:
  relieve-web:
    match: {alertname: WebSlow}
    sets: ok
    do: [{rebalance: web}]
    guard: {cooldown: 0s, max_runs: 20/1h}
    mode: auto
  restart-web:
    match: {alertname: WebDown}
    do: [{playbook: restart.yml, expect: {duration: 20s}}]
    verify: [{tcp: "{{ component.address }}:80", within: 30s}]
    guard: {cooldown: 0s}
    mode: auto
settings: {executors: 4, freeze: [evening]}
"""
SKEWED = {"web-1": 60.0, "web-2": 20.0, "web-3": 20.0}


def bundle_of(tmp_path: Path, text: str) -> Bundle:
    (tmp_path / "shop.yml").write_text(text)
    loaded = load_bundle(tmp_path, inventory=None, playbooks=None, scrutinise=False)
    assert loaded.bundle is not None, loaded.findings
    return loaded.bundle


@pytest.fixture
def shop(tmp_path: Path) -> Timeline:
    return pressed(Timeline(bundle_of(tmp_path, SHOP), MemoryStore()))


def pressed(timeline: Timeline) -> Timeline:
    """160 requests a second, too many of them on web-1."""
    timeline.balancer.traffic["web"] = 160.0
    timeline.balancer.weights = dict(SKEWED)
    timeline.executor.script("set_weights.yml", Scripted(duration_s=3))
    return timeline


def test_a_pressed_member_is_relieved_by_weights_on_the_balancer(shop: Timeline) -> None:
    shop.at("09:00:00").fires("WebSlow", instance="web-1")
    run = shop.run_of("web-1")
    assert (run.host, run.playbook) == ("balancer", "set_weights.yml")
    assert run.locks == ("component:lb-1", "host:balancer", "pool:web")
    assert "away from web-1 (at 96%)" in run.reason
    shop.at("09:00:05")
    (call,) = shop.executor.calls
    assert call.hosts == ("balancer",)
    assert call.weights is not None
    assert sum(call.weights.members.values()) == pytest.approx(100)
    assert call.weights.members["web-1"] == pytest.approx(50)  # 80 of its 100
    assert call.vars == {"haproxy_backend": "web"}


def test_without_a_known_load_nothing_is_set(shop: Timeline) -> None:
    del shop.balancer.traffic["web"]
    shop.at("09:00:00").fires("WebSlow", instance="web-1")
    shop.expect(running=set(), held={"web-1": "too_old"})
    shop.balancer.traffic["web"] = 160.0
    shop.at("09:00:02").expect(running={"web-1"})


def test_weights_that_would_not_help_are_left(shop: Timeline) -> None:
    shop.balancer.traffic["web"] = 100.0
    shop.at("09:00:00").fires("WebSlow", instance="web-1")
    shop.expect(running=set(), held={"web-1": "already_ok"})
    assert shop.executor.calls == []


def test_two_pressed_members_are_one_rebalancing(shop: Timeline) -> None:
    shop.balancer.weights = {"web-1": 55, "web-2": 35, "web-3": 10}
    shop.at("09:00:00").fires("WebSlow", instance="web-1").fires("WebSlow", instance="web-2")
    shop.expect(running={"web-1"}, held={"web-2": "already_running"})
    shop.at("09:00:30")
    assert len(shop.executor.calls) == 1


def test_in_a_plan_too_a_pool_is_rebalanced_once(shop: Timeline) -> None:
    shop.balancer.weights = {"web-1": 55, "web-2": 35, "web-3": 10}
    shop.asks("hold", "balancer", reason="so that nothing runs")
    shop.at("09:00:00").fires("WebSlow", instance="web-1").fires("WebSlow", instance="web-2")
    situation = replace(shop.tick().situation, holds=())
    assert len(Evaluator(shop.engine.bundle).evaluate(situation).plan.steps) == 1


def test_that_a_pressed_member_still_answers_is_no_reason_to_leave_it_pressed(tmp_path: Path) -> None:
    checked = SHOP.replace(
        "do: [{rebalance: web}]", "do: [{rebalance: web}]\n    verify: [{tcp: '{{ component.id }}:80'}]"
    )
    shop = pressed(Timeline(bundle_of(tmp_path, checked), MemoryStore()))
    shop.asks("pause", reason="until it answers")
    shop.at("09:00:00").fires("WebSlow", instance="web-1").healthy("web-1").asks("resume")
    shop.at("09:00:10")
    assert len(shop.executor.calls) == 1
    assert shop.run_of("web-1").state is RunState.SUCCEEDED


def test_new_weights_take_nothing_down(shop: Timeline) -> None:
    """Everything hangs on the balancer, and yet its weights may be set."""
    shop.at("09:00:00").fires("WebSlow", instance="lb-1")
    shop.expect(running={"lb-1"})


def test_setting_weights_counts_as_no_work_on_the_balancer(tmp_path: Path) -> None:
    """With two of them, the other may be restarted meanwhile."""
    pair = SHOP.replace("lb-1]}", "{any: [lb-1, lb-2]}]}").replace("web-1: {},", "lb-2: {}, web-1: {},", 1)
    pair = pair.replace("match: {alertname: WebDown}", "match: {alertname: LbSlow}\n    sets: degraded")
    shop = pressed(Timeline(bundle_of(tmp_path, pair), MemoryStore()))
    shop.at("09:00:00").fires("WebSlow", instance="web-1")
    shop.at("09:00:10").fires("LbSlow", instance="lb-2")
    shop.expect(running={"web-1", "lb-2"})


def test_no_rebalancing_while_a_member_is_being_restored(shop: Timeline) -> None:
    shop.executor.script("restart.yml", Scripted(duration_s=20))
    shop.at("09:00:00").fires("WebDown", instance="web-3")
    shop.at("09:00:01").fires("WebSlow", instance="web-1")
    shop.expect(running={"web-3"}, held={"web-1": "already_running"})
    shop.at("09:00:10").resolves("WebDown", instance="web-3")
    shop.at("09:00:40").expect(running={"web-1"})


def test_a_member_is_restored_while_weights_are_being_verified(shop: Timeline) -> None:
    """Weights are quick to set and long to verify: nobody waits for that."""
    shop.at("09:00:00").fires("WebSlow", instance="web-1")
    shop.at("09:00:10").fires("WebDown", instance="web-3")
    shop.expect(running={"web-1", "web-3"})


def test_a_member_that_is_down_gets_nothing(shop: Timeline) -> None:
    shop.executor.script("restart.yml", Scripted(duration_s=5, outcome=PlaybookOutcome.FAILED, exit_code=2))
    shop.at("09:00:00").fires("WebDown", instance="web-3")
    shop.at("09:00:40").fires("WebSlow", instance="web-1")
    shop.at("09:00:45")
    weights = shop.executor.calls[-1].weights
    assert weights is not None
    assert weights.members["web-3"] == 0


def test_a_change_freeze_holds_rebalancing(shop: Timeline) -> None:
    shop.at("18:00:00").fires("WebSlow", instance="web-1")
    shop.expect(running=set(), held={"web-1": "frozen"})


def test_when_not_all_fits_the_playbook_is_told_what_to_turn_away(shop: Timeline) -> None:
    shop.balancer.traffic["web"] = 250.0
    shop.balancer.by_service["web"] = {NodeId("checkout"): 150.0, NodeId("search"): 100.0}
    shop.at("09:00:00").fires("WebSlow", instance="web-1")
    shop.at("09:00:05")
    weights = shop.executor.calls[-1].weights
    assert weights is not None
    assert weights.shed == {"search": 30.0}


@pytest.fixture
def checked(tmp_path: Path) -> Timeline:
    """The policy asks whether they answer, which they do."""
    text = SHOP.replace(
        "do: [{rebalance: web}]", "do: [{rebalance: web}]\n    verify: [{tcp: '{{ component.id }}:80'}]"
    )
    return pressed(Timeline(bundle_of(tmp_path, text), MemoryStore()))


def test_a_load_that_goes_on_growing_is_relieved_again_while_its_alert_still_fires(checked: Timeline) -> None:
    """Its alert can't end before the load does, and the next move can't wait for that."""
    shop = checked
    shop.at("09:00:00").fires("WebSlow", instance="web-1").healthy("web-1")
    shop.at("09:01:30")
    assert len(shop.executor.calls) == 1
    shop.balancer.traffic["web"] = 190.0
    shop.at("09:01:35")
    assert len(shop.executor.calls) == 2


def test_weights_that_are_being_verified_give_way_once_a_growing_load_asks_for_others(shop: Timeline) -> None:
    """Its alert can't end, so the first run would wait for that for ten minutes."""
    shop.at("09:00:00").fires("WebSlow", instance="web-1")
    first = shop.run_of("web-1")
    shop.at("09:02:00").expect(running={"web-1"})
    assert shop.run_of("web-1").id == first.id
    shop.balancer.traffic["web"] = 190.0
    shop.at("09:02:10")
    assert len(shop.executor.calls) == 2
    assert "the load asks for other weights already" in next(run for run in shop.runs() if run.id == first.id).outcome


def test_a_pause_leaves_weights_to_their_verification(shop: Timeline) -> None:
    shop.at("09:00:00").fires("WebSlow", instance="web-1")
    shop.at("09:02:00").asks("pause", reason="the auditors are here")
    shop.balancer.traffic["web"] = 190.0
    shop.at("09:02:10").expect(running={"web-1"})
    assert len(shop.executor.calls) == 1


def test_what_is_turned_away_already_is_not_turned_away_again_and_again(checked: Timeline) -> None:
    shop = sale(checked, search=100.0)
    shop.at("09:00:00").fires("WebSlow", instance="web-1").healthy("web-1")
    shop.at("09:00:10")
    assert shop.executor.calls[-1].weights is not None
    assert shop.executor.calls[-1].weights.shed == {"search": 30.0}
    shop.at("09:20:00")
    assert len(shop.executor.calls) == 1
    sale(shop, search=120.0)
    shop.at("09:21:30")
    assert len(shop.executor.calls) == 2
    assert shop.executor.calls[-1].weights is not None
    assert shop.executor.calls[-1].weights.shed == {"search": pytest.approx(41.6667)}
    shop.restarts()
    shop.at("09:30:00")
    assert len(shop.executor.calls) == 2


def test_once_there_is_room_again_nobody_is_turned_away(checked: Timeline) -> None:
    shop = sale(checked, search=100.0)
    shop.at("09:00:00").fires("WebSlow", instance="web-1").healthy("web-1")
    sale(shop.at("09:05:00"), search=60.0)  # 210 of 220: pressed, and yet there is room
    shop.at("09:06:10")
    weights = shop.executor.calls[-1].weights
    assert weights is not None
    assert weights.shed == {}
    assert "there is room for all of search again" in shop.run_of("web-1").reason


def test_nobody_is_turned_away_for_the_time_that_normal_weights_wait(checked: Timeline) -> None:
    """Its alert is over, and weights alone would have stayed for ten minutes."""
    shop = sale(checked, search=100.0)
    shop.at("09:00:00").fires("WebSlow", instance="web-1").healthy("web-1")
    sale(shop.at("09:05:00"), search=0.5).resolves("WebSlow", instance="web-1")
    shop.at("09:05:30")
    assert shop.balancer.shed == {}
    assert "there is room for all of search again" in shop.run_of("web-1").reason
    assert len(shop.executor.calls) == 2


def test_a_balancer_that_has_forgotten_whom_to_turn_away_is_told_again(checked: Timeline) -> None:
    shop = sale(checked, search=100.0)
    shop.at("09:00:00").fires("WebSlow", instance="web-1").healthy("web-1")
    shop.at("09:05:00")
    shop.balancer.shed = {}  # somebody has reloaded its configuration
    shop.at("09:05:10")
    assert len(shop.executor.calls) == 2
    assert shop.balancer.shed == {"search": 30.0}


def sale(shop: Timeline, *, search: float) -> Timeline:
    """150 of checkout, and so much of search, for a capacity of 220."""
    shop.balancer.traffic["web"] = 150.0 + search
    shop.balancer.by_service["web"] = {NodeId("checkout"): 150.0, NodeId("search"): search}
    return shop


def test_a_pool_that_stays_pressed_is_not_handed_to_a_person(checked: Timeline) -> None:
    shop = checked
    shop.at("09:00:00").fires("WebSlow", instance="web-1").healthy("web-1")
    for minute in range(1, 40, 5):
        shop.at(f"09:{minute:02}:00").fires("WebSlow", instance="web-1").healthy("web-1")
    shop.expect(held={"web-1": "already_ok"})
    assert shop.run_of("web-1").state is RunState.SUCCEEDED
    shop.balancer.traffic["web"] = 190.0
    shop.at("09:40:00")
    assert len(shop.executor.calls) == 2


def relieved(shop: Timeline) -> Timeline:
    """Relieved at nine, its alert gone a little later, and over."""
    shop.at("09:00:00").fires("WebSlow", instance="web-1")
    shop.at("09:00:20").resolves("WebSlow", instance="web-1")
    shop.at("09:02:00")
    assert shop.run_of("web-1").state is RunState.SUCCEEDED
    assert len(shop.executor.calls) == 1
    return shop


def test_normal_weights_return_when_the_pressure_has_been_gone_for_ten_minutes(shop: Timeline) -> None:
    relieved(shop)
    shop.balancer.traffic["web"] = 120.0
    shop.at("09:11:00")
    assert len(shop.executor.calls) == 1
    shop.at("09:13:00")
    normal = shop.executor.calls[-1].weights
    assert normal is not None
    assert normal.members == {"web-1": 45.4546, "web-2": 27.2727, "web-3": 27.2727}
    assert "normal weights would have kept every member at or below 70%" in shop.run_of("web-1").reason
    shop.at("09:30:00")
    assert len(shop.executor.calls) == 2


def test_a_late_alarm_does_not_make_the_way_back_a_relief(shop: Timeline) -> None:
    relieved(shop)
    shop.balancer.traffic["web"] = 120.0
    shop.at("09:11:30").fires("WebSlow", instance="web-2")
    shop.at("09:45:00")
    assert len(shop.executor.calls) == 2
    assert shop.run_of("web-2").state is RunState.SUCCEEDED  # it need not wait for that alarm to end


def test_the_way_back_survives_a_restart(shop: Timeline) -> None:
    relieved(shop)
    shop.balancer.traffic["web"] = 120.0
    shop.at("09:05:00").restarts()
    shop.at("09:14:00")
    assert len(shop.executor.calls) == 1
    shop.at("09:16:00")
    assert len(shop.executor.calls) == 2


def test_a_pause_holds_the_way_back_too(shop: Timeline) -> None:
    relieved(shop)
    shop.balancer.traffic["web"] = 120.0
    shop.asks("pause", reason="the auditors are here")
    shop.at("09:20:00").expect(held={"web-1": "paused"})
    shop.asks("resume")
    shop.at("09:20:05")
    assert len(shop.executor.calls) == 2


def test_under_pressure_normal_weights_do_not_return(shop: Timeline) -> None:
    relieved(shop)
    shop.at("09:40:00")  # 160 of 220 is more than 70 %
    assert len(shop.executor.calls) == 1


def test_in_shadow_it_only_says_what_it_would_do(tmp_path: Path) -> None:
    shadow = SHOP.replace("20/1h}\n    mode: auto", "20/1h}\n    mode: shadow")
    shop = pressed(Timeline(bundle_of(tmp_path, shadow), MemoryStore()))
    evaluation = shop.at("09:00:00").fires("WebSlow", instance="web-1").tick()
    (step,) = evaluation.plan.shadow
    assert step.rebalancing is not None
    assert "away from web-1 (at 96%)" in step.reason
    shop.at("09:01:00")
    assert shop.executor.calls == []


def test_the_plan_shows_the_weights_it_would_set(shop: Timeline) -> None:
    shop.asks("hold", "balancer", reason="so that nothing runs")
    evaluation = shop.at("09:00:00").fires("WebSlow", instance="web-1").tick()
    assert [one.verdict for one in evaluation.plan.held] == ["held_by"]
    situation = replace(evaluation.situation, holds=())
    bundle = shop.engine.bundle
    (step,) = steps_of(plan_document(Evaluator(bundle).evaluate(situation), bundle, considered=()))
    assert step["host"] == "balancer"
    assert step["rebalances"]["pool"] == "web"
    assert sum(one["value"] for one in step["rebalances"]["weights"]) == pytest.approx(100)


def steps_of(document: dict[str, Any]) -> list[dict[str, Any]]:
    return list(document["steps"])


def test_a_rebalancing_in_mode_approve_waits_for_a_person(tmp_path: Path) -> None:
    approve = SHOP.replace("20/1h}\n    mode: auto", "20/1h}\n    mode: approve")
    shop = pressed(Timeline(bundle_of(tmp_path, approve), MemoryStore()))
    shop.at("09:00:00").fires("WebSlow", instance="web-1")
    run = shop.run_of("web-1")
    assert run.state is RunState.AWAITING_APPROVAL
    shop.asks("approve", run.id)
    shop.at("09:00:30")
    assert [call.weights is not None for call in shop.executor.calls] == [True]
