"""What a project keeps vaulted: known, in memory only, so that it can be taken out of everything that is kept or shown.

Ansible decrypts for a run what its vault ids open, and a careless task or a failing one prints it.
"""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from bsm_remediate.adapters.ansible.inventory import inventory_files
from bsm_remediate.adapters.ansible.project import OURS, AnsibleProject

_log = logging.getLogger(__name__)

_MARK = b"$ANSIBLE_VAULT;"
_LARGEST = 1024 * 1024
_PRUNED = {"node_modules", "__pycache__", "venv"}
_TIMEOUT_S = 60.0

_Stamp = tuple[int, int]
"""Modification time in ns and size of a file."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Opened:
    """What the vault ids of a project open."""

    values: tuple[str, ...] = ()
    files: int = 0
    """Files with anything vaulted in them."""
    unread: int = 0
    """Vaulted values that no vault id opens."""
    trouble: str = ""
    """Why nothing could be opened."""


class VaultedValues:
    """The vaulted values of one project; read again when one of its files changes."""

    def __init__(self, project: AnsibleProject, playbooks: Path) -> None:
        self._project = project
        self._playbooks = playbooks
        self._guard = threading.Lock()
        self._seen: dict[Path, tuple[_Stamp, bool]] = {}
        self._read: dict[Path, _Stamp] = {}
        self._opened = Opened()

    def __call__(self) -> tuple[str, ...]:
        """All values that its vault ids open, now."""
        return self.opened().values

    def opened(self) -> Opened:
        """The same, with what could not be opened."""
        with self._guard:
            vaulted = dict(self._vaulted())
            if vaulted != self._read:
                self._opened = self._ask(list(vaulted))
                self._read = vaulted
            return self._opened

    def _vaulted(self) -> Iterator[tuple[Path, _Stamp]]:
        """The files with anything vaulted in them; each is looked into only once it has changed."""
        for path in self._files():
            try:
                status = path.stat()
                stamp = (status.st_mtime_ns, status.st_size)
                known = self._seen.get(path)
                if known is None or known[0] != stamp:
                    known = (stamp, status.st_size <= _LARGEST and _MARK in path.read_bytes())
                    self._seen[path] = known
            except OSError:
                continue  # gone meanwhile, or not for us to read: then not for Ansible either
            if known[1]:
                yield path, stamp

    def _files(self) -> Iterator[Path]:
        seen: set[Path] = set()
        roots = [self._playbooks] if self._project.project is None else [self._project.folder, self._playbooks]
        for path in (*inventory_files(self._project.inventory), *(one for root in roots for one in _below(root))):
            absolute = path.absolute()
            if absolute not in seen:
                seen.add(absolute)
                yield absolute

    def _ask(self, files: list[Path]) -> Opened:
        if not files:
            return Opened()
        python = self._project.binaries / "python"
        command = [str(python) if python.exists() else sys.executable, "-P", str(OURS / "vault_reader.py")]
        try:
            done = subprocess.run(
                [*command, *self._project.options()],
                cwd=self._project.folder,
                env=self._project.environ(),
                input=json.dumps([str(path) for path in files]).encode(),
                capture_output=True,
                timeout=_TIMEOUT_S,
                check=False,
            )
            found = json.loads(done.stdout)
        except (OSError, ValueError, subprocess.TimeoutExpired) as error:
            # Its output could hold what must not be logged.
            _log.warning("vault.unreadable files=%d: %s", len(files), type(error).__name__)
            return Opened(
                files=len(files), trouble="the vault ids can't be read: a file, a script or a password is missing"
            )
        if found["unread"]:
            _log.warning("vault.not_opened values=%d: no vault id opens them, so no run can use them", found["unread"])
        return Opened(values=tuple(found["values"]), files=len(files), unread=found["unread"])


def _below(root: Path) -> Iterator[Path]:
    for folder, folders, names in os.walk(root):
        folders[:] = [name for name in folders if not name.startswith(".") and name not in _PRUNED]
        yield from (Path(folder, name) for name in names)
