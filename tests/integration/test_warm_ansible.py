"""Warm Ansible does what cold Ansible does: the same events, output and surroundings of a run; and where its servers
are gone, hang, or are too old, runs start cold.
"""

from __future__ import annotations

import json
import os
import re
import signal
import stat
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from bsm_remediate.adapters.ansible.launch import lasting_environ
from bsm_remediate.adapters.ansible.project import AnsibleProject
from bsm_remediate.adapters.ansible.warm import WarmServers
from bsm_remediate.app import Installation
from bsm_remediate.config.settings import Options
from bsm_remediate.domain.playbook import PlaybookEvent, PlaybookOutcome, PlaybookResult
from bsm_remediate.errors import WrongUsage
from bsm_remediate.testing.local_ansible import LocalAnsible, a_call

SURROUNDINGS = """
import json, os, resource, sys
status = dict(line.split(":", 1) for line in open("/proc/self/status") if line.startswith(("Sig", "Groups", "Uid")))
umask = os.umask(0)
os.umask(umask)
above, pid = [], os.getppid()
while pid > 1:
    above.append(open(f"/proc/{pid}/cmdline").read().replace("\\0", " "))
    pid = int(open(f"/proc/{pid}/stat").read().rsplit(")", 1)[1].split()[1])
print(json.dumps({
    "environ": dict(os.environ), "folder": os.getcwd(), "umask": umask, "above": above,
    "files": sorted((one, os.readlink(f"/proc/self/fd/{one}").split(":")[0]) for one in os.listdir("/proc/self/fd")
                    if os.path.exists(f"/proc/self/fd/{one}")),
    "ignored": [name + text.strip() for name, text in status.items() if name != "SigCgt" and name != "SigQ"],
    "limits": [resource.getrlimit(number) for number in range(16)], "nice": os.nice(0), "path": sys.path[1:],
}))
"""
MANY_THINGS = """
- ansible.builtin.debug: {msg: "{{ inventory_hostname }} {{ ansible_playbook_python }} {{ ansible_version.full }}"}
- ansible.builtin.set_fact: {kept: "{{ [1, 2] | map('string') | list }}"}
- ansible.builtin.command: {argv: [echo, "{{ item }}"]}
  loop: "{{ kept }}"
  register: said
- ansible.builtin.shell: "echo $0; echo err >&2; exit 3"
  failed_when: false
- ansible.builtin.command: "kill -9 $$"
  ignore_errors: true
- ansible.builtin.copy:
    content: "{{ said.results | map(attribute='stdout') | join }}"
    dest: "{{ folder }}/copied"
    mode: "0640"
  notify: told
- ansible.builtin.copy: {content: "secret-of-no-log", dest: "{{ folder }}/hidden", mode: "0600"}
  no_log: true
- ansible.builtin.file: {path: "{{ folder }}/made", state: directory, mode: "0750"}
- ansible.builtin.stat: {path: "{{ folder }}/copied"}
  register: seen
- ansible.builtin.assert: {that: [seen.stat.mode == '0640']}
- ansible.builtin.setup: {gather_subset: ['!all', '!min', 'env']}
- ansible.builtin.lineinfile: {path: "{{ folder }}/copied", line: another}
- ansible.builtin.template: {src: text.j2, dest: "{{ folder }}/templated", mode: "0600"}
- ansible.builtin.command: sleep 0
  async: 20
  poll: 1
- block:
    - ansible.builtin.command: "false"
  rescue:
    - ansible.builtin.debug: {msg: "{{ ansible_failed_task.action }}"}
  always:
    - ansible.builtin.command: printenv SAID
      environment: {SAID: "it's {{ 'said' }} $HOME"}
- ansible.builtin.command: printenv PYTHONUTF8
  environment: {PYTHONUTF8: "1"}
- ansible.builtin.raw: echo raw
- ansible.builtin.file: {path: /nowhere/at/all, state: touch}
  ignore_errors: true
- ansible.builtin.meta: flush_handlers
- own: {word: "{{ 'a' | doubled }}"}
- ansible.builtin.ping:
- ansible.builtin.fail: {msg: the end}
"""
OWN_MODULE = """
from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.of_the_team import shout
module = AnsibleModule(argument_spec={"word": {}})
module.warn("a warning")
module.exit_json(changed=True, said=shout(module.params["word"]), name=__name__)
"""
PASSING = re.compile(
    r"\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d[.\d]*(\+00:00)?|\d+:\d\d:\d\d\.\d+|[0-9a-f]{8}(-[0-9a-f]{4,}){4}"
    r"|ansible-(local|tmp)-[-.\w/]+|ansible_\S*_payload_\w+|j\d{6,}\.\d+"
)
"""Times, ids and names of temporary files in texts."""
FLEETING = {"pid", "duration", "ansible_job_id", "ctime", "mtime", "atime", "inode", "stat", "_original_basename"}


@pytest.fixture
def cold(tmp_path: Path) -> LocalAnsible:
    return LocalAnsible(tmp_path / "cold")


@pytest.fixture
def warm(tmp_path: Path, warm_servers: WarmServers) -> LocalAnsible:
    return LocalAnsible(tmp_path / "warm", warm=warm_servers)


@pytest.fixture
def own_servers(tmp_path: Path) -> Iterator[WarmServers]:
    """For tests that do them harm."""
    servers = WarmServers(tmp_path / "servers")
    yield servers
    servers.close()


def carry_out(
    local: LocalAnsible, playbook: str, told: list[PlaybookEvent] | None = None, **call: Any
) -> PlaybookResult:
    on_event = told.append if told is not None else lambda _event: None
    return local.executor().execute(a_call(playbook, **call), on_event=on_event, cancelled=lambda: False)


def said(local: LocalAnsible, tasks: str, **call: Any) -> list[str]:
    """What the tasks of a run say that succeeds."""
    told: list[PlaybookEvent] = []
    local.write_playbook("said.yml", tasks)
    result = carry_out(local, "said.yml", told, **call)
    assert result.outcome is PlaybookOutcome.SUCCEEDED, result
    return [event.message for event in told if event.kind == "ok"]


def surroundings(local: LocalAnsible, how: str) -> dict[str, Any]:
    program = local.root / "surroundings.py"
    program.write_text(SURROUNDINGS)
    task = {
        "of the controller": f"- ansible.builtin.copy: {{content: \"{{{{ lookup('pipe', 'python3 {program}') }}}}\","
        f" dest: {local.root}/seen, mode: '0600'}}",
        "of a module": f"- ansible.builtin.shell: python3 {program} > {local.root}/seen",
    }
    local.write_playbook("look.yml", task[how])
    assert carry_out(local, "look.yml").outcome is PlaybookOutcome.SUCCEEDED
    found: dict[str, Any] = json.loads((local.root / "seen").read_text().replace(str(local.root), "ROOT"))
    return found


@pytest.mark.parametrize("how", ["of the controller", "of a module"])
def test_a_warm_run_has_the_surroundings_of_a_cold_one(cold: LocalAnsible, warm: LocalAnsible, how: str) -> None:
    seen, expected = surroundings(warm, how), surroundings(cold, how)
    above, above_cold = seen.pop("above"), expected.pop("above")
    for one in (seen, expected):
        one["environ"] = lasting(one["environ"])
    assert seen == expected
    assert any("warm_server.py" in line for line in above)
    assert not any("guard.py" in line for line in above)
    assert any("guard.py" in line for line in above_cold)
    assert ("ansible-modules" in str(above)) is (how == "of a module")


def many_things(local: LocalAnsible) -> tuple[PlaybookResult, list[PlaybookEvent]]:
    team = local.root / "team"
    for name, text in {
        "library/own.py": OWN_MODULE,
        "module_utils/of_the_team.py": "def shout(word): return word.upper()\n",
        "filters/doubled.py": "class FilterModule:\n def filters(self): return {'doubled': lambda text: text * 2}\n",
        "ansible.cfg": "[defaults]\nlibrary=library\nmodule_utils=module_utils\nfilter_plugins=filters\n"
        "deprecation_warnings=False\n[connection]\npipelining=True\n[diff]\nalways=True\n",
    }.items():
        (team / name).parent.mkdir(parents=True, exist_ok=True)
        (team / name).write_text(text)
    (local.playbooks / "text.j2").write_text("{{ said.results | length }}\n")
    local.project = AnsibleProject(inventory=local.project.inventory, project=team)
    text = local.write_playbook("many.yml", MANY_THINGS)
    path = local.playbooks / text
    path.write_text(f"{path.read_text()}  handlers:\n    - {{name: told, ansible.builtin.debug: {{msg: handled}}}}\n")
    told: list[PlaybookEvent] = []
    result = carry_out(local, "many.yml", told, variables={"folder": str(local.root)}, time_limit_s=90)
    return result, told


def lasting(value: Any) -> Any:
    """`value` without what no two runs share."""
    if isinstance(value, dict):
        return {name: lasting(one) for name, one in value.items() if name not in FLEETING}
    if isinstance(value, list):
        return [lasting(one) for one in value]
    return PASSING.sub("~", value) if isinstance(value, str) else value


def left(local: LocalAnsible, result: PlaybookResult) -> tuple[set[str], list[str], list[Any]]:
    """Names of artifacts, output and events."""
    folder = local.state / result.artifacts / "artifacts" / "run"
    paths = sorted(folder.glob("job_events/*.json"), key=lambda path: int(path.name.split("-")[0]))
    texts = [path.read_text().replace(str(local.root), "ROOT") for path in (*paths, folder / "stdout")]
    output = texts.pop()
    return (
        {path.name for path in folder.iterdir()},
        lasting(output.splitlines()),
        lasting([json.loads(text) for text in texts]),
    )


def test_events_output_and_artifacts_are_those_of_a_cold_run(cold: LocalAnsible, warm: LocalAnsible) -> None:
    expected, told_cold = many_things(cold)
    result, told = many_things(warm)
    assert (result.outcome, result.exit_code, result.changed) == (
        expected.outcome,
        expected.exit_code,
        expected.changed,
    )
    names, output, events = left(warm, result)
    expected_names, expected_output, expected_events = left(cold, expected)
    assert names == expected_names
    assert output == expected_output
    assert events == expected_events
    assert [event.kind for event in told] == [event.kind for event in told_cold]
    assert len(events) > 60


def test_no_two_runs_share_the_ids_of_their_tasks(warm: LocalAnsible) -> None:
    warm.write_playbook("say.yml", "- ansible.builtin.debug:")
    runs = [carry_out(warm, "say.yml", run=f"run-{number}") for number in range(2)]
    ids = [
        set(re.findall(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", "".join(left_raw(warm, run)))) for run in runs
    ]
    assert all(ids)
    assert not ids[0] & ids[1]


def left_raw(local: LocalAnsible, result: PlaybookResult) -> Iterator[str]:
    for path in (local.state / result.artifacts).rglob("job_events/*.json"):
        yield path.read_text()


def test_concurrent_runs_with_two_vault_passwords_see_and_leave_only_their_own(
    tmp_path: Path, warm_servers: WarmServers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LET_THROUGH", "canary-of-one-environment")
    locals_: list[LocalAnsible] = []
    for name in ("one", "two"):
        local = LocalAnsible(tmp_path / name, warm=warm_servers)
        (tmp_path / f"{name}.password").write_text(f"password-of-{name}")
        local.project = AnsibleProject(
            inventory=local.project.inventory,
            vault_ids=(f"same@{tmp_path}/{name}.password",),
            environment=("LET_THROUGH",) if name == "one" else (),
        )
        vaulted = vault(local, f"value-of-{name}")
        (local.root / "group_vars").mkdir()
        (local.root / "group_vars" / "all.yml").write_text(f"kept: {vaulted}\n")
        tasks = "- ansible.builtin.shell: echo '{{ kept | b64encode }}' $LET_THROUGH > {{ out }}; umask >> {{ out }}"
        local.write_playbook("tell.yml", f"{tasks}\n- ansible.builtin.debug: {{msg: 'it is {{{{ kept }}}}'}}")
        locals_.append(local)
    executors = [local.executor() for local in locals_]
    assert len({warm_servers.address(one.project, lasting_environ(one.project)) for one in locals_}) == 1

    def run(number: int) -> str:
        local, out = locals_[number % 2], tmp_path / f"out-{number}"
        call = a_call("tell.yml", run=f"run-{number}", variables={"out": str(out)})
        result = executors[number % 2].execute(call, on_event=lambda _: None, cancelled=lambda: False)
        assert result.outcome is PlaybookOutcome.SUCCEEDED, (local.root.name, result)
        return out.read_text()

    with ThreadPoolExecutor(6) as pool:
        texts = list(pool.map(run, range(12)))
    umask = os.umask(0o22)
    os.umask(umask)
    one, two = ("dmFsdWUtb2Ytb25l canary-of-one-environment", "dmFsdWUtb2YtdHdv")
    assert texts == [f"{two if number % 2 else one}\n{umask:04o}\n" for number in range(12)]
    for local in locals_:
        assert "value-of-" not in local.artifacts()
    assert not [path for path in (tmp_path / "servers").rglob("*") if path.is_file()]


def vault(local: LocalAnsible, text: str) -> str:
    import subprocess

    command = [local.project.program("ansible-vault"), "encrypt_string", *local.project.options(), text]
    done = subprocess.run(command, capture_output=True, text=True, check=True, stdin=subprocess.DEVNULL)
    return done.stdout


def test_a_plugin_or_module_of_the_team_s_goes_before_ansible_s_own_of_that_name(
    cold: LocalAnsible, warm: LocalAnsible
) -> None:
    found = []
    for local in (cold, warm):
        for folder, name, text in (
            ("action_plugins", "assert", ACTION.replace("WHO", "the team's assert")),
            ("connection_plugins", "local", CONNECTION),
            ("library", "ping", OWN_PING),
        ):
            (local.playbooks / folder).mkdir(exist_ok=True)
            (local.playbooks / folder / f"{name}.py").write_text(text)
        found.append(
            said(
                local, "- ansible.builtin.debug: {msg: x}\n- assert: {that: [false]}\n- ping:\n- ansible.builtin.ping:"
            )
        )
    assert found[1] == found[0]
    assert found[1][1:3] == ["the team's assert over the team's connection", "the team's ping"]


ACTION = """
from ansible.plugins.action import ActionBase
class ActionModule(ActionBase):
    _supports_check_mode = True
    def run(self, tmp=None, task_vars=None):
        return {"msg": "WHO over " + type(self._connection).said}
"""
CONNECTION = """
DOCUMENTATION = '''
name: local
short_description: ours
extends_documentation_fragment: [connection_pipelining]
'''
import subprocess
from ansible.plugins.connection import ConnectionBase
class Connection(ConnectionBase):
    transport = "local"
    has_pipelining = True
    said = "the team's connection"
    def _connect(self): return self
    def exec_command(self, cmd, in_data=None, sudoable=True):
        done = subprocess.run(cmd, shell=True, input=in_data, capture_output=True)
        return done.returncode, done.stdout, done.stderr
    def put_file(self, in_path, out_path): raise NotImplementedError
    def fetch_file(self, in_path, out_path): raise NotImplementedError
    def close(self): pass
"""
OWN_PING = """
from ansible.module_utils.basic import AnsibleModule
AnsibleModule(argument_spec={}).exit_json(msg="the team's ping")
"""


# --- when a server is not as it should be ---------------------------------------------------------------------------


def servers_of(servers: WarmServers) -> list[int]:
    return [one.process.pid for one in servers._servers.current.values()]


def parents(local: LocalAnsible, playbook: str = "look.yml") -> str:
    """The processes above a task's."""
    program = local.root / "surroundings.py"
    program.write_text(SURROUNDINGS)
    local.write_playbook(playbook, f"- ansible.builtin.shell: python3 {program} > {local.root}/seen")
    result = local.executor().execute(a_call(playbook), on_event=lambda _: None, cancelled=lambda: False)
    assert result.outcome is PlaybookOutcome.SUCCEEDED, result
    return " ".join(json.loads((local.root / "seen").read_text())["above"])


@pytest.mark.parametrize("harm", ["no socket", "stopped", "killed"])
def test_a_run_starts_cold_when_its_server_cannot_be_reached(
    tmp_path: Path, own_servers: WarmServers, harm: str
) -> None:
    local = LocalAnsible(tmp_path / "project", warm=own_servers)
    executor = local.executor()
    local.write_playbook("good.yml", "- ansible.builtin.command: 'true'")
    [pid] = servers_of(own_servers)
    environ = lasting_environ(local.project)
    folder, name = own_servers.address(local.project, environ)
    local.warm = None
    if harm == "no socket":
        Path(folder, f"{name}.run").unlink()
    else:
        os.kill(pid, signal.SIGSTOP if harm == "stopped" else signal.SIGKILL)
    call = a_call("good.yml")
    result = executor.execute(call, on_event=lambda _: None, cancelled=lambda: False)
    if harm == "stopped":
        os.kill(pid, signal.SIGCONT)
    assert result.outcome is PlaybookOutcome.SUCCEEDED, result


def test_a_server_that_dies_takes_its_runs_along_and_they_are_not_started_again(
    tmp_path: Path, own_servers: WarmServers
) -> None:
    local = LocalAnsible(tmp_path / "project", warm=own_servers)
    local.write_playbook("slow.yml", f"- ansible.builtin.shell: echo x >> {tmp_path}/effects; exec sleep 331")
    executor = local.executor()
    [pid] = servers_of(own_servers)

    def is_cancelled() -> bool:
        if (tmp_path / "effects").exists():
            os.kill(pid, signal.SIGKILL)
        return False

    result = executor.execute(a_call("slow.yml"), on_event=lambda _: None, cancelled=is_cancelled)
    assert result.outcome is PlaybookOutcome.DIED, result
    assert (tmp_path / "effects").read_text() == "x\n"
    assert not [path for path in Path("/proc").glob("[0-9]*/cmdline") if "sleep\0331\0" in read(path)]
    assert "warm_server.py" in parents(local)
    assert servers_of(own_servers) != [pid]


def read(path: Path) -> str:
    try:
        return path.read_text(errors="replace")
    except OSError:
        return ""


def test_a_changed_ansible_cfg_holds_from_the_next_run_on_and_the_old_server_ends_what_it_has(
    tmp_path: Path, own_servers: WarmServers
) -> None:
    local = LocalAnsible(tmp_path / "project", warm=own_servers)
    team = tmp_path / "team"
    team.mkdir()
    (team / "ansible.cfg").write_text("[defaults]\ntimeout=7\n[connection]\npipelining=True\n")
    local.project = AnsibleProject(inventory=local.project.inventory, project=team)
    tell = "- ansible.builtin.debug: {msg: \"{{ lookup('config', 'DEFAULT_TIMEOUT') }}\"}"
    local.write_playbook("wait.yml", f"- ansible.builtin.wait_for: {{path: {tmp_path}/go, sleep: 1}}\n{tell}")
    executor = local.executor()
    [old] = servers_of(own_servers)
    told: list[PlaybookEvent] = []
    with ThreadPoolExecutor(1) as pool:
        call = a_call("wait.yml", run="long")
        waiting = pool.submit(executor.execute, call, on_event=told.append, cancelled=lambda: False)
        while not any(event.kind == "task" for event in told):
            time.sleep(0.02)
        (team / "ansible.cfg").write_text("[defaults]\ntimeout=8\n[connection]\npipelining=True\n")
        assert said(local, tell) == ["8"]
        assert servers_of(own_servers) != [old]
        (tmp_path / "go").touch()
        assert waiting.result().outcome is PlaybookOutcome.SUCCEEDED, waiting.result()
    assert [event.message for event in told if event.kind == "ok"][-1] == "7"
    assert ended(old)


def ended(pid: int, within_s: float = 5.0) -> bool:
    deadline = time.monotonic() + within_s
    while time.monotonic() < deadline:
        if "warm_server.py" not in read(Path(f"/proc/{pid}/cmdline")):
            return True
        time.sleep(0.02)
    return False


def test_after_an_upgrade_a_new_server_is_started(tmp_path: Path, own_servers: WarmServers) -> None:
    local = LocalAnsible(tmp_path / "project", warm=own_servers)
    local.executor()
    [(old, server)] = [(one.process.pid, one) for one in own_servers._servers.current.values()]
    assert server.watched is not None
    assert any(path.endswith("ansible/release.py") for path in server.watched)
    release = next(path for path in server.watched if path.endswith("ansible/release.py"))
    server.watched[release] = (0, 0, 0)  # as if it had been another file when the server read it
    local.executor()
    assert servers_of(own_servers) != [old]


def test_a_collection_that_changes_is_seen_by_the_next_run(warm: LocalAnsible) -> None:
    module = warm.playbooks / "collections/ansible_collections/our/tools/plugins/modules/say.py"
    module.parent.mkdir(parents=True)
    text = OWN_PING.replace("the team's ping", "VERSION")
    heard = []
    for version in ("first", "second"):
        module.write_text(text.replace("VERSION", version))
        heard += said(warm, "- our.tools.say:", run=f"run-{version}")
    assert heard == ["first", "second"]


def test_sockets_and_logs_are_for_their_owner_alone_and_go_with_the_servers(
    tmp_path: Path, own_servers: WarmServers
) -> None:
    LocalAnsible(tmp_path / "project", warm=own_servers).executor()
    folder = tmp_path / "servers" / "warm"
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert sorted(path.suffix for path in folder.iterdir() if path.is_socket()) == [".modules", ".run"]
    assert {stat.S_IMODE(path.stat().st_mode) & 0o077 for path in folder.iterdir()} == {0}
    pids = servers_of(own_servers)
    own_servers.close()
    assert all(ended(pid) for pid in pids)
    assert not [path for path in folder.iterdir() if path.is_socket()]


def test_a_module_server_that_dies_is_not_missed(tmp_path: Path, own_servers: WarmServers) -> None:
    local = LocalAnsible(tmp_path / "project", warm=own_servers)
    local.executor()
    [pid] = servers_of(own_servers)
    [modules] = [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    os.kill(modules, signal.SIGKILL)
    assert "ansible-modules" not in parents(local)
    assert "ansible-modules" in parents(local)
    assert ended(pid)


def test_modules_start_as_usual_while_their_server_hangs(tmp_path: Path, own_servers: WarmServers) -> None:
    local = LocalAnsible(tmp_path / "project", warm=own_servers)
    local.executor()
    [pid] = servers_of(own_servers)
    [modules] = [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    os.kill(modules, signal.SIGSTOP)
    above = parents(local)
    os.kill(modules, signal.SIGCONT)
    assert "warm_server.py" in above
    assert "ansible-modules" not in above


def test_the_settings_turn_it_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BSM_STATE_DIR", str(tmp_path / "state"))
    for text, expected in (
        ("", False),
        ('[ansible]\nexecutor = "cold"\n', False),
        ('[ansible]\nexecutor = "warm"\n', True),
    ):
        config = tmp_path / "bsm-remediate.toml"
        config.write_text(text)
        warm = Installation.from_options(Options(config=config)).warm_servers()
        assert (warm is not None) is expected
    config.write_text('[ansible]\nexecutor = "hot"\n')
    with pytest.raises(WrongUsage, match=r"ansible\.executor: Input should be 'cold' or 'warm'"):
        Installation.from_options(Options(config=config))
