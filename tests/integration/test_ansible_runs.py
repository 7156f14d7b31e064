"""Runs through real ansible-runner: outcomes, what is left behind, and what reaches a playbook."""

from __future__ import annotations

import os
import stat
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from bsm_remediate.adapters.ansible.executor import Retention
from bsm_remediate.adapters.ansible.warm import WarmServers
from bsm_remediate.domain.playbook import PlaybookCall, PlaybookEvent, PlaybookOutcome, PlaybookResult
from bsm_remediate.testing.local_ansible import NEW_YEAR, LocalAnsible, a_call


@pytest.fixture
def local(tmp_path: Path, maybe_warm: WarmServers | None) -> LocalAnsible:
    return LocalAnsible(tmp_path, warm=maybe_warm)


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory, maybe_warm: WarmServers | None) -> LocalAnsible:
    """For tests that need no folder of their own: reading an inventory takes half a second."""
    return LocalAnsible(tmp_path_factory.mktemp("shared"), warm=maybe_warm)


def _carry_out(local: LocalAnsible, call: PlaybookCall, told: list[PlaybookEvent] | None = None) -> PlaybookResult:
    on_event = told.append if told is not None else lambda _event: None
    return local.executor().execute(call, on_event=on_event, cancelled=lambda: False)


def test_the_reason_of_a_failure_names_host_task_and_message(shared: LocalAnsible) -> None:
    shared.write_playbook("bad.yml", "- name: Look for it\n  ansible.builtin.command: ls /nowhere-at-all")
    result = _carry_out(shared, a_call("bad.yml"))
    assert result.reason.startswith("failed on h1 in task 'Look for it': non-zero return code: ls: ")
    assert "/nowhere-at-all" in result.reason


def test_a_syntax_error_is_told_with_its_place_and_nothing_is_started(shared: LocalAnsible) -> None:
    shared.write_playbook("wrong.yml", "- name: What is this\n  no_such_module_here: {}")
    result = _carry_out(shared, a_call("wrong.yml"))
    assert result.outcome is PlaybookOutcome.NOT_STARTED
    assert result.exit_code == 4
    assert "no_such_module_here" in result.reason


def test_an_unreachable_host_is_told_apart_from_a_failed_task(local: LocalAnsible) -> None:
    local.inventory.write_text(
        "all: {hosts: {h1: {ansible_host: 127.0.0.1, ansible_port: 1, ansible_connection: ssh}}}"
    )
    local.write_playbook("ping.yml", "- name: Reach it\n  ansible.builtin.ping:")
    result = _carry_out(local, a_call("ping.yml"))
    assert result.outcome is PlaybookOutcome.UNREACHABLE
    assert result.reason.startswith("unreachable on h1 in task 'Reach it'")


def test_an_ignored_failure_is_no_failure(shared: LocalAnsible) -> None:
    shared.write_playbook("try.yml", "- ansible.builtin.command: 'false'\n  ignore_errors: true")
    told: list[PlaybookEvent] = []
    result = _carry_out(shared, a_call("try.yml"), told)
    assert result.outcome is PlaybookOutcome.SUCCEEDED
    assert [event.message.split(":")[0] for event in told if event.host] == ["failed, ignored"]


def test_a_run_in_which_every_task_was_skipped_has_not_succeeded(shared: LocalAnsible) -> None:
    shared.write_playbook("skip.yml", "- ansible.builtin.command: 'true'\n  when: false")
    assert _carry_out(shared, a_call("skip.yml")).outcome is PlaybookOutcome.NO_HOST_MATCHED


def test_check_mode_changes_nothing(shared: LocalAnsible, tmp_path: Path) -> None:
    shared.write_playbook("write.yml", f"- ansible.builtin.file: {{path: {tmp_path}/made, state: directory}}")
    call = a_call("write.yml")
    checked = PlaybookCall(**{**{name: getattr(call, name) for name in call.__slots__}, "check_mode": True})
    assert _carry_out(shared, checked).outcome is PlaybookOutcome.SUCCEEDED
    assert not (tmp_path / "made").exists()


def test_a_playbook_outside_of_its_folder_is_refused(local: LocalAnsible, tmp_path: Path) -> None:
    (tmp_path / "outside.yml").write_text("- hosts: all\n  tasks: []\n")
    (local.playbooks / "link.yml").symlink_to(tmp_path / "outside.yml")
    (local.playbooks / "folder").mkdir()
    for playbook in ("../outside.yml", "/etc/passwd", "link.yml", "folder", "", "--extra-vars=@x", "a\0b"):
        assert _carry_out(local, a_call(playbook)).outcome is PlaybookOutcome.NOT_STARTED, playbook


def test_only_exact_hosts_limit_a_run(shared: LocalAnsible) -> None:
    shared.write_playbook("good.yml", "- ansible.builtin.debug:")
    widening = (
        "",
        " ",
        "all",
        "shop",
        "ungrouped",
        "h*",
        "~h1",
        "h1,h2",
        "h1:h2",
        "!h1",
        "@hosts.yml",
        "h1\n",
        "H1",
        "h1 ",
    )
    for host in widening:
        result = _carry_out(shared, a_call("good.yml", hosts=(host,)))
        assert result.outcome is PlaybookOutcome.NOT_STARTED, host


def test_a_run_reaches_no_other_host_than_its_own(shared: LocalAnsible, tmp_path: Path) -> None:
    task = f"- ansible.builtin.file: {{path: '{tmp_path}/{{{{ inventory_hostname }}}}.made', state: directory}}"
    shared.write_playbook("write.yml", task)
    assert _carry_out(shared, a_call("write.yml", hosts=("h2",))).outcome is PlaybookOutcome.SUCCEEDED
    assert [path.name for path in tmp_path.glob("*.made")] == ["h2.made"]


def test_concurrent_runs_get_their_own_variables(shared: LocalAnsible) -> None:
    tasks = "- ansible.builtin.debug: {msg: '{{ bsm.run.id }} {{ unit }} {{ inventory_hostname }}'}"
    shared.write_playbook("say.yml", tasks)
    executor = shared.executor()

    def carry_out(number: int) -> list[str]:
        told: list[PlaybookEvent] = []
        host = f"h{number % 2 + 1}"
        call = a_call("say.yml", run=f"run-{number}", hosts=(host,), variables={"unit": f"unit-{number}"})
        result = executor.execute(call, on_event=told.append, cancelled=lambda: False)
        assert result.outcome is PlaybookOutcome.SUCCEEDED, result
        return [event.message for event in told if event.kind == "ok"]

    with ThreadPoolExecutor(4) as pool:
        said = list(pool.map(carry_out, range(4)))
    assert said == [[f"run-{number} unit-{number} h{number % 2 + 1}"] for number in range(4)]


def test_a_rollback_in_the_same_attempt_has_a_folder_of_its_own(local: LocalAnsible) -> None:
    local.write_playbook("wrong.yml", "- no_such_module_here: {}")
    (local.state / "runs" / "run-1.1").mkdir(parents=True)
    result = _carry_out(local, a_call("wrong.yml"))
    assert result.artifacts == "runs/run-1.1-2"
    assert result.digest.startswith("sha256:")


def test_nothing_of_the_engines_environment_is_left_or_seen(
    local: LocalAnsible, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BSM_TOKEN", "canary-of-the-engine")
    monkeypatch.setenv("ANSIBLE_STDOUT_CALLBACK", "canary-callback")
    monkeypatch.setenv("ANSIBLE_BECOME_ASK_PASS", "canary")
    local.write_playbook("env.yml", "- ansible.builtin.command: env\n- ansible.builtin.debug: {var: ansible_env}")
    assert _carry_out(local, a_call("env.yml")).outcome is PlaybookOutcome.SUCCEEDED
    assert "canary" not in local.artifacts()


def test_a_variable_let_through_by_name_is_seen_by_the_playbook_and_redacted_everywhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, maybe_warm: WarmServers | None
) -> None:
    monkeypatch.setenv("VAULT_PASS", 'can"ary\\s3cr3t')
    local = LocalAnsible(tmp_path, environment=("VAULT_PASS",), warm=maybe_warm)
    tasks = (
        "- ansible.builtin.command: printenv VAULT_PASS\n  register: seen\n"
        "- ansible.builtin.debug: {msg: 'it is {{ seen.stdout }}!'}\n"
        "- ansible.builtin.fail: {msg: '{{ seen.stdout }}'}"
    )
    local.write_playbook("tell.yml", tasks)
    told: list[PlaybookEvent] = []
    result = _carry_out(local, a_call("tell.yml"), told)
    assert [event.message for event in told if event.kind == "ok"] == ["it is <redacted>!"]
    assert result.reason.endswith("<redacted>")
    assert "s3cr3t" not in local.artifacts()


def test_what_is_left_is_for_the_owner_alone_and_has_no_variables(shared: LocalAnsible) -> None:
    shared.write_playbook("good.yml", "- ansible.builtin.debug:")
    folder = shared.state / _carry_out(shared, a_call("good.yml")).artifacts
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert not (folder / "env").exists()
    assert not list(folder.rglob("command"))
    names = {path.name for path in (folder / "artifacts" / "run").iterdir()}
    assert {"job_events", "stdout", "rc", "status"} <= names


def test_artifacts_beyond_the_number_or_the_age_to_keep_go(local: LocalAnsible) -> None:
    local.write_playbook("wrong.yml", "- no_such_module_here: {}")
    for age, name in enumerate(("new.1", "newer.1", "old.1")):
        (local.state / "runs" / name).mkdir(parents=True)
        os.utime(local.state / "runs" / name, (NEW_YEAR.timestamp() - age * 86_400,) * 2)
    retention = Retention(keep_for=datetime.now(UTC) - NEW_YEAR + timedelta(hours=36), keep_runs=2)
    local.executor(retention=retention).execute(a_call("wrong.yml"), on_event=lambda _: None, cancelled=lambda: False)
    assert sorted(path.name for path in (local.state / "runs").iterdir()) == ["new.1", "run-1.1"]
    retention = Retention(keep_for=timedelta(days=1))
    call = a_call("wrong.yml", run="run-2")
    local.executor(retention=retention).execute(call, on_event=lambda _: None, cancelled=lambda: False)
    assert sorted(path.name for path in (local.state / "runs").iterdir()) == ["run-1.1", "run-2.1"]


def test_a_listener_that_fails_does_not_end_the_playbook_half_way(shared: LocalAnsible, tmp_path: Path) -> None:
    tasks = f"- ansible.builtin.command: 'true'\n- ansible.builtin.file: {{path: {tmp_path}/made, state: directory}}"
    shared.write_playbook("two.yml", tasks)

    def fail(_event: PlaybookEvent) -> None:
        raise OSError("the journal is away")

    result = shared.executor().execute(a_call("two.yml"), on_event=fail, cancelled=lambda: False)
    assert result.outcome is PlaybookOutcome.SUCCEEDED
    assert (tmp_path / "made").exists()


def test_the_teams_configuration_holds_and_our_filter_is_found_beside_theirs(
    local: LocalAnsible, tmp_path: Path
) -> None:
    project = tmp_path / "team"
    (project / "filters").mkdir(parents=True)
    (project / "filters" / "shout.py").write_text(
        "class FilterModule:\n    def filters(self):\n        return {'shout': lambda text: text.upper()}\n"
    )
    (project / "ansible.cfg").write_text("[defaults]\nfilter_plugins = ./filters\nroles_path = ./shared\n")
    (project / "shared" / "greet" / "tasks").mkdir(parents=True)
    (project / "shared" / "greet" / "tasks" / "main.yml").write_text(
        "- ansible.builtin.debug: {msg: \"{{ bsm.alert | bsm_label('alertname') | shout }}\"}\n"
    )
    local.write_playbook("role.yml", "- ansible.builtin.include_role: {name: greet}")
    local.project = type(local.project)(inventory=local.project.inventory, project=project)
    told: list[PlaybookEvent] = []
    result = _carry_out(local, a_call("role.yml"), told)
    assert result.outcome is PlaybookOutcome.SUCCEEDED, result.reason
    assert "DOWN" in [event.message for event in told]


def test_variables_that_steer_ansible_itself_are_refused(local: LocalAnsible) -> None:
    local.write_playbook("good.yml", "- ansible.builtin.debug:")
    for name in ("ansible_python_interpreter", "_x", "inventory_hostname", "bsm", "hosts", "a-b", ""):
        result = _carry_out(local, a_call("good.yml", variables={name: "/bin/true"}))
        assert result.outcome is PlaybookOutcome.NOT_STARTED, name
    assert not (local.state / "runs").exists()
