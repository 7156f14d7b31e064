"""The Ansible inventory: what `ansible-inventory --list` says, cached by content.

It prints vaulted variables decrypted, so only names, groups and `ansible_host` are kept, and
nothing else is stored or told.
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from importlib.metadata import version
from pathlib import Path
from typing import Any

from bsm_remediate.adapters.ansible.events import one_line
from bsm_remediate.adapters.ansible.project import AnsibleProject
from bsm_remediate.adapters.ansible.redact import Redactor
from bsm_remediate.domain.inventory import Inventory
from bsm_remediate.errors import InventoryUnreadable

DYNAMIC_FOR = timedelta(seconds=60)
"""How long the answer of a program or inventory plugin is taken for true."""
_TIMEOUT_S = 60.0
_KEPT = 8
_BESIDE = ("group_vars", "host_vars")


def read_inventory(
    paths: Sequence[Path], *, cache: Path, now: datetime, project: AnsibleProject | None = None
) -> Inventory:
    """Hosts and groups of `paths`, read with `project`'s configuration, vault ids and environment.

    `cache` is a folder of ours; an answer is read again when a source changes, and one of a program or plugin after
    `DYNAMIC_FOR`. Raises `InventoryUnreadable`.
    """
    project = project or AnsibleProject()
    for path in paths:
        if not path.exists():
            raise InventoryUnreadable(f"there is no inventory {path}", hint="name it with --inventory")
    sources = sorted(inventory_files(paths))
    kept = cache / f"inventory-{_digest(sources, project)}.json"
    known = _remembered(kept, now, is_dynamic=any(map(_is_dynamic, sources)))
    if known is not None:
        return known
    inventory = _parsed(_listed(paths, project))
    _remember(kept, inventory, now)
    return inventory


# --- asking Ansible ------------------------------------------------------------------------------------------------


def _listed(paths: Sequence[Path], project: AnsibleProject) -> Mapping[str, Any]:
    inventories = [part for path in paths for part in ("-i", str(path.absolute()))]
    command = [project.program("ansible-inventory"), *project.options(), *inventories, "--list"]
    redact = Redactor(project.secrets())
    try:
        done = subprocess.run(
            command,
            cwd=project.folder,
            env={**project.environ(), "ANSIBLE_INVENTORY_ANY_UNPARSED_IS_FAILED": "True"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_TIMEOUT_S,
            check=False,
        )
        if done.returncode != 0:
            said = one_line(redact(done.stderr.decode(errors="replace")))
            raise InventoryUnreadable(f"ansible-inventory ended with exit code {done.returncode}: {said}")
        listed = json.loads(done.stdout)
    except OSError as error:
        raise InventoryUnreadable(f"{command[0]} can't be started: {error.strerror}") from error
    except subprocess.TimeoutExpired as error:
        raise InventoryUnreadable(f"ansible-inventory took longer than {_TIMEOUT_S:.0f} s") from error
    except ValueError as error:
        raise InventoryUnreadable("ansible-inventory printed no JSON") from error
    if not isinstance(listed, dict):
        raise InventoryUnreadable("ansible-inventory printed no mapping of groups")
    return listed


def _parsed(listed: Mapping[str, Any]) -> Inventory:
    variables: Mapping[str, Any] = listed.get("_meta", {}).get("hostvars", {})
    groups = {name: group for name, group in listed.items() if name != "_meta"}
    members = {name: tuple(dict.fromkeys(_members(name, groups, frozenset()))) for name in groups}
    hosts = dict.fromkeys(host for of_group in members.values() for host in of_group)
    members["all"] = tuple(hosts)
    return Inventory(addresses={host: _address(host, variables.get(host, {})) for host in hosts}, groups=members)


def _members(name: str, groups: Mapping[str, Any], above: frozenset[str]) -> Iterator[str]:
    group = groups.get(name, {})
    yield from group.get("hosts", ())
    for child in group.get("children", ()):
        if child not in above:
            yield from _members(child, groups, above | {name})


def _address(host: str, variables: Mapping[str, Any]) -> str:
    address = variables.get("ansible_host")
    # A template would have to be rendered by Ansible on the host's behalf, a vaulted one must not be kept.
    return address if isinstance(address, str) and address and "{{" not in address else host


# --- remembering ---------------------------------------------------------------------------------------------------


def inventory_files(paths: Sequence[Path]) -> Iterator[Path]:
    """All files that the answer depends on: the inventories, and the variables beside them."""
    for path in paths:
        folder = path if path.is_dir() else path.parent
        beside = [folder / name for name in _BESIDE]
        for root in (path, *beside):
            yield from _files(root)


def _files(root: Path) -> Iterator[Path]:
    if root.is_file():
        yield root.absolute()
    for folder, _, names in os.walk(root):
        yield from (Path(folder, name).absolute() for name in names)


def _digest(sources: Sequence[Path], project: AnsibleProject) -> str:
    together = hashlib.sha256(version("ansible-core").encode())
    asked = [str(project.project), str(project.binaries), *project.options()]
    together.update(json.dumps(asked).encode())
    for path in (*sources, project.config):
        try:
            text = path.read_bytes()
        except OSError as error:
            raise InventoryUnreadable(f"{path} can't be read: {error.strerror}") from error
        together.update(f"\0{path}\0{len(text)}\0".encode(errors="surrogateescape") + text)
    return together.hexdigest()[:32]


def _is_dynamic(path: Path) -> bool:
    """Whether the content alone doesn't say what the hosts are: a program, or the configuration of a plugin."""
    if os.access(path, os.X_OK):
        return True
    with path.open("rb") as stream:
        return any(line.startswith(b"plugin:") for line in stream)


def _remembered(kept: Path, now: datetime, *, is_dynamic: bool) -> Inventory | None:
    try:
        document = json.loads(kept.read_text(encoding="utf-8"))
        age = now - datetime.fromisoformat(document["read_at"])
        groups = {name: tuple(hosts) for name, hosts in document["groups"].items()}
        known = Inventory(addresses=document["addresses"], groups=groups)
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None
    return known if not is_dynamic or timedelta(0) <= age < DYNAMIC_FOR else None


def _remember(kept: Path, inventory: Inventory, now: datetime) -> None:
    document = {"read_at": now.isoformat(), "addresses": inventory.addresses, "groups": inventory.groups}
    try:
        kept.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        fresh = kept.with_suffix(f".{os.getpid()}.{id(inventory)}.tmp")
        fresh.write_text(json.dumps(document), encoding="utf-8")
        fresh.chmod(0o600)
        fresh.replace(kept)
        for old in sorted(kept.parent.glob("inventory-*.json"), key=lambda path: path.stat().st_mtime)[:-_KEPT]:
            old.unlink(missing_ok=True)
    except OSError:
        return  # only a cache: without it the next reading takes a second longer
