"""Every guard that counts or waits, told over time and tried to get past: by one engine, and by two on the same store,
so that nothing rests on what one of them remembers.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from bsm_remediate.domain.policy import Mode
from bsm_remediate.domain.run import RunState
from bsm_remediate.domain.situation import Hold, Pause
from bsm_remediate.engine.options import EngineOptions
from bsm_remediate.records import Standing
from bsm_remediate.testing.store import MemoryStore
from bsm_remediate.testing.timeline import BEGIN, Timeline
from tests.unit.pair import Pair, bundle_of

BASE = """
currency: EUR
services:
  checkout: {loss_per_minute: 300, requires: [db-1]}
  site: {loss_per_minute: 100, requires: [w-1, w-2, w-3, w-4]}
  mail: {loss_per_minute: 10, requires: {any: [m-1, m-2]}}
  cart: {loss_per_minute: 300, requires: [c-2]}
components: {c-1: {host: box}, c-2: {host: box}, db-1: {}, w-1: {}, w-2: {}, w-3: {}, w-4: {}, m-1: {}, m-2: {}}
pools:
  webs: {members: {w-1: {capacity: 1}, w-2: {capacity: 1}, w-3: {capacity: 1}, w-4: {capacity: 1}}, serves: [site]}
calendars: {always: {timezone: UTC, hours: "00:00-24:00"}}
teams: {ops: {members: [ana]}}
"""
LATER = """
policies:
  restart:
    match: {{alertname: Down}}
    evidence: direct
    do: [{{playbook: restart.yml, expect: {{duration: 20s}}}}]
    verify: [{{tcp: "{{{{ component.address }}}}:80", within: 30s}}]
    resolve_within: 1m
    guard: {{{guard}}}
    {policy}
    mode: auto
settings: {{executors: 9{settings}}}
"""
CALM = ", guard: {storm: {all: 100%, set: 100%, at_least: 20}}"
Tell = Callable[..., Timeline]


@pytest.fixture(params=[Timeline, Pair], ids=["one engine", "two that lead in turns"])
def told(request: pytest.FixtureRequest, tmp_path: Path) -> Tell:
    def tell(
        guard: str = "cooldown: 0s, max_runs: 90/1h", *, settings: str = CALM, policy: str = "", **options: object
    ) -> Timeline:
        text = BASE + LATER.format(guard=guard, settings=settings, policy=policy)
        made: Timeline = request.param(bundle_of(text, tmp_path), MemoryStore(), **options)
        return made.at("09:00:00")

    return tell


def mend(shop: Timeline, node: str) -> None:
    """It breaks, is restored, and its alert ends."""
    began = len(shop.executor.calls)
    shop.forget().fires("Down", instance=node)
    shop.wait_until(lambda: len(shop.executor.calls) > began and shop.run_of(node).state is RunState.SUCCEEDED)
    wait(shop.resolves("Down", instance=node), 1)


def wait(shop: Timeline, seconds: float) -> Timeline:
    for _ in range(int(seconds)):
        shop.clock.advance(1)
        shop.tick()
    return shop


def test_a_cooldown_counts_from_the_end_of_the_run_to_the_second(told: Tell) -> None:
    shop = told("cooldown: 1m, max_runs: 90/1h")
    mend(shop, "db-1")
    ended = shop.run_of("db-1").ended_at
    assert ended is not None
    shop.forget().fires("Down", instance="db-1").expect(running=set(), held={"db-1": "cooling_down"})
    wait(shop, 59 - (shop.clock.now() - ended).total_seconds()).expect(running=set())
    wait(shop, 1).expect(running={"db-1"})


def test_runs_are_counted_by_component_and_by_policy_whoever_started_them(told: Tell) -> None:
    shop = told("cooldown: 0s, max_runs: {component: 2/1h, policy: 3/1h}")
    mend(shop, "db-1")
    mend(shop, "db-1")
    shop.forget().fires("Down", instance="db-1").expect(running=set(), held={"db-1": "budget_spent"})
    mend(shop, "w-1")
    shop.fires("Down", instance="w-2").expect(running=set(), held={"w-2": "budget_spent"})
    assert len(shop.executor.calls) == 3


def test_many_at_once_do_not_get_past_the_budget_of_the_engine(told: Tell) -> None:
    shop = told(settings=", guard: {max_runs: 3/1h, storm: {all: 100%, set: 100%, at_least: 20}}")
    shop.asks("pause", reason="until all are down")
    for node in ("db-1", "w-1", "w-2", "w-3", "w-4"):
        shop.fires("Down", instance=node)
    shop.asks("resume")
    wait(shop, 40)
    assert len(shop.executor.calls) == 3
    assert sorted(shop.held().values()).count("budget_spent") == 2


def test_no_more_siblings_are_worked_on_than_max_unavailable(told: Tell) -> None:
    shop = told("cooldown: 0s, max_runs: 90/1h, max_unavailable: 1")
    shop.fires("Down", instance="m-1").fires("Down", instance="m-2")
    assert len(shop.running()) == 1
    assert "quorum" in shop.held().values()
    wait(shop, 30)
    assert {call.component.id for call in shop.executor.calls} == {"m-1", "m-2"}


def test_the_last_healthy_one_is_left_alone_while_its_sibling_is_worked_on(told: Tell) -> None:
    shop = told()
    shop.fires("Down", instance="m-1").expect(running={"m-1"})
    shop.fires("Down", severity="warning", instance="m-2").expect(running={"m-1"}, held={"m-2": "quorum"})
    shop.wait_until(lambda: shop.run_of("m-1").state is RunState.SUCCEEDED)
    shop.tick()
    shop.expect(running={"m-2"})


def test_what_could_itself_cost_too_much_waits_for_a_person(told: Tell) -> None:
    shop = told("cooldown: 0s, max_runs: 90/1h, approve_above: 50")
    shop.fires("Down", instance="c-1").fires("Down", instance="w-1").expect(running={"w-1"})
    assert shop.run_of("c-1").state is RunState.AWAITING_APPROVAL  # c-2 is on that host: 20 s of 300 a minute are 100
    shop.asks("approve", shop.run_of("c-1").id)
    shop.expect(running={"c-1", "w-1"})


def test_in_a_freeze_what_keeps_to_it_waits_and_an_approval_does_not_help(told: Tell) -> None:
    shop = told(settings=f", freeze: [always]{CALM}", policy="freeze: hold")
    wait(shop.fires("Down", instance="db-1"), 5).expect(running=set(), held={"db-1": "frozen"})
    assert shop.runs() == []


def test_in_a_storm_nothing_begins_by_itself_until_a_person_approves_each(told: Tell) -> None:
    shop = told(settings=", guard: {storm: {all: 40%, set: 100%, at_least: 4}}")
    shop.asks("pause", reason="until all are down")
    for node in ("db-1", "w-1", "w-2", "w-3"):
        shop.fires("Down", instance=node)
    shop.asks("resume")
    wait(shop, 60)
    assert shop.executor.calls == []
    shop.asks("approve", shop.run_of("w-1").id)
    shop.expect(running={"w-1"})
    wait(shop, 60)
    assert len(shop.executor.calls) == 1


def test_a_storm_in_one_set_leaves_the_others_to_go_on(told: Tell) -> None:
    shop = told(settings=", guard: {storm: {all: 90%, set: 50%, at_least: 3}}")
    shop.asks("pause", reason="until all are down")
    for node in ("w-1", "w-2", "w-3", "db-1"):
        shop.fires("Down", instance=node)
    shop.asks("resume")
    shop.tick()
    assert shop.running() == {"db-1"}
    assert {shop.run_of(node).state for node in ("w-1", "w-2", "w-3")} == {RunState.AWAITING_APPROVAL}


def test_a_hold_that_comes_while_its_run_is_queued_is_kept(told: Tell) -> None:
    shop = told()
    shop.asks("hold", "db-1", reason="new disk", until=shop.clock.now() + timedelta(minutes=1))
    wait(shop.fires("Down", instance="db-1"), 59).expect(running=set(), held={"db-1": "held_by"})
    assert shop.executor.calls == []
    wait(shop, 2).expect(running={"db-1"})


@pytest.mark.parametrize("verb", ["pause", "hold"])
def test_what_was_decided_before_an_order_does_not_begin_after_it(told: Tell, verb: str) -> None:
    shop = told()
    looking = shop.prober.look

    def ordering(*arguments: object, **named: object) -> object:
        """Between the decision and the start: a person orders, and the other engine has answered."""
        standing = shop.store.standing()
        if not standing.pauses and not standing.holds:
            shop.store.stand(ordered(shop, verb))
        return looking(*arguments, **named)  # type: ignore[arg-type]

    shop.prober.look = ordering  # type: ignore[method-assign, assignment]
    shop.fires("Down", instance="db-1")
    wait(shop, 5)
    assert shop.executor.calls == []
    assert shop.run_of("db-1").state is RunState.CANCELLED
    assert shop.run_of("db-1").outcome.startswith("not begun: ")
    shop.prober.look = looking  # type: ignore[method-assign]
    shop.asks("resume" if verb == "pause" else "release", "" if verb == "pause" else "db-1")
    wait(shop, 2).expect(running={"db-1"})


def ordered(shop: Timeline, verb: str) -> Standing:
    standing, now = shop.store.standing(), shop.clock.now()
    if verb == "pause":
        return replace(standing, pauses=(Pause(who="ana", reason="smoke", since=now),))
    return replace(standing, holds=(Hold(target="db-1", who="ana", reason="smoke", since=now),))


def test_what_is_older_than_max_age_waits_until_its_policy_is_adopted(told: Tell) -> None:
    shop = told(policy="max_age: 10m")
    shop.fires("Down", since=BEGIN - timedelta(hours=1), instance="db-1")
    wait(shop, 5).expect(running=set(), held={"db-1": "too_old"})
    shop.asks("adopt", "restart", reason="that is still true")
    shop.tick()
    shop.expect(running={"db-1"})


def test_without_its_heartbeat_nothing_begins_by_itself(told: Tell) -> None:
    shop = told(settings=f", watchdog: {{alertname: Watchdog, within: 2m}}{CALM}", lists=True)
    shop.fires("Watchdog", severity="none").fires("Down", instance="db-1").expect(running={"db-1"})
    shop.resolves("Watchdog", severity="none")
    wait(shop, 150)
    begun = len(shop.executor.calls)
    wait(shop.fires("Down", instance="w-1"), 10)
    assert len(shop.executor.calls) == begun
    assert shop.run_of("w-1").state is RunState.AWAITING_APPROVAL


@pytest.mark.parametrize("mode", [Mode.SHADOW, Mode.APPROVE])
def test_no_policy_goes_further_than_the_engine_and_no_person_lifts_that(told: Tell, mode: Mode) -> None:
    shop = told(options=EngineOptions(max_mode=mode))
    for verb, target in (("release", "db-1"), ("adopt", "restart"), ("release", "restart")):
        shop.asks(verb, target)
    wait(shop.fires("Down", instance="db-1"), 5)
    assert shop.executor.calls == []
    assert [run.state for run in shop.runs()] == ([RunState.AWAITING_APPROVAL] if mode is Mode.APPROVE else [])
