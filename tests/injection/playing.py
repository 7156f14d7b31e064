"""A playbook that uses alert text in every way of `uses.yml`, and the versions of ansible-core that play it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import yaml

from tests.injection.hostile import Canary

ROOT = Path(__file__).parents[2]
FILTERS = ROOT / "bsm_remediate" / "adapters" / "ansible" / "filter_plugins"
CORES = {"2.19": Path(sys.executable).parent, "2.16": Path(sys.prefix) / "ansible-core-2.16" / "bin"}
_VARIABLES = {
    "every": "{{ (bsm.alerts | map(attribute='labels') | flatten + bsm.alerts | map(attribute='annotations') | flatten"
    " + bsm.component.labels) | map('dict2items') | flatten | map(attribute='value') | list"
    " | unique(case_sensitive=true) }}",
    "some": "{{ bsm.component.labels | map(attribute='value') | list }}",
    "one": "{{ bsm.component.labels | map(attribute='value') | first }}",
}
INVENTORY = """
all:
  hosts: {h1: , h2: }
  vars: {ansible_connection: local, ansible_python_interpreter: "{{ ansible_playbook_python }}"}
  children: {shop: {hosts: {h1: }}}
"""


def programs(core: str) -> Path:
    """The folder of `ansible-playbook` of that version. Fails where it isn't installed: this is never passed over."""
    folder = CORES[core]
    program = folder / "ansible-playbook"
    assert program.exists(), f"there is no ansible-core {core} in {folder}: run `sh scripts/second-ansible-core`"
    said = subprocess.run([program, "--version"], capture_output=True, text=True, check=True).stdout
    assert f"[core {core}." in said, said
    return folder


def ways() -> list[str]:
    """The ways of `uses.yml`, in their order."""
    return [task["name"] for task in _uses()]


def write_playbook(folder: Path, canary: Canary) -> None:
    """`folder/uses.yml`, which looks at the canary after each way and leaves the list of what it saw."""
    tasks: list[dict[str, Any]] = []
    look = f"{{{{ trail | default([]) + [lookup('ansible.builtin.pipe', 'wc -l < {canary.file}') | int] }}}}"
    for task in _uses():
        tasks += [task, {"name": "Look at the canary", "ansible.builtin.set_fact": {"trail": look}}]
    left = {"content": "{{ trail | to_json }}", "dest": "{{ folder }}/trail.json", "mode": "0600"}
    tasks.append({"name": "Leave the trail", "ansible.builtin.copy": left})
    play = {
        "name": "Uses of {{ one }}",
        "hosts": "all",
        "gather_facts": False,
        "vars": _VARIABLES,
        "ignore_errors": "{{ carry_on | default(false) }}",
        "tasks": tasks,
        "handlers": [{"name": "Say it later", "ansible.builtin.debug": {"msg": "{{ one }} {{ every }}"}}],
    }
    said = [{"name": "Said", "ansible.builtin.debug": {"msg": "{{ handed_on }}"}, "when": "one in every"}]
    (folder / "templates").mkdir(parents=True)
    (folder / "roles" / "said" / "tasks").mkdir(parents=True)
    (folder / "uses.yml").write_text(json.dumps([play]))
    (folder / "included.yml").write_text(json.dumps(said))
    (folder / "roles" / "said" / "tasks" / "main.yml").write_text(json.dumps(said))
    (folder / "templates" / "text.j2").write_text(
        "{{ one }} {{ every }}\n{% for text in every %}{{ text }}\n{% endfor %}"
        "{{ bsm.alert | bsm_label('alertname') }}\n"
    )


def trail(folder: Path) -> dict[str, int]:
    """By way: how many commands had been executed when it was over."""
    seen: list[int] = json.loads((folder / "trail.json").read_text())
    return dict(zip(ways(), seen, strict=True))


def play_by_hand(core: str, playbook: Path, variables: Path) -> subprocess.CompletedProcess[str]:
    """`ansible-playbook -e @VARIABLES`, without anything of ours but the filter."""
    inventory = playbook.parent / "hosts.yml"
    inventory.write_text(INVENTORY)
    return subprocess.run(
        [programs(core) / "ansible-playbook", "-i", inventory, "--limit", "h1", "-e", f"@{variables}", playbook],
        env={**os.environ, "ANSIBLE_FILTER_PLUGINS": str(FILTERS), "LC_ALL": "C.UTF-8", "ANSIBLE_NOCOLOR": "1"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def python_beside(core: str, folder: Path) -> Path:
    """A python with our packages, beside which lie the programs of that core: Ansible is taken from beside python."""
    own = programs(core)
    if own == Path(sys.executable).parent:
        return Path(sys.executable)
    (folder / "bin").mkdir(parents=True)
    shutil.copy(Path(sys.prefix) / "pyvenv.cfg", folder)
    (folder / "lib").symlink_to(Path(sys.prefix) / "lib")
    (folder / "bin" / "python").symlink_to(Path(sys.executable).resolve())
    for name in ("ansible-playbook", "ansible-inventory"):
        (folder / "bin" / name).symlink_to(own / name)
    return folder / "bin" / "python"


def _uses() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = yaml.safe_load((Path(__file__).parent / "uses.yml").read_text())
    return found
