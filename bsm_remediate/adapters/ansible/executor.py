"""Playbooks on real hosts: implements `ports.Executor` through ansible-runner."""

from __future__ import annotations

import re
import shutil
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from ansible_runner.exceptions import AnsibleRunnerException
from pexpect.exceptions import ExceptionPexpect

from bsm_remediate.adapters.ansible.confidential import Secrets
from bsm_remediate.adapters.ansible.events import Account, one_line
from bsm_remediate.adapters.ansible.folder import RunFolder
from bsm_remediate.adapters.ansible.inert import run_variables
from bsm_remediate.adapters.ansible.inventory import read_inventory
from bsm_remediate.adapters.ansible.launch import Launch, lasting_environ
from bsm_remediate.adapters.ansible.outcome import Ended, classify
from bsm_remediate.adapters.ansible.project import AnsibleProject, AnsibleProjects
from bsm_remediate.adapters.ansible.warm import WarmServers
from bsm_remediate.domain.inventory import Inventory
from bsm_remediate.domain.playbook import PlaybookCall, PlaybookEvent, PlaybookOutcome, PlaybookResult
from bsm_remediate.errors import InventoryUnreadable
from bsm_remediate.ports import Clock

_SAFE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_EARLIER_S = 15.0
"""How long to wait for the processes of an earlier attempt of the same run, whose engine was killed."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Retention:
    """Artifacts go when they are older or more than this."""

    keep_for: timedelta = timedelta(days=30)
    keep_runs: int = 500


class AnsibleExecutor:
    """Each execution has a folder of its own, `STATE/runs/RUN.ATTEMPT/`, with what ansible-runner leaves."""

    def __init__(
        self,
        *,
        projects: AnsibleProjects,
        playbooks: Path,
        state: Path,
        clock: Clock,
        secrets: Iterable[str] = (),
        retention: Retention | None = None,
        warm: WarmServers | None = None,
    ) -> None:
        """`playbooks` is the folder that playbooks must lie in. `secrets` are values that are redacted everywhere.

        With `warm`, runs are left to a server that has Ansible imported already, where there is one.
        """
        self._projects = projects
        self._playbooks = playbooks.resolve()
        self._secrets = Secrets(projects, self._playbooks, secrets)
        self._state = state.absolute()
        self._clock = clock
        self._retention = retention or Retention()
        self._warm = warm
        self._guard = threading.Lock()
        self._under_way: set[Path] = set()
        self._swept = False

    @property
    def _runs(self) -> Path:
        return self._state / "runs"

    def execute(
        self,
        call: PlaybookCall,
        *,
        on_event: Callable[[PlaybookEvent], None],
        cancelled: Callable[[], bool],
    ) -> PlaybookResult:
        """Carry out `call` in this thread; nothing of it outlives this call, save daemons that a playbook that ended by
        itself has left on purpose.
        """
        begin = self._clock.monotonic()
        project = self._projects.of(call.component)
        redact = self._secrets.redactor(project)
        try:
            launch, folder = self._prepared(call, project)
        except (ValueError, OSError, InventoryUnreadable) as refused:
            return self._result(PlaybookOutcome.NOT_STARTED, redact(one_line(str(refused))), begin)
        account = Account(run=call.run, attempt=call.attempt, redact=redact, tell=on_event, shows_diffs=call.check_mode)
        try:
            ended = launch.carry_out(folder, account, cancelled=cancelled, redact=redact)
            outcome, reason = classify(ended, call.hosts)
            return self._result(outcome, redact(reason), begin, ended=ended, folder=folder)
        except (OSError, AnsibleRunnerException, ExceptionPexpect) as error:
            # A full disk, no more processes: all that had been started has been ended by now.
            outcome = PlaybookOutcome.DIED if account.begun else PlaybookOutcome.NOT_STARTED
            reason = f"ansible-runner could not carry it out: {error}"
            return self._result(outcome, redact(one_line(reason)), begin, folder=folder)
        finally:
            with self._guard:
                self._under_way.discard(folder.path)
            self._prune()

    def warm_up(self, *, within_s: float = 0.0) -> bool:
        """Start the warm servers; whether all are ready `within_s`. Runs need not wait: until then they start cold."""
        warm = self._warm
        if warm is None:
            return False
        projects = self._projects.all()
        return not [one for one in projects if not warm.wait_until_ready(one, lasting_environ(one), within_s)]

    # --- before ----------------------------------------------------------------------------------------------------

    def _prepared(self, call: PlaybookCall, project: AnsibleProject) -> tuple[Launch, RunFolder]:
        """Everything that can be refused is refused here. Raises `ValueError`, `OSError`, `InventoryUnreadable`."""
        if _SAFE_NAME.fullmatch(call.run) is None:
            raise ValueError(f"run id {call.run!r} can't name a folder")
        inventory = read_inventory(
            project.inventory, cache=self._state / "cache", now=self._clock.now(), project=project
        )
        assert_exact_hosts(call.hosts, inventory)
        launch = Launch(
            project=project,
            playbook=playbook_in(self._playbooks, call.playbook),
            hosts=call.hosts,
            time_limit_s=call.time_limit.total_seconds(),
            check_mode=call.check_mode,
            warm=self._warm,
        )
        variables = run_variables(call)
        self._sweep()
        self._await_earlier_attempts(call)
        with self._guard:
            folder = RunFolder.fresh(self._runs, f"{call.run}.{call.attempt}")
            folder.write_variables(variables)
            self._under_way.add(folder.path)
        return launch, folder

    def _await_earlier_attempts(self, call: PlaybookCall) -> None:
        for path in self._runs.glob(f"{call.run}.*"):
            earlier = RunFolder(path)
            earlier.end()
            if not earlier.wait_until_over(_EARLIER_S):
                raise ValueError(
                    f"processes of an earlier attempt ({path.name}) still run; it is not started beside them"
                )

    # --- after -----------------------------------------------------------------------------------------------------

    def _result(
        self,
        outcome: PlaybookOutcome,
        reason: str,
        begin: float,
        *,
        ended: Ended | None = None,
        folder: RunFolder | None = None,
    ) -> PlaybookResult:
        return PlaybookResult(
            outcome=outcome,
            reason=reason,
            exit_code=ended.exit_code if ended is not None else None,
            duration_s=self._clock.monotonic() - begin,
            changed=sum(ended.recap.changed.values()) if ended is not None and ended.recap is not None else 0,
            artifacts=str(folder.path.relative_to(self._state)) if folder is not None else "",
            digest=folder.digest() if folder is not None else "",
        )

    def _sweep(self) -> None:
        """Drop the secrets that an engine which was killed has left in its folders; until none of its runs lives on."""
        with self._guard:  # until it is done, since the folder of a run that is just being prepared looks the same
            if self._swept:
                return
            left = [RunFolder(path) for path in self._folders() if (path / "env").exists()]
            left = [folder for folder in left if folder.path not in self._under_way]
            dying = [folder for folder in left if folder.is_alive()]
            for folder in left:
                if folder not in dying:
                    folder.drop_secrets()
                    self._secrets.redactor_of_all().clean_files(folder.artifacts)
            self._swept = not dying

    def _prune(self) -> None:
        newest_first = sorted(((_age_key(path), path) for path in self._folders()), reverse=True)
        oldest = (self._clock.now() - self._retention.keep_for).timestamp()
        for number, (changed_at, path) in enumerate(newest_first):
            if number < self._retention.keep_runs and changed_at >= oldest:
                continue
            with self._guard:
                busy = path in self._under_way
            if not busy and not RunFolder(path).is_alive():
                shutil.rmtree(path, ignore_errors=True)

    def _folders(self) -> list[Path]:
        return [path for path in self._runs.iterdir() if path.is_dir()] if self._runs.is_dir() else []


def _age_key(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except OSError:
        return 0.0  # another thread has just removed it


def playbook_in(folder: Path, name: str) -> Path:
    """The file of playbook `name`, which must lie within `folder` (resolved). Raises `ValueError`."""
    path = (folder / name).resolve()
    if not path.is_relative_to(folder):
        raise ValueError(f"playbook {name} lies outside of {folder}")
    if not path.is_file():
        raise ValueError(f"there is no playbook {name} in {folder}")
    return path


def assert_exact_hosts(hosts: tuple[str, ...], inventory: Inventory) -> None:
    """Exact names only: an empty limit means all hosts to Ansible, and patterns or groups widen it."""
    if not hosts:
        raise ValueError("a run without hosts would reach all of them")
    for host in hosts:
        if _SAFE_NAME.fullmatch(host) is None:
            raise ValueError(f"host {host!r} is no plain host name; patterns are not allowed")
        if host in inventory.groups:
            raise ValueError(f"'{host}' is a group of the inventory too, so limiting to it could reach more hosts")
        if host not in inventory:
            raise ValueError(f"host '{host}' is not in the inventory")
