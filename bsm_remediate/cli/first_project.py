"""`init --from-inventory`: the files for a team that has an Ansible project of its own."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from bsm_remediate.config.schema import json_schema
from bsm_remediate.errors import WrongUsage

if TYPE_CHECKING:
    from bsm_remediate.app import Installation

_SETTINGS = "bsm-remediate.toml"
_LEVELS = 4
"""How far above an inventory the `ansible.cfg` of its project is looked for."""


def first_files(installation: Installation, folder: Path, inventory: Path, rules: tuple[str, ...]) -> Mapping[str, str]:
    """Name → text. Settings that are there already are left alone: they are the team's own.

    Raises `InventoryUnreadable`, `WrongUsage`, `SourceUnreachable`.
    """
    from bsm_remediate.config.first_bundle import first_bundle

    settings = installation.settings
    project = settings.ansible.project or _project_of(inventory)
    ansible = settings.ansible.model_copy(update={"project": project})
    reading = replace(installation, settings=replace(settings, inventory=(inventory,), ansible=ansible))
    known = [rule for one in rules for rule in installation.senders.read_rules(one)]
    if rules and not known:
        raise WrongUsage(f"there are no alert rules in {', '.join(rules)}", hint="leave --rules away to write none")
    bundle = first_bundle(reading.read_inventory(), known)
    files = {f"policies/{name}": text for name, text in bundle.items()}
    files["policies/bundle.schema.json"] = json.dumps(json_schema(), indent=2, ensure_ascii=False) + "\n"
    if not (folder / _SETTINGS).exists():
        files[_SETTINGS] = _settings(folder.absolute(), inventory.absolute(), project)
    return files


def _project_of(inventory: Path) -> Path | None:
    """The nearest folder above it with an `ansible.cfg`."""
    above = inventory.absolute().parents[:_LEVELS]
    own = [inventory.absolute()] if inventory.is_dir() else []
    return next((folder for folder in (*own, *above) if (folder / "ansible.cfg").is_file()), None)


def _settings(folder: Path, inventory: Path, project: Path | None) -> str:
    lines = [
        "# Deployment settings; paths are relative to the folder that commands are called in.",
        f"inventory = {_text(_from(folder, inventory))}",
    ]
    playbooks = (project or folder) / "playbooks"
    # Not the project's own folder: what lies there is often no playbook, and `check` would complain of it.
    lines.append(f"{'' if playbooks.is_dir() else '# FILL IN: '}playbooks = {_text(_from(folder, playbooks))}")
    if project is not None:
        lines += ["", "[ansible]", f"project = {_text(_from(folder, project))}"]
        lines.append('# vault_ids = ["prod@/etc/bsm-remediate/vault-password"]')
    lines += ["", "# What webhooks lose is read from Alertmanager's own list:", "# [sources.alertmanager]"]
    lines.append('# url = "http://localhost:9093"')
    return "\n".join(lines) + "\n"


def _from(folder: Path, path: Path) -> str:
    return str(path.relative_to(folder)) if path.is_relative_to(folder) else str(path)


def _text(text: str) -> str:
    """As a TOML string."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007F")
