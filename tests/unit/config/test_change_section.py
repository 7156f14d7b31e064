"""`changes:` of a bundle: what is read, and what `check` finds wrong."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from bsm_remediate.config.loader import Loaded, load_bundle
from bsm_remediate.domain.inventory import Inventory

BUNDLE = """
services:
  checkout: {{tier: high, requires: [db-1, web]}}
components:
  db-1: {{host: db-1}}
  web: {{hosts: [w-1, w-2]}}
teams:
  dbas: {{members: [ana], duties: [owner, approver]}}
  readers: {{members: [rolf], duties: [owner]}}
  nobody: {{duties: [approver]}}
calendars:
  nights: {{hours: "20:00-06:00", timezone: UTC}}
changes:
  upgrade: {change}
{more}"""
HOSTS = Inventory(addresses={name: name for name in ("db-1", "w-1", "w-2", "lb-1")}, groups={})
USUAL = "{owner: dbas, components: [db-1], playbook: up.yml, verify: [{tcp: 'x:1'}]}"


def loaded(folder: Path, change: str = USUAL, more: str = "") -> Loaded:
    (folder / "policies").mkdir(exist_ok=True)
    (folder / "playbooks").mkdir(exist_ok=True)
    (folder / "playbooks" / "up.yml").write_text("- hosts: all\n")
    (folder / "policies" / "shop.yml").write_text(BUNDLE.format(change=change, more=more))
    return load_bundle(folder / "policies", inventory=lambda: HOSTS, playbooks=folder / "playbooks", scrutinise=True)


def codes(found: Loaded) -> set[str]:
    return {one.code for one in found.findings}


def test_a_change_says_little_and_the_rest_is_usual(tmp_path: Path) -> None:
    found = loaded(tmp_path)
    assert found.bundle is not None, found.findings
    change = found.bundle.changes["upgrade"]
    assert (change.on, change.do.hosts, change.do.duration) == ("db-1", ("db-1",), timedelta(minutes=1))
    assert (change.do.success, change.do.rollback, change.times.within) == (0.9, None, timedelta(days=14))
    assert "up.yml" in found.bundle.playbooks()


def test_a_set_stands_for_its_members_and_their_hosts(tmp_path: Path) -> None:
    written = USUAL.replace("[db-1]", "[web, db-1], rollback: {playbook: up.yml, duration: 5m}, hosts: [lb-1]")
    found = loaded(tmp_path, written)
    assert found.bundle is not None, found.findings
    change = found.bundle.changes["upgrade"]
    assert change.components == ("web@w-1", "web@w-2", "db-1")
    assert change.do.hosts == ("w-1", "w-2", "db-1", "lb-1")
    assert change.needs == timedelta(minutes=6)


@pytest.mark.parametrize(
    ("old", "new", "code"),
    [
        ("[db-1]", "[db-9]", "unknown-component"),
        ("[db-1]", "[db-1], on: web", "unknown-component"),
        ("up.yml", "down.yml", "missing-playbook"),
        ("owner: dbas", "owner: dbs", "unknown-team"),
        ("owner: dbas", "owner: dbas, approvers: [readers]", "no-duty"),
        ("owner: dbas", "owner: readers", "no-approver"),
        ("owner: dbas", "approvers: [nobody]", "no-approver"),
        ("owner: dbas, ", "", "no-approver"),
        ("tcp: 'x:1'", "alert: off", "bad-check"),
        ("[{tcp: 'x:1'}]", "[]", "bad-value"),
        ("owner: dbas", "owner: dbas, window: {calendars: [night]}", "unknown-calendar"),
        ("owner: dbas", "owner: dbas, expect: {duration: 2d}, window: {within: 1d}", "no-window"),
        ("owner: dbas", "owner: dbas, max_unavailable: some", "bad-value"),
        ("owner: dbas", "owner: dbas, four_eyes_above: -1", "bad-value"),
        ("owner: dbas", "owner: dbas, vars: {ansible_user: root}", "reserved-variable"),
        ("owner: dbas", "owner: dbas, hosts: ['all:!w-1']", "bad-value"),
        ("owner: dbas", "owner: dbas, playbok: x", "unknown-key"),
    ],
)
def test_what_is_wrong_with_a_change_is_found(tmp_path: Path, old: str, new: str, code: str) -> None:
    found = loaded(tmp_path, USUAL.replace(old, new))
    assert found.bundle is None
    assert codes(found) == {code}


def test_its_digest_follows_what_is_written_and_its_playbooks_and_nothing_else(tmp_path: Path) -> None:
    def digest(change: str = USUAL, more: str = "") -> str:
        found = loaded(tmp_path, change, more)
        assert found.bundle is not None, found.findings
        return found.bundle.changes["upgrade"].digest

    first = digest()
    assert digest(more="policies: {p: {match: {a: b}}}\n") == first
    assert digest(USUAL.replace("owner: dbas", "owner: dbas, four_eyes_above: 5")) != first
    before = loaded(tmp_path).bundle
    playbook = tmp_path / "playbooks" / "up.yml"
    playbook.write_text("- hosts: all\n  tasks: []\n")
    after = load_bundle(
        tmp_path / "policies", inventory=lambda: HOSTS, playbooks=tmp_path / "playbooks", scrutinise=True
    ).bundle
    assert before is not None
    assert after is not None
    assert after.changes["upgrade"].digest != before.changes["upgrade"].digest
    assert after.digest != before.digest


def test_a_team_that_names_other_duties_approves_no_runs_either(tmp_path: Path) -> None:
    policy = "policies: {{p: {{match: {{a: b}}, do: [{{playbook: up.yml}}], guard: {{approvers: [{}]}}}}}}\n"
    assert codes(loaded(tmp_path, more=policy.format("readers"))) == {"no-duty"}
    assert codes(loaded(tmp_path, more=policy.format("dbas"))) == set()
