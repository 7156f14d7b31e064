"""Whatever ends a run, none of its processes is left: not after a cancellation, a time-out, a playbook that kills its
own Ansible, nor after `kill -9` of the engine.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from bsm_remediate.adapters.ansible.folder import RunFolder
from bsm_remediate.adapters.ansible.warm import WarmServers
from bsm_remediate.domain.playbook import PlaybookOutcome, PlaybookResult
from bsm_remediate.testing.local_ansible import LocalAnsible, a_call

# A program in a session of its own, which ignores SIGTERM and whose name in the process list is the run's mark.
STUBBORN = """
- name: Leave a process in a session of its own
  ansible.builtin.command:
    argv:
      - setsid
      - "{{ ansible_playbook_python }}"
      - -c
      - "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(300)"
      - "{{ bsm.run.id }}"
"""
KILL = """
import os, signal, sys
from pathlib import Path
found = {}
for path in Path("/proc").glob("[0-9]*"):
    try:
        line = (path / "cmdline").read_text()
        parent = (path / "stat").read_text().rsplit(")", 1)[1].split()[1]
    except OSError:
        continue
    if "ansible-playbook" in line and sys.argv[2] in line and "guard.py" not in line:
        found[path.name] = parent
workers = [pid for pid, parent in found.items() if parent in found]
[first] = found.keys() - set(workers)
os.kill(int(first if sys.argv[1] == "first" else workers[0]), signal.SIGKILL)
import time; time.sleep(300)
"""
ENGINE = """
import sys
from pathlib import Path
from bsm_remediate.adapters.ansible.executor import AnsibleExecutor
from bsm_remediate.adapters.ansible.project import AnsibleProject, AnsibleProjects
from bsm_remediate.adapters.ansible.warm import WarmServers
from bsm_remediate.adapters.system_clock import SystemClock
from bsm_remediate.testing.local_ansible import a_call
root = Path(sys.argv[1])
executor = AnsibleExecutor(
    projects=AnsibleProjects(usual=AnsibleProject(inventory=(root / "hosts.yml",))),
    playbooks=root / "playbooks", state=root / "state", clock=SystemClock(),
    warm=WarmServers(root / "state") if sys.argv[3] == "warm" else None)
assert executor.warm_up(within_s=30) == (sys.argv[3] == "warm")
call = a_call("endless.yml", run=sys.argv[2], time_limit_s=300)
executor.execute(call, on_event=lambda event: None, cancelled=lambda: False)
"""


@pytest.fixture
def local(tmp_path: Path, maybe_warm: WarmServers | None) -> LocalAnsible:
    local = LocalAnsible(tmp_path, warm=maybe_warm)
    local.write_playbook("endless.yml", STUBBORN)
    (tmp_path / "kill.py").write_text(KILL)
    return local


def _living(mark: str) -> list[str]:
    """Command lines with `mark` of all processes but this one; zombies have none."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line = path.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if mark in line and path.parent.name != str(os.getpid()):
            found.append(line)
    return found


def _mark(root: Path) -> str:
    return f"mark-{os.getpid()}-{abs(hash(root))}"


def _wait_until(happens: bool, mark: str, text: str, within_s: float) -> bool:
    deadline = time.monotonic() + within_s
    while any(text in line for line in _living(mark)) is not happens:
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


@pytest.mark.parametrize("limit_s", [1.8, 60.0], ids=["time-out", "cancellation"])
def test_a_stopped_run_leaves_no_process(local: LocalAnsible, tmp_path: Path, limit_s: float) -> None:
    mark = _mark(tmp_path)
    call = a_call("endless.yml", run=mark, time_limit_s=limit_s)
    is_cancelled = (lambda: False) if limit_s < 60 else (lambda: any("import signal" in line for line in _living(mark)))
    result = local.executor().execute(call, on_event=lambda _: None, cancelled=is_cancelled)
    assert result.outcome in {PlaybookOutcome.TIMED_OUT, PlaybookOutcome.CANCELLED}
    assert _living(mark) == []


@pytest.mark.parametrize("which", ["first", "worker"], ids=["ansible-playbook", "its-worker"])
def test_a_playbook_that_kills_its_own_ansible_is_recorded_and_leaves_no_process(
    local: LocalAnsible, tmp_path: Path, which: str
) -> None:
    mark = _mark(tmp_path)
    argv = f"['{{{{ ansible_playbook_python }}}}', '{tmp_path}/kill.py', '{which}', '{{{{ bsm.run.id }}}}']"
    local.write_playbook("suicide.yml", f"- ansible.builtin.command: {{argv: {argv}}}")
    result: PlaybookResult = local.executor().execute(
        a_call("suicide.yml", run=mark, time_limit_s=20), on_event=lambda _: None, cancelled=lambda: False
    )
    assert result.outcome is PlaybookOutcome.DIED, result
    assert _living(mark) == []


def test_kill_9_of_the_engine_ends_all_processes_of_its_runs(local: LocalAnsible, tmp_path: Path) -> None:
    mark = _mark(tmp_path)
    engine = subprocess.Popen(
        [sys.executable, "-c", ENGINE, str(tmp_path), mark, "warm" if local.warm is not None else "cold"]
    )
    try:
        assert _wait_until(True, mark, "import signal, time", 20)
    finally:
        engine.send_signal(signal.SIGKILL)
        engine.wait()
    assert _wait_until(False, mark, "", 5), _living(mark)
    assert _wait_until(False, str(tmp_path), "warm_server.py", 5)
    left = tmp_path / "state" / "runs" / f"{mark}.1"
    assert (left / "env" / "extravars").exists()  # nobody was there to tidy up
    assert RunFolder(left).wait_until_over(5)
    local.write_playbook("good.yml", "- ansible.builtin.command: 'true'")
    local.executor().execute(a_call("good.yml", run="next"), on_event=lambda _: None, cancelled=lambda: False)
    assert not (left / "env").exists()


def test_a_daemon_that_a_playbook_starts_on_purpose_lives_on_after_its_end(local: LocalAnsible) -> None:
    start = "import subprocess, sys; subprocess.Popen(['sleep', sys.argv[1]], start_new_session=True)"
    seconds = f"{300 + os.getpid() / 1e6:f}"
    argv = f"['{{{{ ansible_playbook_python }}}}', -c, \"{start}\", '{seconds}']"
    local.write_playbook("start.yml", f"- ansible.builtin.command: {{argv: {argv}}}")
    result = local.executor().execute(a_call("start.yml"), on_event=lambda _: None, cancelled=lambda: False)
    assert result.outcome is PlaybookOutcome.SUCCEEDED, result
    daemons = [path.parent.name for path in Path("/proc").glob("[0-9]*/cmdline") if _is_sleep(path, seconds)]
    for daemon in daemons:
        os.kill(int(daemon), signal.SIGKILL)
    assert len(daemons) == 1


def _is_sleep(path: Path, seconds: str) -> bool:
    try:
        return path.read_bytes() == f"sleep\0{seconds}\0".encode()
    except OSError:
        return False
