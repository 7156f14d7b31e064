"""What people have ordered for a time: freezes, pauses of a part, maintenance; and storms in one set."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from bsm_remediate.domain.alert import Alert
from bsm_remediate.domain.bundle import Bundle, Settings, StormLimit
from bsm_remediate.domain.calendar import Calendar
from bsm_remediate.domain.decision import Decision
from bsm_remediate.domain.evaluation import Evaluation, Evaluator
from bsm_remediate.domain.ids import NodeId
from bsm_remediate.domain.policy import Evidence, Policy
from bsm_remediate.domain.run import RunState
from bsm_remediate.domain.situation import MaintenanceWindow, Pause, Situation
from bsm_remediate.domain.standing_orders import covered_by
from bsm_remediate.domain.state import State
from bsm_remediate.testing.builders import (
    NINE,
    alert,
    bundle,
    component,
    either,
    every,
    policy,
    run,
    service,
    situation,
)

MINUTE = timedelta(minutes=1)
RESTART = policy("restart", match={"alertname": "Down"}, evidence=Evidence.DIRECT)


class Daily:
    """From nine to ten, on every day. Implements `calendar.Times`."""

    def is_in_force(self, now: datetime) -> bool:
        return now.hour == NINE.hour

    def edges(self, _since: datetime, _until: datetime) -> list[datetime]:
        raise AssertionError("no guard needs these")


NINE_TO_TEN = Calendar(name="nine-to-ten", times=(Daily(),))


def shop(by: Policy = RESTART, settings: Settings | None = None) -> Bundle:
    return bundle(
        replace(component("a", host="host-1"), owner="payments"),
        component("b", host="host-1"),
        component("c"),
        component("only", requires=None),
        service("sells", requires=every("a", "b"), loss=60),
        service("reports", requires=every("only", "c"), loss=5),
        service("archive", requires=every("c"), loss=1),
        by,
        calendars=[NINE_TO_TEN],
        settings=settings,
        sets={"pair": ["a", "b"]},
    )


def seen(here: Situation, the: Bundle | None = None) -> Evaluation:
    return Evaluator(the or shop()).evaluate(here)


def about(found: Evaluation, node: str = "a") -> Decision:
    (decision,) = [one for one in found.decisions if one.component == node]
    return decision


def down(node: str, *, ago: timedelta = timedelta(seconds=30)) -> Alert:
    return alert("Down", instance=node, since=NINE - ago)


# --- change freezes --------------------------------------------------------------------------------------------------

FREEZE = Settings(freeze=("nine-to-ten",))
KEEPS_TO_IT = replace(RESTART, holds_in_freeze=True)


def test_a_freeze_holds_the_policies_that_keep_to_it_and_restorations_go_on() -> None:
    decision = about(seen(situation(down("a")), shop(KEEPS_TO_IT, FREEZE)))
    assert decision.verdict == "frozen"
    assert decision.reason == "change freeze 'nine-to-ten' is in force, restart keeps to it"
    assert about(seen(situation(down("a")), shop(RESTART, FREEZE))).verdict == "run"


def test_it_ends_with_its_calendar_and_without_one_there_is_none() -> None:
    after = replace(situation(down("a")), at=NINE + timedelta(hours=1))
    assert about(seen(after, shop(KEEPS_TO_IT, FREEZE))).verdict == "run"
    assert about(seen(situation(down("a")), shop(KEEPS_TO_IT))).verdict == "run"


def test_an_approval_does_not_break_a_freeze() -> None:
    approved = run("a", "restart", RunState.AWAITING_APPROVAL, started_at=None, approved_by="ana")
    assert about(seen(situation(down("a"), runs=[approved]), shop(KEEPS_TO_IT, FREEZE))).verdict == "frozen"


# --- pauses of a part ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("scope", "held"),
    [
        ("component:a", {"a"}),
        ("host:host-1", {"a", "b"}),
        ("policy:restart", {"a", "b", "c"}),
        ("team:payments", {"a"}),
        ("policy:another", set()),
        ("component:nothing", set()),
        ("", {"a", "b", "c"}),
    ],
)
def test_a_pause_of_a_part_stops_that_part_only(scope: str, held: set[str]) -> None:
    pause = Pause(who="li", reason="move", since=NINE - MINUTE, scope=scope)
    found = seen(situation(down("a"), down("b"), down("c"), pauses=[pause]))
    assert {one.component for one in found.decisions if one.verdict == "paused"} == held


def test_a_scope_that_nobody_understands_pauses_everything() -> None:
    """It was written by a later version, or by hand: to stop too much is the safe side."""
    pause = Pause(who="li", reason="", since=NINE - MINUTE, scope="continent:europe")
    assert about(seen(situation(down("a"), pauses=[pause]))).verdict == "paused"


def test_the_reason_names_the_part() -> None:
    pause = Pause(who="li", reason="move", since=NINE - MINUTE, until=NINE + MINUTE, scope="host:host-1")
    assert about(seen(situation(down("a"), pauses=[pause]))).reason == "host:host-1 is paused by li until 09:01: move"


# --- maintenance -----------------------------------------------------------------------------------------------------


def window(target: str, **changes: object) -> MaintenanceWindow:
    usual = MaintenanceWindow(
        id="m1", target=target, who="ana", reason="new disks", since=NINE - MINUTE, until=NINE + MINUTE
    )
    return replace(usual, **changes)  # type: ignore[arg-type]


def at_work(here: Situation, *windows: MaintenanceWindow) -> Situation:
    return replace(here, maintenance=windows)


def test_what_is_in_maintenance_costs_nothing_and_starts_nothing_even_while_it_alerts() -> None:
    found = seen(at_work(situation(down("a")), window("a")))
    assert found.impact.states[NodeId("a")] is State.MAINTENANCE
    assert found.impact.states[NodeId("sells")] is State.MAINTENANCE
    assert found.impact.loss_per_minute == 0
    decision = about(found)
    assert decision.verdict == "maintenance"
    assert decision.reason == "a is in maintenance until 09:01, says ana: new disks"
    assert found.plan.steps == ()


def test_a_real_failure_beside_it_counts_and_is_repaired() -> None:
    found = seen(at_work(situation(down("b")), window("a")))
    assert about(found, "b").verdict == "run"


def test_a_window_covers_a_host_a_set_or_a_service_with_what_only_it_needs() -> None:
    the = shop()
    assert covered_by("host-1", the) == ("a", "b")
    assert covered_by("pair", the) == ("a", "b")
    assert covered_by("reports", the) == ("reports", "only")  # c is needed by archive too
    assert covered_by("sells", the) == ("sells", "a", "b")
    assert covered_by("nothing", the) == ()


def test_what_another_service_needs_is_repaired_while_one_is_in_maintenance() -> None:
    found = seen(at_work(situation(down("c"), down("only")), window("reports")))
    assert found.impact.states[NodeId("reports")] is State.MAINTENANCE
    assert about(found, "only").verdict == "maintenance"
    assert about(found, "only").reason.startswith("reports, and only with it, is in maintenance")
    assert about(found, "c").verdict == "run"


def test_a_window_begins_and_ends_by_itself_to_the_second() -> None:
    second = timedelta(seconds=1)
    for moment, is_open in (
        (NINE, True),
        (NINE - MINUTE, True),
        (NINE - MINUTE - second, False),
        (NINE + MINUTE, False),
    ):
        here = at_work(replace(situation(down("a", ago=10 * MINUTE)), at=moment), window("a"))
        assert about(seen(here)).verdict == ("maintenance" if is_open else "run"), moment


def test_a_window_by_a_calendar_holds_while_that_calendar_does() -> None:
    by_calendar = window("a", until=None, calendar="nine-to-ten")
    assert about(seen(at_work(situation(down("a")), by_calendar))).verdict == "maintenance"
    later = replace(situation(down("a")), at=NINE + timedelta(hours=2))
    assert about(seen(at_work(later, by_calendar))).verdict == "run"
    gone = replace(by_calendar, calendar="no-longer-in-the-bundle")
    assert about(seen(at_work(later, gone))).verdict == "maintenance"


def test_maintenance_counts_as_down_for_redundancy() -> None:
    pair = bundle(component("a"), component("b"), service("s", requires=either("a", "b"), loss=60), RESTART)
    slow = alert("Down", instance="a", severity="warning")
    assert about(seen(at_work(situation(slow), window("b")), pair)).verdict == "quorum"


# --- storms in one set -----------------------------------------------------------------------------------------------


def farm(limit: StormLimit | None = None) -> Bundle:
    web = [f"w{number}" for number in range(6)]
    others = [f"o{number}" for number in range(30)]
    return bundle(
        *map(component, (*web, *others)),
        service("s", requires=every(*web, *others)),
        RESTART,
        sets={"web": web, "lonely": ["o1"]},
        settings=Settings(storm=limit or StormLimit(share=0.3, set_share=0.5, at_least=3)),
    )


def storming(number: int, *, spread: timedelta = timedelta(0)) -> Situation:
    alerts = [down(f"w{place}", ago=spread * place) for place in range(number)]
    return situation(*alerts, down("o1"))


def test_when_more_than_half_of_a_set_goes_at_once_a_person_approves_for_that_set_only() -> None:
    found = seen(storming(4), farm())
    assert about(found, "w0").verdict == "storm"
    assert about(found, "w0").reason == (
        "4 of 6 in web began to signal within 5m, the limit is 50%; a person must approve"
    )
    assert about(found, "o1").verdict == "run"
    assert about(seen(storming(3), farm()), "w0").verdict == "run"


def test_one_after_the_other_is_no_storm() -> None:
    assert about(seen(storming(4, spread=2 * MINUTE), farm()), "w0").verdict == "run"
    assert about(seen(storming(4, spread=MINUTE), farm()), "w0").verdict == "storm"


def test_a_small_set_needs_the_least_number_too() -> None:
    assert about(seen(storming(4), farm(StormLimit(at_least=5))), "w0").verdict == "run"
    assert about(seen(situation(down("o1")), farm()), "o1").verdict == "run"  # all of a set of one


def test_what_was_approved_goes_on_in_the_storm() -> None:
    approved = run("w0", "restart", RunState.AWAITING_APPROVAL, started_at=None, approved_by="ana")
    assert about(seen(replace(storming(4), runs=(approved,)), farm()), "w0").verdict == "run"
