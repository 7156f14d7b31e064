"""`run` and `apply` in the foreground, with real playbooks."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from bsm_remediate.domain.plan_document import digest_of, time_text
from tests.integration.command_line import bsm

POLICIES = """
currency: EUR
services:
  checkout: {loss_per_minute: 300, requires: [db-1]}
  reports: {loss_per_minute: 5, requires: [batch-1]}
components:
  db-1: {}
  batch-1: {}
policies:
  restart:
    match: {alertname: Down}
    evidence: direct
    do:
      - {playbook: restart.yml, vars: {word: "{{ component.id }}"}, expect: {duration: 2s}}
    verify: [{command: "test -e MARK/{{ component.id }}", within: 10s}]
    mode: auto
settings: {executors: 1}
"""
PLAYBOOK = """
- name: Restart
  hosts: all
  gather_facts: false
  tasks:
    - name: Leave a mark
      ansible.builtin.copy: {content: "{{ bsm.alert.name }}", dest: "{{ mark }}/{{ word }}", mode: "0600"}
"""
INVENTORY = """
all:
  hosts: {db-1: , batch-1: }
  vars:
    ansible_connection: local
    ansible_python_interpreter: "{{ ansible_playbook_python }}"
    mark: MARK
"""
ALERTS = [
    {"labels": {"alertname": "Down", "instance": "batch-1", "severity": "critical"}},
    {"labels": {"alertname": "Down", "instance": "db-1", "severity": "critical"}},
]


@pytest.fixture
def site(tmp_path: Path) -> Path:
    mark = tmp_path / "marks"
    for name in ("policies", "playbooks", "inventories", "marks"):
        (tmp_path / name).mkdir()
    (tmp_path / "policies" / "shop.yml").write_text(POLICIES.replace("MARK", str(mark)))
    (tmp_path / "playbooks" / "restart.yml").write_text(PLAYBOOK)
    (tmp_path / "inventories" / "hosts.yml").write_text(INVENTORY.replace("MARK", str(mark)))
    (tmp_path / "alerts.json").write_text(json.dumps(ALERTS))
    return tmp_path


def changed(plan: Path, **members: object) -> None:
    """Change a saved plan as somebody who knows how to seal it again would."""
    document = {**json.loads(plan.read_text()), **members}
    plan.write_text(json.dumps({**document, "digest": digest_of(document)}))


def test_run_restores_in_business_order_and_remembers_it(site: Path) -> None:
    refused = bsm(site, "run", "--alerts", "alerts.json")
    assert (refused.returncode, "say --yes" in refused.stderr) == (2, True)
    ran = bsm(site, "run", "--alerts", "alerts.json", "--yes")
    assert ran.returncode == 0, ran.stderr
    started = [line.split()[1] for line in ran.stdout.splitlines() if "run.started" in line]
    assert started == ["db-1", "batch-1"]
    assert sorted(file.name for file in (site / "marks").iterdir()) == ["batch-1", "db-1"]
    again = bsm(site, "run", "--alerts", "alerts.json", "--yes")
    assert "cooling_down" in again.stderr
    assert json.loads(bsm(site, "alerts", "-o", "json").stdout)["items"] == []


def test_a_saved_plan_is_carried_out_once_more_decided(site: Path) -> None:
    assert bsm(site, "plan", "--alerts", "alerts.json", "--out", "p.json", "--exit-code").returncode == 10
    applied = bsm(site, "apply", "p.json")
    assert applied.returncode == 0, applied.stderr
    assert (site / "marks" / "db-1").read_text() == "Down"


def test_a_plan_that_no_longer_fits_is_refused(site: Path) -> None:
    plan = site / "p.json"
    bsm(site, "plan", "--alerts", "alerts.json", "--out", "p.json")
    saved = plan.read_text()

    plan.write_text(saved.replace("restart.yml", "other.yml"))
    assert bsm(site, "apply", "p.json").returncode == 5  # changed by hand

    plan.write_text(saved)
    changed(plan, at=time_text(datetime.now(UTC) - timedelta(minutes=20)))
    stale = bsm(site, "apply", "p.json")
    assert (stale.returncode, "20m" in stale.stderr) == (5, True)

    plan.write_text(saved)
    policies = site / "policies" / "shop.yml"
    policies.write_text(policies.read_text().replace("300", "301"))
    changed_bundle = bsm(site, "apply", "p.json")
    assert (changed_bundle.returncode, "bundle has changed" in changed_bundle.stderr) == (5, True)
    policies.write_text(policies.read_text().replace("301", "300"))
    (site / "playbooks" / "restart.yml").write_text(PLAYBOOK + "# another\n")
    assert bsm(site, "apply", "p.json").returncode == 5  # it would run something else now
    assert list((site / "marks").iterdir()) == []


def test_a_run_that_fails_is_told_by_the_exit_code(site: Path) -> None:
    (site / "playbooks" / "restart.yml").write_text(PLAYBOOK.replace("{{ mark }}", "/nowhere/at/all"))
    failed = bsm(site, "run", "--alerts", "alerts.json", "--yes")
    assert failed.returncode == 1
    assert "a person must take over" in failed.stdout


def test_a_rehearsal_shows_what_would_change_and_changes_nothing(site: Path) -> None:
    rehearsed = bsm(site, "run", "--alerts", "alerts.json", "--check")
    assert rehearsed.returncode == 0, rehearsed.stderr
    assert "db-1, step 1:" in rehearsed.stdout
    assert "restart.yml would change something in 1 task" in rehearsed.stdout
    assert "+Down" in rehearsed.stdout
    assert bsm(site, "plan", "--alerts", "alerts.json", "--out", "plan.json").returncode == 0
    applied = bsm(site, "apply", "plan.json", "--check")
    assert (applied.returncode, "batch-1, step 2:" in applied.stdout) == (0, True), applied.stderr
    assert list((site / "marks").iterdir()) == []
    assert json.loads(bsm(site, "runs", "-o", "json").stdout)["items"] == []


def test_a_rehearsal_that_fails_is_told_by_the_exit_code(site: Path) -> None:
    (site / "playbooks" / "restart.yml").write_text(PLAYBOOK.replace("ansible.builtin.copy", "ansible.builtin.file"))
    rehearsed = bsm(site, "run", "--alerts", "alerts.json", "--check")
    assert rehearsed.returncode == 1
    assert "restart.yml fails in check mode already: failed on db-1" in rehearsed.stdout
