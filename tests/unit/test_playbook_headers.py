"""What the shipped playbooks say about themselves is true: variables, examples, and what they all have in common."""

from __future__ import annotations

import ast
import re
import runpy
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from bsm_remediate.config.loader import load_bundle

ROOT = Path(__file__).parents[2]
PLAYBOOKS = sorted((ROOT / "playbooks").glob("*.yml"))
PROGRAMS = sorted((ROOT / "playbooks").rglob("*.py"))
SCRIPT = ROOT / "scripts" / "playbook_pages.py"
HEADERS = {header.name: header for header in runpy.run_path(str(SCRIPT))["headers"]()}
# What the examples are about.
SHOP = """
currency: EUR
services:
  shop: {loss_per_minute: 100, requires: [lb, {any: [web-1, web-2]}, database, cache]}
components:
  lb: {host: lb-1}
  web-1: {host: web-1, labels: {unit: shop, port: "8080"}}
  web-2: {host: web-2, labels: {unit: shop, port: "8080"}}
  database: {host: db-1}
  standby: {host: db-2}
  cache: {host: app-1}
"""
_USED = re.compile(r"\b([a-z]+(?:_[a-z]+)+) (?:is (?:not )?(?:defined|sequence)|\| default)")
_OURS_OR_ANSIBLES = re.compile(r"ansible_|bsm_fence_|inventory_")

shipped = pytest.mark.parametrize("path", PLAYBOOKS, ids=lambda path: path.name)


def test_the_reference_of_the_playbooks_is_current() -> None:
    done = subprocess.run([sys.executable, str(SCRIPT), "--check"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


@shipped
def test_the_header_names_the_variables_that_the_playbook_reads_and_no_other(path: Path) -> None:
    body = path.read_text().partition("\n- name:")[2]
    named = {name for names in HEADERS[path.name].variables() for name in names.split(", ")}
    own = set(re.findall(r"^ +(\w+):", body, re.MULTILINE)) | set(re.findall(r"register: (\w+)", body))
    read = {name for name in _USED.findall(body) if not _OURS_OR_ANSIBLES.match(name)} - own
    assert read <= named
    assert {name for name in named if not re.search(rf"\b{name}\b", body)} == set()


@shipped
def test_the_example_is_a_sound_policy_that_sets_known_variables(path: Path, tmp_path: Path) -> None:
    header = HEADERS[path.name]
    (tmp_path / "shop.yml").write_text(SHOP)
    (tmp_path / "example.yml").write_text(header.example())
    loaded = load_bundle(tmp_path, inventory=None, playbooks=ROOT / "playbooks", scrutinise=True)
    assert [str(finding) for finding in loaded.findings] == []
    assert loaded.bundle is not None
    calls = [call for policy in loaded.bundle.policies.values() for call in policy.do]
    assert path.name in {call.playbook for call in calls}
    for call in calls:
        known = {name for names in HEADERS[call.playbook].variables() for name in names.split(", ")}
        assert set(call.vars) <= known


@shipped
def test_input_is_judged_and_earlier_runs_are_fenced_off_before_anything_else(path: Path) -> None:
    [play] = yaml.safe_load(path.read_text())
    assert play["environment"] == "{{ bsm_fence_environment }}"
    first, second, *_ = play["tasks"]
    assert "ansible.builtin.assert" in first
    assert second["ansible.builtin.import_role"] == {"name": "bsm_fence"}


@shipped
def test_only_modules_of_ansible_core_are_used_and_no_shell(path: Path) -> None:
    [play] = yaml.safe_load(path.read_text())
    modules = {key for task in _tasks(play["tasks"]) for key in task if "." in key}
    assert modules
    assert all(module.startswith("ansible.builtin.") for module in modules)
    assert not modules & {"ansible.builtin.shell", "ansible.builtin.raw", "ansible.builtin.script"}


@shipped
def test_the_page_has_a_row_for_it(path: Path) -> None:
    page = (ROOT / "docs" / "playbooks.md").read_text()
    [row] = re.findall(rf"^\| \[`{re.escape(path.name)}`\]\((\S+)\) \|", page, re.MULTILINE)
    assert row == f"reference/playbooks.md#{path.stem}yml"


@pytest.mark.parametrize("path", PROGRAMS, ids=lambda path: path.name)
def test_programs_for_hosts_are_understood_by_the_python_they_name(path: Path) -> None:
    text = path.read_text()
    named = re.search(r"Runs on Python 3\.(\d+) and newer", text)
    assert named is not None
    ast.parse(text, feature_version=(3, int(named[1])))


def _tasks(tasks: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    for task in tasks:
        for part in ("block", "rescue", "always"):
            yield from _tasks(task.get(part, []))
        yield task
