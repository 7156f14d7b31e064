"""What somebody who operates the shop has: inventory, policies, playbooks, the engine's settings and tokens."""

from __future__ import annotations

import os
import re
import secrets
import shutil
import sys
from pathlib import Path

from lab.real.databases import services_file
from lab.real.hosts import user
from lab.real.layout import CHECKOUT, EXAMPLE, MANAGED, PROGRAMS, USUAL_PORT, Layout
from lab.real.packages import postgres_bin, program


def write_site(layout: Layout) -> None:
    """Everything, into the lab's folder, where it may be changed."""
    layout.file("inventory.yml").write_text(_inventory(layout))
    layout.file("pg_service.conf").write_text(services_file(layout))
    for name in ("alertmanager.token", "admin.token"):
        _secret(layout.file(name))
    layout.file("bsm-remediate.toml").write_text(_settings(layout))
    layout.file("env").write_text(_environment(layout))
    _write_command(layout)
    shutil.copytree(CHECKOUT / "playbooks", layout.folder / "playbooks")
    (layout.folder / "policies").mkdir()
    for source in sorted((EXAMPLE / "policies").glob("*.yml")):
        (layout.folder / "policies" / source.name).write_text(_with_ports(source.read_text(), layout))


def _inventory(layout: Layout) -> str:
    options = [
        "-o IdentitiesOnly=yes",
        "-o IdentityAgent=none",
        f"-o UserKnownHostsFile={layout.file('ssh/known_hosts')}",
        "-o GlobalKnownHostsFile=/dev/null",
        "-o StrictHostKeyChecking=yes",
        "-o ConnectTimeout=3",
    ]
    sockets = "{{ lab_dir }}/{{ inventory_hostname }}/run"
    ask = f'["psql", "-XtA", "-h", "{sockets}", "-p", "{{{{ postgres_port }}}}", "-U", "postgres", "-c"'
    groups = {"balancers": "lb1: {}", "web": "web1: {}, web2: {}", "databases": "db1: {}, db2: {}"}
    lines = [
        "all:",
        "  hosts:",
        *(f"    {host}: {{ansible_host: {layout.address(host)}}}" for host in MANAGED),
        "  vars:",
        f"    ansible_port: {layout.ports['ssh']}",
        f"    ansible_user: {user()}",
        f"    ansible_ssh_private_key_file: {layout.file('ssh/id_ed25519')}",
        f'    ansible_ssh_common_args: "{" ".join(options)}"',
        "    ansible_python_interpreter: /usr/bin/python3",
        f"    lab_dir: {layout.folder}",
        "    service_manager: supervisor",
        f"    supervisor_ctl: {program('supervisorctl')}",
        '    supervisor_config: "{{ lab_dir }}/{{ inventory_hostname }}/supervisord.conf"',
        '    diagnostics_dir: "{{ lab_dir }}/diagnostics"',
        f"    haproxy_socket: {layout.home('lb1')}/haproxy.sock",
        f"    redis_port: {layout.ports['redis']}",
        f"    postgres_port: {layout.ports['postgres']}",
        f"    postgres_bin: {postgres_bin()}",
        '    postgres_data: "{{ lab_dir }}/{{ inventory_hostname }}/data"',
        "    fail_over_manager: command",
        f'    standby_role_command: {ask}, "select pg_is_in_recovery()"]',
        f'    standby_promote_command: {ask}, "select pg_promote()"]',
        "  children:",
        *(f"    {name}: {{hosts: {{{hosts}}}}}" for name, hosts in groups.items()),
    ]
    return "\n".join(lines) + "\n"


def _with_ports(text: str, layout: Layout) -> str:
    """`text` with the ports of this lab in place of the usual ones, where those weren't free."""
    moved = {str(usual): str(layout.ports[kind]) for kind, usual in USUAL_PORT.items()}
    return re.sub(r'(?<=port: ")\d+(?=")', lambda found: moved.get(found[0], found[0]), text)


def _secret(file: Path) -> None:
    file.touch(mode=0o600)
    file.write_text(secrets.token_urlsafe(24))


def _settings(layout: Layout) -> str:
    return f"""# The engine of this lab: `bsm-remediate serve` in this folder.
policies = "{layout.folder}/policies"
inventory = ["{layout.folder}/inventory.yml"]
playbooks = "{layout.folder}/playbooks"
state_dir = "{layout.folder}/state"

[server]
host = "127.0.0.1"
port = {layout.ports["engine"]}

[[tokens]]
name = "alertmanager"
role = "webhook"
file = "{layout.file("alertmanager.token")}"

[sources.alertmanager]
url = "{layout.url("mon", "alertmanager")}"
receiver = "bsm-remediate"
settles_after = "5s"
"""


def _environment(layout: Layout) -> str:
    folder = Path(sys.executable).parent
    return f"""# For a shell: `. {layout.file("env")}`
cd {layout.folder} || return
PATH={layout.folder}/bin:{folder}:$PATH
BSM_URL={layout.engine_url}
BSM_TOKEN_FILE={layout.file("admin.token")}
export PATH BSM_URL BSM_TOKEN_FILE
"""


def _write_command(layout: Layout) -> None:
    """`lab`, as it can be called from anywhere once `env` was read."""
    command = layout.folder / "bin" / "lab"
    command.parent.mkdir()
    command.write_text(
        f'#!/bin/sh\ncd {CHECKOUT} || exit\nBSM_LAB_DIR={layout.folder} exec {sys.executable} -m lab.real "$@"\n'
    )
    command.chmod(0o755)


def engine_environment(layout: Layout) -> dict[str, str]:
    """Of an engine that is started for this lab."""
    passed = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    return {"PATH": os.defpath, **passed, "LC_ALL": "C.UTF-8", "BSM_TOKEN_FILE": str(layout.file("admin.token"))}


def components() -> tuple[str, ...]:
    """What the policies know."""
    return tuple(one.component for one in PROGRAMS if one.component)
