"""One `ansible-playbook` through ansible-runner, under guard, in the calling thread."""

from __future__ import annotations

import logging
import os
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from shlex import join
from typing import Any

from ansible_runner.interface import init_runner
from ansible_runner.utils import get_callback_dir

from bsm_remediate.adapters.ansible.events import Account, one_line
from bsm_remediate.adapters.ansible.folder import RunFolder
from bsm_remediate.adapters.ansible.outcome import Ended, Stopped
from bsm_remediate.adapters.ansible.project import OURS, AnsibleProject
from bsm_remediate.adapters.ansible.redact import Redactor
from bsm_remediate.adapters.ansible.warm import WarmServers

_log = logging.getLogger(__name__)

_POLL_S = 0.1
"""How late a cancellation or the time limit is noticed; ansible-runner's own default is 5 s."""
_ENDING_S = 10.0
"""The guard needs 1 s to ask and some more to kill."""
_KILLED_BY_US = 254


@dataclass(frozen=True, kw_only=True)
class Launch:
    """What to start, with which project."""

    project: AnsibleProject
    playbook: Path
    hosts: Sequence[str]
    time_limit_s: float
    check_mode: bool = False
    warm: WarmServers | None = None

    def carry_out(
        self, folder: RunFolder, account: Account, *, cancelled: Callable[[], bool], redact: Redactor
    ) -> Ended:
        """Run to the end, whatever it is. `folder` has the variables.

        The guard dies with the *thread* that forked it, so this one stays until then.
        """
        stopping = _Stopping(cancelled, self.time_limit_s)
        try:
            runner = self._runner(folder, account, stopping)
            runner.run()
        finally:
            folder.end()
            if not folder.wait_until_over(_ENDING_S):
                _log.error("run.processes_left folder=%s", folder.path)
            folder.drop_secrets()
            redact.clean_files(folder.artifacts)
        code = runner.rc
        return Ended(
            exit_code=None if stopping.why is not None or code == _KILLED_BY_US else code,
            stopped=stopping.why,
            recap=account.recap,
            begun=account.begun,
            tasks=account.tasks,
            trouble=account.trouble,
            last_words=one_line(folder.last_words()),
        )

    def _runner(self, folder: RunFolder, account: Account, stopping: Callable[[], bool]) -> Any:
        options = [*self.project.options(), *self.project.connection_options()]
        options += ["--check", "--diff"] if self.check_mode else []
        runner = init_runner(
            private_data_dir=str(folder.path),
            project_dir=str(self.project.folder),
            playbook=str(self.playbook),
            inventory=[str(path.absolute()) for path in self.project.inventory] or None,
            limit=",".join(self.hosts),
            cmdline=join(options) or None,
            ident="run",
            quiet=True,
            suppress_env_files=True,
            fact_cache_type="as configured",  # anything but jsonfile leaves the project's choice alone
            cancel_callback=stopping,
            event_handler=lambda event: _heard(account, event),
        )
        config = runner.config
        config.pexpect_timeout = _POLL_S
        config.job_timeout = None
        config.env = self._environ(folder, config.env)
        guard = [sys.executable, "-S", "-E", str(OURS / "start_guard.py"), str(os.getpid()), str(folder.lock)]
        server = self.warm.address(self.project, lasting_environ(self.project)) if self.warm is not None else ()
        config.command[:1] = [*guard, *server, "--", self.project.program("ansible-playbook")]
        return runner

    def _environ(self, folder: RunFolder, runners: Mapping[str, str]) -> dict[str, str]:
        """Ours and what ansible-runner needs; of the engine's environment, which it copies, nothing else."""
        return {
            **lasting_environ(self.project),
            **{name: runners[name] for name in ("RUNNER_OMIT_EVENTS", "RUNNER_ONLY_FAILED_EVENTS")},
            "ANSIBLE_LOCAL_TEMP": str(folder.path / "tmp"),
            "AWX_ISOLATED_DATA_DIR": str(folder.artifacts),
        }


def lasting_environ(project: AnsibleProject) -> dict[str, str]:
    """What is the same in the environment of all runs of `project`."""
    return {
        **project.environ(),
        "ANSIBLE_CALLBACK_PLUGINS": project.callback_plugins(Path(get_callback_dir())),
        "ANSIBLE_RETRY_FILES_ENABLED": "False",
        "ANSIBLE_STDOUT_CALLBACK": "awx_display",
    }


class _Stopping:
    """Asked by ansible-runner ten times a second whether to stop; remembers why."""

    def __init__(self, cancelled: Callable[[], bool], time_limit_s: float) -> None:
        self._cancelled = cancelled
        self._deadline = time.monotonic() + time_limit_s
        self.why: Stopped | None = None

    def __call__(self) -> bool:
        if self.why is None:
            if self._cancelled():
                self.why = Stopped.CANCELLED
            elif time.monotonic() >= self._deadline:
                self.why = Stopped.TIMED_OUT
        return self.why is not None


def _heard(account: Account, event: Mapping[str, Any]) -> bool:
    """Let `account` hear; True keeps the event's file. Who listens can't be allowed to end the playbook half-way."""
    try:
        account.hear(event)
    except Exception:  # noqa: BLE001  # the outermost loop of what ansible-runner calls; recorded in the log
        _log.exception("run.event_not_told run=%s event=%s", account.run, event.get("event"))
    return True
