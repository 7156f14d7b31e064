"""How Ansible is called: the team's project as it is, with an environment of its own (DESIGN 4 and 9)."""

from __future__ import annotations

import configparser
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from bsm_remediate.domain.service_map import Component

OURS = Path(__file__).parent
_OWN_CONFIG = OURS / "ansible.cfg"
_FILTERS = OURS / "filter_plugins"
_INHERITED = ("HOME", "PATH")


def _beside_this_python() -> Path:
    return Path(sys.executable).parent


@dataclass(frozen=True, kw_only=True)
class AnsibleProject:
    """Where Ansible is, and what it is given; runs, inventory and checks share it.

    The keys of the project's own `ansible.cfg` hold, save `stdout_callback` (events are read from it),
    `retry_files_enabled`, `local_tmp` and `nocolor`; to `filter_plugins` and `callback_plugins` ours are added.
    """

    inventory: tuple[Path, ...] = ()
    project: Path | None = None
    """Folder with the team's `ansible.cfg`, roles and collections; commands run in it."""
    vault_ids: tuple[str, ...] = ()
    """As after `--vault-id`: `label@source`."""
    private_key: Path | None = None
    environment: tuple[str, ...] = ()
    """Names of further environment variables that Ansible may see; their values are redacted from events."""
    binaries: Path = field(default_factory=_beside_this_python)
    """Folder with `ansible-playbook` and `ansible-inventory`."""

    def program(self, name: str) -> str:
        return str(self.binaries / name)

    @property
    def config(self) -> Path:
        """The `ansible.cfg` in force: the project's, where it has one."""
        own = self.project / "ansible.cfg" if self.project is not None else None
        return own.absolute() if own is not None and own.is_file() else _OWN_CONFIG

    @property
    def folder(self) -> Path:
        """Where commands run: the project's folder, else where the engine was started."""
        return (self.project or Path()).absolute()

    def options(self) -> list[str]:
        """What every Ansible program gets on its command line, besides the inventories."""
        return [part for vault_id in self.vault_ids for part in ("--vault-id", _from_here(vault_id))]

    def connection_options(self) -> list[str]:
        """What programs get that log in on hosts."""
        return ["--private-key", str(self.private_key.absolute())] if self.private_key is not None else []

    def environ(self, engine: Mapping[str, str] = os.environ) -> dict[str, str]:
        """The environment of a child: an allow-list of the engine's, and ours."""
        passed = {name: engine[name] for name in (*_INHERITED, *self.environment) if name in engine}
        return {
            "PATH": os.defpath,
            **passed,
            "LC_ALL": "C.UTF-8",
            "ANSIBLE_CONFIG": str(self.config),
            "ANSIBLE_FILTER_PLUGINS": self._with_own_path("filter_plugins", _FILTERS, "~/.ansible/plugins/filter"),
            "ANSIBLE_NOCOLOR": "1",
        }

    def callback_plugins(self, folder: Path) -> str:
        """The search path of callback plugins with `folder` in front."""
        return self._with_own_path("callback_plugins", folder, "~/.ansible/plugins/callback")

    def secrets(self, engine: Mapping[str, str] = os.environ) -> tuple[str, ...]:
        """Values that must not be shown: those of the environment variables that were let through by name."""
        return tuple(engine[name] for name in self.environment if engine.get(name))

    def _with_own_path(self, key: str, ours: Path, default: str) -> str:
        # The environment overrides ansible.cfg, so what that says has to be said again beside ours.
        config = configparser.RawConfigParser(strict=False)
        try:
            config.read(self.config)
            said = config.get("defaults", key, fallback=default)
        except configparser.Error:
            said = default  # Ansible itself will say what is wrong with the file
        folders = [part.strip() for part in said.replace("{{CWD}}", str(self.folder)).split(":") if part.strip()]
        return ":".join([str(ours), *(str(self.config.parent / Path(one).expanduser()) for one in folders)])


def _from_here(vault_id: str) -> str:
    """With a source that is a file, seen from where the engine was started, as an absolute path; others as they are."""
    label, at, source = vault_id.rpartition("@")
    path = Path(source).expanduser()
    return f"{label}{at}{path.absolute()}" if path.is_file() else vault_id


@dataclass(frozen=True, kw_only=True)
class AnsibleProjects:
    """The deployment's project, and those of the teams that have one of their own."""

    usual: AnsibleProject
    of_teams: Mapping[str, AnsibleProject] = field(default_factory=dict)

    def of(self, component: Component) -> AnsibleProject:
        """That of the component's owner, where that team has one."""
        return self.of_teams.get(component.owner or "", self.usual)

    def all(self) -> tuple[AnsibleProject, ...]:
        return (self.usual, *self.of_teams.values())
