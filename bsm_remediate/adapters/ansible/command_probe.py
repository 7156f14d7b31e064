"""Looks by a command on the component's own host, through Ansible."""

from __future__ import annotations

import shlex
import shutil
import threading
import uuid
from pathlib import Path

from bsm_remediate.adapters.ansible.confidential import Secrets
from bsm_remediate.adapters.ansible.events import Account, one_line
from bsm_remediate.adapters.ansible.executor import assert_exact_hosts
from bsm_remediate.adapters.ansible.folder import RunFolder
from bsm_remediate.adapters.ansible.inert import written
from bsm_remediate.adapters.ansible.inventory import read_inventory
from bsm_remediate.adapters.ansible.launch import Launch
from bsm_remediate.adapters.ansible.outcome import classify
from bsm_remediate.adapters.ansible.project import OURS, AnsibleProject, AnsibleProjects
from bsm_remediate.adapters.ansible.redact import Redactor
from bsm_remediate.domain.ids import RunId
from bsm_remediate.domain.playbook import PlaybookOutcome
from bsm_remediate.domain.policy import Check
from bsm_remediate.domain.service_map import Component
from bsm_remediate.domain.verification import Observation
from bsm_remediate.errors import RemediationError
from bsm_remediate.ports import Clock

TIME_LIMIT_S = 15.0
_PLAYBOOK = OURS / "command.yml"


class AnsibleCommandProber:
    """Implements `ports.Prober` for `command` checks: the check holds when the command ends with 0.

    There is no shell: the line is split into words, so pipes and redirections are words too.
    """

    def __init__(self, *, projects: AnsibleProjects, playbooks: Path, state: Path, clock: Clock) -> None:
        self._projects = projects
        self._secrets = Secrets(projects, playbooks.resolve())
        self._state = state.absolute()
        self._clock = clock
        self._guard = threading.Lock()
        self._swept = False

    def look(self, check: Check, component: Component) -> Observation:
        """Whether the command succeeds on the component's host. About 1 s, at most `TIME_LIMIT_S`; never raises."""
        project = self._projects.of(component)
        redact = self._secrets.redactor(project)
        try:
            line = check.target(component) if check.target is not None else ""
            holds, detail = self._run(line, component.host, project, redact)
        except (OSError, ValueError, RemediationError) as error:
            holds, detail = False, str(error)
        return Observation(check=check, at=self._clock.now(), holds=holds, detail=one_line(redact(detail)))

    def _sweep(self) -> None:
        """Once per engine: remove what the checks of an engine that was killed have left."""
        with self._guard:
            left = [] if self._swept else list((self._state / "checks").glob("*"))
            self._swept = True
            for path in left:
                if not RunFolder(path).is_alive():
                    shutil.rmtree(path, ignore_errors=True)

    def _run(self, line: str, host: str, project: AnsibleProject, redact: Redactor) -> tuple[bool, str]:
        argv = shlex.split(line)
        if not argv:
            raise ValueError("the command is empty")
        inventory = read_inventory(
            project.inventory, cache=self._state / "cache", now=self._clock.now(), project=project
        )
        assert_exact_hosts((host,), inventory)
        self._sweep()
        folder = RunFolder.fresh(self._state / "checks", str(uuid.uuid4()))
        try:
            folder.write_variables(written({"check_argv": list(argv)}))
            launch = Launch(project=project, playbook=_PLAYBOOK, hosts=(host,), time_limit_s=TIME_LIMIT_S)
            account = Account(run=RunId(folder.path.name), attempt=1, redact=redact, tell=lambda _event: None)
            ended = launch.carry_out(folder, account, cancelled=lambda: False, redact=redact)
        finally:
            shutil.rmtree(folder.path, ignore_errors=True)
        outcome, reason = classify(ended, (host,))
        if outcome is PlaybookOutcome.SUCCEEDED:
            return True, f"`{line}` succeeds on {host}"
        return False, f"`{line}`: {reason}"
