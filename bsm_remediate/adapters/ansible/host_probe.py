"""Looks from the component's own host, through Ansible: by a command, or by a playbook of the team's own."""

from __future__ import annotations

import shlex
import shutil
import threading
import uuid
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from ansible_runner.exceptions import AnsibleRunnerException
from pexpect.exceptions import ExceptionPexpect

from bsm_remediate.adapters.ansible.confidential import Secrets
from bsm_remediate.adapters.ansible.events import Account, one_line
from bsm_remediate.adapters.ansible.executor import assert_exact_hosts, playbook_in
from bsm_remediate.adapters.ansible.folder import RunFolder
from bsm_remediate.adapters.ansible.inert import run_variables, written
from bsm_remediate.adapters.ansible.inventory import read_inventory
from bsm_remediate.adapters.ansible.launch import Launch
from bsm_remediate.adapters.ansible.outcome import classify
from bsm_remediate.adapters.ansible.project import OURS, AnsibleProject, AnsibleProjects
from bsm_remediate.adapters.ansible.redact import Redactor
from bsm_remediate.domain.ids import RunId
from bsm_remediate.domain.playbook import PlaybookCall, PlaybookOutcome
from bsm_remediate.domain.policy import Check, CheckKind
from bsm_remediate.domain.service_map import Component
from bsm_remediate.domain.verification import Observation
from bsm_remediate.errors import RemediationError
from bsm_remediate.ports import Clock

TIME_LIMIT_S = 15.0
"""Of a command."""
SHORTEST_S, LONGEST_S = 5.0, 60.0
"""Of a playbook, which has the time within which its check must hold; Ansible itself needs some."""
_COMMAND = OURS / "command.yml"


class AnsibleProber:
    """Implements `ports.Prober` for `command` and `playbook` checks: one holds when what it names succeeds.

    A command has no shell: the line is split into words, so pipes and redirections are words too. A playbook sees `bsm`
    as a run does, without alerts. Neither is an attempt of a run: nothing is recorded, and nothing of it is kept.
    """

    def __init__(
        self,
        *,
        projects: AnsibleProjects,
        playbooks: Path,
        state: Path,
        clock: Clock,
        secrets: Iterable[str] = (),
    ) -> None:
        """`secrets` are values that are redacted everywhere."""
        self._projects = projects
        self._playbooks = playbooks.resolve()
        self._secrets = Secrets(projects, self._playbooks, secrets)
        self._state = state.absolute()
        self._clock = clock
        self._guard = threading.Lock()
        self._swept = False

    def look(self, check: Check, component: Component, *, cancelled: Callable[[], bool]) -> Observation:
        """Whether it succeeds on the component's host, in about 1 s, or until `LONGEST_S` or `cancelled` end it; never
        raises.
        """
        project = self._projects.of(component)
        redact = self._secrets.redactor(project)
        try:
            source = check.target(component) if check.target is not None else ""
            by_playbook = check.kind is CheckKind.PLAYBOOK
            look = self._by_playbook(source, check.within, component) if by_playbook else _by_command(source)
            holds, detail = self._carried_out(look, component.host, project, redact, cancelled)
        except (OSError, ValueError, RemediationError, AnsibleRunnerException, ExceptionPexpect) as error:
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

    def _by_playbook(self, name: str, within: timedelta, component: Component) -> _Look:
        limit = min(max(within.total_seconds(), SHORTEST_S), LONGEST_S)
        call = PlaybookCall(
            run=RunId(f"check-{uuid.uuid4()}"),
            attempt=0,
            fence=0,
            playbook=name,
            hosts=(component.host,),
            component=component,
            alerts=(),
            services=(),
            loss_per_minute=0.0,
            time_limit=timedelta(seconds=limit),
        )
        return _Look(name, playbook_in(self._playbooks, name), run_variables(call), limit)

    def _carried_out(
        self, look: _Look, host: str, project: AnsibleProject, redact: Redactor, cancelled: Callable[[], bool]
    ) -> tuple[bool, str]:
        inventory = read_inventory(
            project.inventory, cache=self._state / "cache", now=self._clock.now(), project=project
        )
        assert_exact_hosts((host,), inventory)
        self._sweep()
        folder = RunFolder.fresh(self._state / "checks", str(uuid.uuid4()))
        try:
            folder.write_variables(look.variables)
            launch = Launch(project=project, playbook=look.playbook, hosts=(host,), time_limit_s=look.time_limit_s)
            account = Account(run=RunId(folder.path.name), attempt=1, redact=redact, tell=lambda _event: None)
            ended = launch.carry_out(folder, account, cancelled=cancelled, redact=redact)
        finally:
            shutil.rmtree(folder.path, ignore_errors=True)
        outcome, reason = classify(ended, (host,))
        if outcome is PlaybookOutcome.SUCCEEDED:
            return True, f"`{look.shown}` succeeds on {host}"
        return False, f"`{look.shown}`: {reason}"


@dataclass(frozen=True, slots=True)
class _Look:
    """What is started for one look."""

    shown: str
    playbook: Path
    variables: str
    time_limit_s: float


def _by_command(line: str) -> _Look:
    argv = shlex.split(line)
    if not argv:
        raise ValueError("the command is empty")
    return _Look(line, _COMMAND, written({"check_argv": list(argv)}), TIME_LIMIT_S)
