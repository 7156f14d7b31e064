"""A team's Ansible project as it is: what `ansible-playbook` does in it by hand, a run does too; and nothing that it
keeps vaulted is stored, logged or shown.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

BIN = Path(sys.executable).parent
CANARIES = {
    "file of group_vars": "canary-in-a-vaulted-file-1",
    "inline": "canary-inline-2",
    "other vault id": "canary-of-the-other-id-3",
    "key": "canary-line-one-4\ncanary-line-two-5",
}
CONFIG = """
[defaults]
roles_path = ./our-roles
collections_path = ./our-collections
filter_plugins = ./our-filters
vault_identity_list = prod@./prod.password
stdout_callback = minimal
timeout = 7
[privilege_escalation]
become = false
"""
PLAYBOOK = """
- name: Say what the project knows
  hosts: app
  gather_facts: false
  roles: [writer]
  tasks:
    - name: A filter of the team's, a variable of the second inventory, one of a host
      ansible.builtin.copy:
        content: "{{ 'x' | doubled }} {{ of_second }} {{ of_host }} {{ lookup('config', 'DEFAULT_TIMEOUT') }}"
        dest: "{{ out }}/filter"
        mode: "0600"
    - name: A module of the team's collection
      our.tools.stamp: {dest: "{{ out }}/module"}
    - name: The vaulted values arrive
      ansible.builtin.copy:
        content: "{{ file_secret }}|{{ inline_secret }}|{{ other_secret }}|{{ key_secret }}"
        dest: "{{ out }}/secrets"
        mode: "0600"
    - name: A careless task prints them
      ansible.builtin.debug: {msg: "{{ file_secret }} {{ inline_secret }} {{ other_secret }} {{ key_secret }}"}
    - name: A task that fails has them among its arguments
      ansible.builtin.command: {argv: [/bin/sh, -c, "echo '{{ file_secret }}' '{{ inline_secret }}'; exit 3"]}
      ignore_errors: true
    - name: And one ends it all
      ansible.builtin.fail: {msg: "no luck with {{ other_secret }}"}
      when: fails | default(false)
"""
ROLE = """
- name: Leave what the role knows
  ansible.builtin.copy: {content: "{{ greeting }} {{ inventory_hostname }}", dest: "{{ out }}/role", mode: "0600"}
"""
FILTER = """
class FilterModule:
    def filters(self):
        return {"doubled": lambda text: text + text}
"""
MODULE = """
from ansible.module_utils.basic import AnsibleModule
module = AnsibleModule(argument_spec={"dest": {"type": "path", "required": True}})
open(module.params["dest"], "w").write("stamped")
module.exit_json(changed=True)
"""
POLICIES = """
currency: EUR
teams:
  payments: {members: [ana]}
services:
  checkout: {loss_per_minute: 300, requires: [app]}
components:
  app: {host: app-1, owner: payments}
policies:
  mend:
    match: {alertname: Down}
    evidence: direct
    do: [{playbook: mend.yml, vars: {out: OUT, fails: FAILS}, expect: {duration: 5s}}]
    verify: [{command: "test -e OUT/module", within: 10s}]
    mode: auto
"""
SETTINGS = """
inventory = ["one.yml", "second"]
playbooks = "project/playbooks"
[ansible]
project = "project"
vault_ids = ["other@other.password"]
"""
ALERTS = [{"labels": {"alertname": "Down", "instance": "app-1", "severity": "critical"}}]


class Project:
    """The team's folder, with everything a project can have."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.team = root / "project"
        self._write_project()
        self._write_inventories()
        (root / "alerts.json").write_text(json.dumps(ALERTS))
        self.use_settings(SETTINGS)

    def _write_project(self) -> None:
        team = self.team
        module = "our-collections/ansible_collections/our/tools/plugins/modules/stamp.py"
        for name, text in {
            "ansible.cfg": CONFIG,
            "prod.password": "prod-password",
            "playbooks/mend.yml": PLAYBOOK,
            "our-roles/writer/tasks/main.yml": ROLE,
            "our-roles/writer/defaults/main.yml": "greeting: hello from\n",
            "our-filters/doubled.py": FILTER,
            module: MODULE,
        }.items():
            path = team / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        (self.root / "other.password").write_text("other-password")

    def _write_inventories(self) -> None:
        root = self.root
        (root / "one.yml").write_text(
            "app: {hosts: {app-1: {of_host: of-the-host}}, vars: {ansible_connection: local,"
            " ansible_python_interpreter: '{{ ansible_playbook_python }}'}}\n"
        )
        (root / "second").mkdir()
        (root / "second" / "more.ini").write_text("[app]\napp-1\napp-2\n[app:vars]\nof_second=of-the-second\n")
        (root / "group_vars" / "app").mkdir(parents=True)
        whole = root / "group_vars" / "app" / "vault.yml"
        whole.write_text(f"file_secret: {CANARIES['file of group_vars']}\n")
        self._vault("encrypt", "--encrypt-vault-id", "prod", str(whole))
        inline = self._vault("encrypt_string", "--encrypt-vault-id", "prod", CANARIES["inline"])
        other = self._vault("encrypt_string", "--encrypt-vault-id", "other", CANARIES["other vault id"])
        key = self._vault("encrypt_string", "--encrypt-vault-id", "other", CANARIES["key"])
        (root / "group_vars" / "app" / "plain.yml").write_text(
            f"inline_secret: {inline}\nother_secret: {other}\nkey_secret: {key}\n"
        )

    def _vault(self, *arguments: str) -> str:
        ids = ["--vault-id", "prod@project/prod.password", "--vault-id", "other@other.password"]
        command = [str(BIN / "ansible-vault"), *arguments[:1], *ids, *arguments[1:]]
        done = subprocess.run(
            command, cwd=self.root, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def use_settings(self, text: str) -> None:
        (self.root / "bsm-remediate.toml").write_text(text.replace("ROOT", str(self.root)))

    def use_policies(self, out: Path, *, fails: bool = False) -> None:
        (self.root / "policies").mkdir(exist_ok=True)
        text = POLICIES.replace("OUT", str(out)).replace("FAILS", str(fails).lower())
        (self.root / "policies" / "shop.yml").write_text(text)

    def by_hand(self, out: Path) -> None:
        """As somebody of the team would."""
        inventories = ["-i", "../one.yml", "-i", "../second"]
        ids = ["--vault-id", "other@../other.password", "-e", f"out={out}"]
        command = [str(BIN / "ansible-playbook"), *inventories, *ids, "-l", "app-1", "playbooks/mend.yml"]
        done = subprocess.run(command, cwd=self.team, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr

    def bsm(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "bsm_remediate", *arguments],
            cwd=self.root,
            env={**os.environ, "BSM_STATE_DIR": str(self.root / "state")},
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path)


def left_in(folder: Path) -> dict[str, str]:
    return {path.name: path.read_text() for path in folder.iterdir()}


def kept(folder: Path) -> Iterator[tuple[str, bytes]]:
    for path in folder.rglob("*"):
        if path.is_file() and not path.is_symlink():
            yield path.name, path.read_bytes()


def test_what_works_by_hand_works_here_and_leaves_no_vaulted_value_behind(project: Project) -> None:
    by_hand, by_us = project.root / "by-hand", project.root / "by-us"
    by_hand.mkdir()
    by_us.mkdir()
    project.by_hand(by_hand)
    project.use_policies(by_us)
    done = project.bsm("-v", "run", "--alerts", "alerts.json", "--yes")
    assert done.returncode == 0, done.stdout + done.stderr
    effects = left_in(by_us)
    assert effects == left_in(by_hand)
    assert effects["role"] == "hello from app-1"
    assert effects["filter"] == "xx of-the-second of-the-host 7"
    assert effects["secrets"] == "|".join(CANARIES.values())
    assert_nothing_tells(project, done)


def test_a_run_that_fails_with_a_vaulted_value_in_its_message_tells_the_rest(project: Project) -> None:
    out = project.root / "out"
    out.mkdir()
    project.use_policies(out, fails=True)
    done = project.bsm("-v", "run", "--alerts", "alerts.json", "--yes")
    assert done.returncode == 1, done.stdout + done.stderr
    (run,) = json.loads(project.bsm("runs", "-o", "json").stdout)["items"]
    assert "no luck with <redacted>" in run["reason"] + str(run.get("outcome", "")), run
    assert_nothing_tells(project, done)


def assert_nothing_tells(project: Project, done: subprocess.CompletedProcess[str]) -> None:
    shown = done.stdout + done.stderr
    shown += "".join(project.bsm(*words).stdout for words in (["runs", "-o", "json"], ["status"], ["why", "app"]))
    events = [name for name, _ in kept(project.root / "state")]
    assert any(name.endswith(".json") for name in events), "the artifacts are there"
    for canary in (line for value in CANARIES.values() for line in value.splitlines()):
        assert canary not in shown
        holding = [name for name, content in kept(project.root / "state") if canary.encode() in content]
        assert holding == []


def test_a_team_with_a_profile_has_its_own_project_and_keys(project: Project) -> None:
    out = project.root / "out"
    out.mkdir()
    project.use_policies(out)
    project.use_settings(
        'inventory = ["elsewhere.yml"]\nplaybooks = "project/playbooks"\n'
        '[ansible.profiles.payments]\nproject = "project"\nvault_ids = ["other@ROOT/other.password"]\n'
        'inventory = ["one.yml", "second"]\n'
    )
    (project.root / "elsewhere.yml").write_text("all: {hosts: {db-9: {}}}\n")
    done = project.bsm("run", "--alerts", "alerts.json", "--yes")
    assert done.returncode == 0, done.stdout + done.stderr
    assert left_in(out)["filter"] == "xx of-the-second of-the-host 7"
    assert_nothing_tells(project, done)


def test_check_looks_at_playbooks_in_subfolders_with_the_team_s_inventory(project: Project) -> None:
    out = project.root / "out"
    project.use_policies(out)
    deep = project.team / "playbooks" / "db" / "mend.yml"
    deep.parent.mkdir()
    deep.write_text(PLAYBOOK.replace("hosts: app", "hosts: nowhere"))
    policies = project.root / "policies" / "shop.yml"
    policies.write_text(policies.read_text().replace("playbook: mend.yml", "playbook: db/mend.yml"))
    found = json.loads(project.bsm("check", "--format", "json").stdout)["findings"]
    assert [(one["code"], Path(one["file"]).name) for one in found] == [("play-without-hosts", "mend.yml")]


def examined(project: Project, *words: str) -> tuple[int, dict[str, tuple[str, str]], dict[str, tuple[str, str]]]:
    """Exit code, what was found by check, and the settings with their origin."""
    done = project.bsm("doctor", "-o", "json", *words)
    document = json.loads(done.stdout)
    found = {one["check"]: (one["health"], one["detail"]) for one in document["checks"]}
    return done.returncode, found, {one["key"]: (one["value"], one["origin"]) for one in document["settings"]}


def test_the_doctor_finds_a_sound_deployment_sound_and_says_where_each_setting_comes_from(project: Project) -> None:
    project.use_policies(project.root / "out")
    project.use_settings(SETTINGS + "[[tokens]]\nrole = 'viewer'\nname = 'wall'\nfile = 'wall.token'\n")
    (project.root / "wall.token").write_text("canary-of-a-token")
    for name in ("wall.token", "other.password"):
        (project.root / name).chmod(0o600)
    code, found, settings = examined(project)
    assert {health for health, _ in found.values()} == {"ok"}, found
    assert code == 0
    assert found["hosts"][1] == "1 of 1 answer"
    assert found["clocks"][1].startswith("within 5 s of ours")
    assert found["vault"][1] == "2 files with vaulted values, all of them open"
    assert settings["playbooks"] == ("project/playbooks", "bsm-remediate.toml")
    assert settings["state_dir"][1] == "BSM_STATE_DIR"
    assert settings["port"] == ("8470", "default")
    assert settings["tokens.wall"] == ("(set) role viewer", "bsm-remediate.toml")
    assert settings["ansible.vault_ids"] == ("other@other.password", "bsm-remediate.toml")


def test_the_doctor_names_what_is_wrong_and_what_to_do(project: Project) -> None:
    project.use_policies(project.root / "out")
    (project.root / "other.password").write_text("not-the-password")
    (project.root / "one.yml").write_text(
        "app: {hosts: {app-1: {ansible_host: 127.0.0.1, ansible_port: 9, of_host: x}},"
        " vars: {ansible_python_interpreter: /usr/bin/python3}}\n"
    )
    project.use_settings(SETTINGS + '[sources.alertmanager]\nurl = "http://127.0.0.1:9"\n')
    code, found, _ = examined(project)
    assert code == 1
    assert found["vault"] == ("failed", "2 vaulted values are opened by none of the vault ids")
    assert found["host app-1"][0] == "failed"
    assert "unreachable" in found["host app-1"][1]
    assert found["hosts"][1] == "0 of 1 answer"
    assert found["source alertmanager"] == ("failed", "http://127.0.0.1:9 does not answer: no connection")
    assert found["secrets"][0] == "warning"
    code, found, _ = examined(project, "--no-hosts")
    assert (code, "hosts" in found) == (1, False)
