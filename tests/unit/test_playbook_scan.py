from __future__ import annotations

from pathlib import Path

import pytest

from bsm_remediate.adapters.ansible.scan import scan_playbooks
from bsm_remediate.domain.finding import Severity
from bsm_remediate.domain.inventory import Inventory

INVENTORY = Inventory(
    addresses={"web-1": "web-1", "db-1": "db-1"}, groups={"all": ("web-1", "db-1"), "web": ("web-1",)}
)


def _codes(tmp_path: Path, text: str) -> list[tuple[str, int]]:
    path = tmp_path / "play.yml"
    path.write_text(text)
    return [(finding.code, finding.line) for finding in scan_playbooks([path], inventory=INVENTORY)]


def _task(text: str) -> str:
    return f"- hosts: all\n  tasks:\n  - name: It\n    {text}\n"


@pytest.mark.parametrize(
    ("task", "code"),
    [
        ('ansible.builtin.shell: "echo {{ bsm.alert.name }}"', "alert-in-shell"),
        ("shell: {cmd: \"echo {{ bsm.alert | bsm_label('unit') }}\"}", "alert-in-shell"),
        ("raw: \"{{ bsm['alert'].name }}\"", "alert-in-shell"),
        ('ansible.builtin.include_tasks: "{{ bsm.alerts[0].name }}.yml"', "alert-in-include"),
        ('delegate_to: "{{ bsm.alert.labels[0].value }}"', "alert-in-hosts"),
        ('become_user: "{{ bsm.alert.name }}"', "alert-in-become"),
        ("debug: {msg: \"{{ lookup('pipe', bsm.alert.name) }}\"}", "alert-in-lookup"),
        ("debug: {msg: \"{{ query('ansible.builtin.file', bsm.alert.name) }}\"}", "alert-in-lookup"),
    ],
)
def test_alert_text_given_to_an_interpreter_is_a_warning_with_its_line(tmp_path: Path, task: str, code: str) -> None:
    assert _codes(tmp_path, _task(task)) == [(code, 4)]


@pytest.mark.parametrize(
    "task",
    [
        "ansible.builtin.debug: {msg: '{{ bsm.alert.name }}'}",
        "ansible.builtin.command: {argv: [echo, '{{ bsm.alert.name }}']}",
        'ansible.builtin.shell: "echo {{ bsm.alert.name | quote }}"',
        'ansible.builtin.shell: "echo {{ bsm.component.id }} {{ unit }}"',
        "debug: {msg: \"{{ lookup('env', 'HOME') }} bsm.alert.name\"}",
    ],
)
def test_other_uses_are_fine(tmp_path: Path, task: str) -> None:
    assert _codes(tmp_path, _task(task)) == []


def test_tasks_in_blocks_handlers_and_included_files_are_seen_too(tmp_path: Path) -> None:
    (tmp_path / "more.yml").write_text("- raw: '{{ bsm.alert.name }}'\n")
    text = """
- hosts: "{{ bsm.alert.name }}"
  handlers: [{raw: '{{ bsm.alert.name }}'}]
  tasks:
  - block:
    - always: [{raw: '{{ bsm.alert.name }}'}]
  - ansible.builtin.include_tasks: {file: more.yml}
"""
    assert sorted(_codes(tmp_path, text)) == [
        ("alert-in-hosts", 2), ("alert-in-shell", 1), ("alert-in-shell", 3), ("alert-in-shell", 6)
    ]  # fmt: skip


@pytest.mark.parametrize("hosts", ["webs", "webs,queue-*", "[webs, 'db']"])
def test_a_play_that_can_reach_no_host_is_a_warning(tmp_path: Path, hosts: str) -> None:
    assert _codes(tmp_path, f"- hosts: {hosts}\n  tasks: []\n") == [("play-without-hosts", 1)]


@pytest.mark.parametrize("hosts", ["all", "web", "db-*", "webs,web-1", "localhost", "'{{ x }}'", "~web.*", "'!db-1'"])
def test_a_play_that_may_reach_a_host_is_fine(tmp_path: Path, hosts: str) -> None:
    assert _codes(tmp_path, f"- hosts: {hosts}\n  tasks: []\n") == []


@pytest.mark.parametrize("text", ["- hosts: [", "hosts: all", "", "\x00", "- {a: b"])
def test_what_is_no_playbook_is_an_error(tmp_path: Path, text: str) -> None:
    path = tmp_path / "play.yml"
    path.write_text(text)
    (finding,) = scan_playbooks([path])
    assert (finding.code, finding.severity, finding.file) == ("playbook-unreadable", Severity.ERROR, str(path))


def test_a_missing_file_and_an_endless_alias_are_survived(tmp_path: Path) -> None:
    assert scan_playbooks([tmp_path / "none.yml"])[0].code == "playbook-unreadable"
    assert _codes(tmp_path, "- &a\n  hosts: all\n  tasks: [*a]\n") == []


def test_ansibles_own_tags_are_no_error(tmp_path: Path) -> None:
    assert _codes(tmp_path, "- hosts: all\n  vars: {a: !vault x, b: !unsafe '{{ x }}'}\n  tasks: []\n") == []
