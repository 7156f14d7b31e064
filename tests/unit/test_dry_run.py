"""A dry run of what waits for approval: asked for, or coming with each approval; nothing is changed by it."""

from __future__ import annotations

from dataclasses import replace

from bsm_remediate.adapters.ansible.events import diff_text
from bsm_remediate.domain.bundle import Bundle, Settings
from bsm_remediate.domain.event import Event
from bsm_remediate.domain.playbook import PlaybookOutcome
from bsm_remediate.domain.policy import Evidence, Mode
from bsm_remediate.domain.run import RunState
from bsm_remediate.testing.builders import alternative, bundle, component, policy, service
from bsm_remediate.testing.executor import Scripted
from bsm_remediate.testing.store import MemoryStore
from bsm_remediate.testing.timeline import Timeline


def shop(*, dry_run: bool = False, check: bool = True) -> Timeline:
    return Timeline(a_bundle(dry_run=dry_run, check=check), MemoryStore())


def a_bundle(*, dry_run: bool, check: bool = True) -> Bundle:
    return bundle(
        component("db-1"),
        service("checkout", requires=["db-1"], loss=300),
        policy(
            "rebuild",
            match={"alertname": "Corrupt"},
            evidence=Evidence.DIRECT,
            do=(replace(alternative("rebuild.yml", seconds=20), check=check),),
            mode=Mode.APPROVE,
        ),
        settings=Settings(dry_run=dry_run),
    )


def dry_runs(told: Timeline) -> list[Event]:
    return [one for one in told.store.events() if one.kind == "run.dry_run_ended"]


def test_a_person_sees_what_would_change_before_approving_and_nothing_is_changed() -> None:
    told = shop()
    told.at("09:00:00").fires("Corrupt", instance="db-1")
    run = told.run_of("db-1")
    assert "runs in check mode" in told.asks("check", run.id, who="ana")
    told.at("09:00:30")
    [call] = told.executor.calls
    assert (call.check_mode, call.hosts) == (True, ("db-1",))
    [found] = dry_runs(told)
    assert found.subject == run.id
    assert found.facts["changes"] == [
        {"host": "db-1", "task": "Run rebuild.yml", "diff": "-before rebuild.yml\n+after"}
    ]
    assert found.facts["detail"] == "rebuild.yml would change something in 1 task"
    assert told.prober.broken == {"db-1"}
    assert told.run_of("db-1") == run  # it still waits, and counts no attempt
    [asked] = [one for one in told.store.events() if one.kind == "run.dry_run_started"]
    assert asked.actor == "ana"


def test_with_the_setting_each_approval_comes_with_one() -> None:
    told = shop(dry_run=True)
    told.at("09:00:00").fires("Corrupt", instance="db-1")
    told.at("09:01:00")
    assert len(dry_runs(told)) == 1
    assert told.run_of("db-1").state is RunState.AWAITING_APPROVAL
    told.asks("approve", told.run_of("db-1").id)
    told.at("09:01:05")
    assert [call.check_mode for call in told.executor.calls] == [True, False]


def test_a_playbook_that_cannot_run_in_check_mode_is_left_alone() -> None:
    told = shop(dry_run=True, check=False)
    told.at("09:00:00").fires("Corrupt", instance="db-1")
    answer = told.asks("check", told.run_of("db-1").id)
    assert answer == "rebuild.yml can't run in check mode, says policy rebuild (`check: false`)"
    assert told.executor.calls == []


def test_a_failure_in_check_mode_is_told_and_the_approval_stays_open() -> None:
    told = shop()
    told.executor.script("rebuild.yml", Scripted(duration_s=2, outcome=PlaybookOutcome.FAILED, reason="no such disk"))
    told.at("09:00:00").fires("Corrupt", instance="db-1")
    told.asks("check", told.run_of("db-1").id)
    told.at("09:00:10")
    [found] = dry_runs(told)
    assert found.facts["detail"] == "rebuild.yml fails in check mode already: no such disk"
    assert told.run_of("db-1").state is RunState.AWAITING_APPROVAL


def test_one_at_a_time_and_only_of_what_waits_for_approval() -> None:
    told = shop()
    told.at("09:00:00").fires("Corrupt", instance="db-1")
    run = told.run_of("db-1")
    told.asks("check", run.id)
    assert told.asks("check", run.id) == f"a dry run of {run.id} is under way"
    assert told.asks("check", "nobody") == "there is no run nobody"
    told.at("09:01:00")
    told.asks("approve", run.id)
    assert "not awaiting_approval" in told.asks("check", run.id) or "running" in told.asks("check", run.id)


def test_diffs_are_told_whatever_shape_a_module_gives_them() -> None:
    assert diff_text({"diff": {"before": "a\nb\n", "after": "a\nc\n", "before_header": "f", "after_header": "f"}}) == (
        "--- f\n+++ f\n@@ -1,2 +1,2 @@\n a\n-b\n+c"
    )
    assert diff_text({"diff": [{"prepared": "-x\n+y"}, {"before": {"state": "off"}, "after": {"state": "on"}}]}) == (
        '-x\n+y\n--- before\n+++ after\n@@ -1,3 +1,3 @@\n {\n-  "state": "off"\n+  "state": "on"\n }'
    )
    assert diff_text({"diff": {"before": "", "after": "\x1b[31mred\x1b[0m"}}).endswith("+ red ")
    assert [diff_text({"diff": odd}) for odd in (None, [], "text", [None, 3])] == ["", "", "", ""]
