"""Inventories through real ansible-inventory, and how long an answer is kept."""

from __future__ import annotations

import subprocess
import sys
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from bsm_remediate.adapters.ansible.inventory import DYNAMIC_FOR, read_inventory
from bsm_remediate.adapters.ansible.project import AnsibleProject
from bsm_remediate.domain.inventory import Inventory
from bsm_remediate.errors import InventoryUnreadable
from bsm_remediate.testing.local_ansible import NEW_YEAR

STATIC = """
all:
  children:
    web: {hosts: {"web-[1:3]": {}}}
    data: {hosts: {db-1: {ansible_host: 10.0.0.7}, db-2: {ansible_host: "{{ inventory_hostname }}.example"}}}
    shop: {children: {web: {}, data: {}}}
"""


def _read(path: Path, *, now: datetime = NEW_YEAR, project: AnsibleProject | None = None) -> Inventory:
    return read_inventory([path], cache=path.parent / "cache", now=now, project=project)


def test_groups_ranges_and_addresses_are_read_and_kept_until_a_source_changes(tmp_path: Path) -> None:
    path = tmp_path / "hosts.yml"
    path.write_text(STATIC)
    inventory = _read(path)
    assert inventory.addresses == {
        "web-1": "web-1", "web-2": "web-2", "web-3": "web-3", "db-1": "10.0.0.7", "db-2": "db-2"
    }  # fmt: skip
    assert inventory.groups["shop"] == ("web-1", "web-2", "web-3", "db-1", "db-2")
    assert set(inventory.groups["all"]) == set(inventory.addresses)
    (tmp_path / "bin").mkdir()
    elsewhere = AnsibleProject(binaries=tmp_path / "bin")
    with pytest.raises(InventoryUnreadable, match="can't be started"):
        _read(path, project=elsewhere)
    assert _read(path, now=NEW_YEAR + timedelta(days=365)) == inventory
    (tmp_path / "group_vars").mkdir()
    (tmp_path / "group_vars" / "data.yml").write_text("ansible_host: 10.9.9.9\n")
    assert _read(path).addresses["db-1"] == "10.0.0.7"  # a host's own beats its group's
    (tmp_path / "group_vars" / "web.yml").write_text("ansible_host: 10.1.1.1\n")
    assert _read(path).addresses["web-2"] == "10.1.1.1"


def test_a_program_is_asked_again_after_a_minute(tmp_path: Path) -> None:
    path = tmp_path / "dynamic"
    path.write_text(
        f"#!{sys.executable}\nimport json, pathlib\n"
        f"hosts = pathlib.Path({str(tmp_path / 'now')!r}).read_text().split()\n"
        "print(json.dumps({'web': {'hosts': hosts}, '_meta': {'hostvars': {}}}))\n"
    )
    path.chmod(0o755)
    (tmp_path / "now").write_text("web-1")
    assert set(_read(path).addresses) == {"web-1"}
    (tmp_path / "now").write_text("web-1 web-2")
    assert set(_read(path, now=NEW_YEAR + DYNAMIC_FOR / 2).addresses) == {"web-1"}
    assert set(_read(path, now=NEW_YEAR + DYNAMIC_FOR).addresses) == {"web-1", "web-2"}


def test_vaulted_variables_leave_no_trace(tmp_path: Path) -> None:
    (tmp_path / "password").write_text("let me in")
    tool = str(Path(sys.executable).parent / "ansible-vault")
    encrypt = [tool, "encrypt_string", "--vault-id", f"dev@{tmp_path}/password", "canary-secret", "--name", "secret"]
    made = subprocess.run(encrypt, capture_output=True, text=True, check=True)
    path = tmp_path / "hosts.yml"
    path.write_text("all: {hosts: {h1: {ansible_host: 10.0.0.1}}}\n")
    (tmp_path / "group_vars").mkdir()
    (tmp_path / "group_vars" / "all.yml").write_text(made.stdout)
    project = AnsibleProject(vault_ids=(f"dev@{tmp_path}/password",))
    assert _read(path, project=project).addresses == {"h1": "10.0.0.1"}
    kept = list((tmp_path / "cache").iterdir())
    assert len(kept) == 1
    assert "canary" not in kept[0].read_text()
    assert kept[0].stat().st_mode & 0o077 == 0


@pytest.mark.parametrize("text", ["all: [", "all: {hosts: [a]}", "{}["])
def test_an_inventory_that_ansible_cannot_read_is_an_error_with_its_words(tmp_path: Path, text: str) -> None:
    path = tmp_path / "hosts.yml"
    path.write_text(text)
    with pytest.raises(InventoryUnreadable, match=r"ansible-inventory ended with exit code \d+: .*hosts.yml"):
        _read(path)


def test_a_missing_inventory_is_named(tmp_path: Path) -> None:
    with pytest.raises(InventoryUnreadable, match=r"there is no inventory .*none.yml"):
        _read(tmp_path / "none.yml")


def test_a_damaged_cache_is_read_anew(tmp_path: Path) -> None:
    path = tmp_path / "hosts.yml"
    path.write_text("all: {hosts: {h1: {}}}\n")
    expected = _read(path)
    for kept in (tmp_path / "cache").iterdir():
        kept.write_text('{"read_at": 5}')
    assert _read(path) == expected


def test_the_engines_secrets_do_not_reach_an_inventory_program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BSM_TOKEN", "canary")
    path = tmp_path / "dynamic"
    path.write_text(
        f"#!{sys.executable}\nimport json, os\nhosts = ['seen' if 'BSM_TOKEN' in os.environ else 'unseen']\n"
        "print(json.dumps({'web': {'hosts': hosts}, '_meta': {'hostvars': {}}}))\n"
    )
    path.chmod(0o755)
    assert set(_read(path).addresses) == {"unseen"}
