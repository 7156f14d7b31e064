"""A host of the lab: an sshd of its own on a loopback address, and a supervisord that starts the host's programs.

Nothing restarts by itself; repairs come over SSH.
"""

from __future__ import annotations

import os
import pwd
import subprocess
import time
from pathlib import Path

from lab.real.layout import CHECKOUT, HOSTS, MANAGED, Layout
from lab.real.packages import postgres_bin, program

_SSHD_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_RPC = "supervisor.rpcinterface:make_main_rpcinterface"


def user() -> str:
    """Whom Ansible logs in as: a plain user's sshd lets in nobody else."""
    return pwd.getpwuid(os.getuid()).pw_name


def make_keys(layout: Layout) -> None:
    """One key for whoever logs in, one host key each, and `known_hosts`, so that host key checking stays on."""
    (layout.folder / "ssh").mkdir(mode=0o700)
    _keygen(layout.file("ssh/id_ed25519"), "bsm-lab")
    known = []
    for host in MANAGED:
        layout.home(host).mkdir(mode=0o755)
        key = layout.home(host) / "ssh_host_ed25519_key"
        _keygen(key, host)
        public = key.with_suffix(".pub").read_text().split()
        known.append(f"[{layout.address(host)}]:{layout.ports['ssh']} {public[0]} {public[1]}")
    layout.home("mon").mkdir(mode=0o755)
    layout.file("ssh/known_hosts").write_text("\n".join(known) + "\n")
    authorized = layout.file("ssh/authorized_keys")
    authorized.write_text(layout.file("ssh/id_ed25519.pub").read_text())
    layout.file("ssh/config").write_text(_client_config(layout))


def _keygen(file: Path, comment: str) -> None:
    command = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", comment, "-f", str(file)]
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL)


def _client_config(layout: Layout) -> str:
    parts = [
        f"Host {host}\n  HostName {layout.address(host)}\n  HostKeyAlias [{layout.address(host)}]:{layout.ports['ssh']}"
        for host in MANAGED
    ]
    common = [
        f"Host {' '.join(MANAGED)}",
        f"  User {user()}",
        f"  Port {layout.ports['ssh']}",
        f"  IdentityFile {layout.file('ssh/id_ed25519')}",
        "  IdentitiesOnly yes",
        "  IdentityAgent none",
        f"  UserKnownHostsFile {layout.file('ssh/known_hosts')}",
        "  GlobalKnownHostsFile /dev/null",
        "  StrictHostKeyChecking yes",
        "  BatchMode yes",
    ]
    return "\n".join([*parts, *common]) + "\n"


def start_sshd(layout: Layout, host: str) -> None:
    """Start the sshd of `host`; it goes into the background. Raises `RuntimeError` with what it says."""
    home = layout.home(host)
    config = home / "sshd_config"
    config.write_text(_sshd_config(layout, host))
    if os.geteuid() == 0:
        Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)  # sshd insists on it
    started = subprocess.run(
        [program("sshd"), "-f", str(config), "-E", str(home / "sshd.log")],
        env=environment(layout),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    if started.returncode != 0:
        raise RuntimeError(f"sshd of {host} didn't start: {started.stderr or (home / 'sshd.log').read_text()}")


def _sshd_config(layout: Layout, host: str) -> str:
    home = layout.home(host)
    seen = {
        "PATH": f"{_SSHD_PATH}:{postgres_bin()}",
        "BSM_LAB_HOST": host,
        "BSM_LAB_MARK": layout.mark,
        "PGSERVICEFILE": str(layout.file("pg_service.conf")),
    }
    lines = {
        "ListenAddress": layout.at(host, "ssh"),
        "HostKey": str(home / "ssh_host_ed25519_key"),
        "PidFile": str(home / "sshd.pid"),
        "AuthorizedKeysFile": str(layout.file("ssh/authorized_keys")),
        "StrictModes": "no",
        # With PAM off sshd refuses accounts without a password of their own, as root often is.
        "UsePAM": "yes" if _is_locked() else "no",
        "PasswordAuthentication": "no",
        "KbdInteractiveAuthentication": "no",
        "PermitRootLogin": "prohibit-password",
        "AllowUsers": user(),
        "UseDNS": "no",
        "PrintMotd": "no",
        "PrintLastLog": "no",
        "MaxStartups": "100:30:200",
        "MaxSessions": "50",
        "Subsystem": "sftp internal-sftp",
        "SetEnv": " ".join(f"{name}={value}" for name, value in seen.items()),
    }
    return "".join(f"{key} {value}\n" for key, value in lines.items())


def _is_locked() -> bool:
    try:
        shadow = Path("/etc/shadow").read_text().splitlines()
    except OSError:
        return False  # then sshd can't read it either
    return any(line.startswith(f"{user()}:!") for line in shadow)


def environment(layout: Layout) -> dict[str, str]:
    """Of everything that the lab starts; the mark says whose it is."""
    home = pwd.getpwuid(os.getuid()).pw_dir
    return {"PATH": _SSHD_PATH, "HOME": home, "LC_ALL": "C.UTF-8", "BSM_LAB_MARK": layout.mark}


def start_supervisor(layout: Layout, host: str, programs: dict[str, str]) -> None:
    """Start the supervisord of `host` in the background with `programs` (name → further lines of its section)."""
    home = layout.home(host)
    own = {"logfile": f"{home}/supervisord.log", "pidfile": f"{home}/supervisord.pid", "childlogdir": str(home)}
    own["directory"] = str(CHECKOUT)
    if os.geteuid() == 0:
        own["user"] = "root"  # it warns when it isn't told that this is meant
    parts = [
        "\n".join(["[supervisord]", *(f"{key}={value}" for key, value in own.items())]),
        f"[unix_http_server]\nfile={home}/s.sock\nchmod=0700",
        f"[rpcinterface:supervisor]\nsupervisor.rpcinterface_factory={_RPC}",
        f"[supervisorctl]\nserverurl=unix://{home}/s.sock",
    ]
    for name, lines in programs.items():
        # Only the engine repairs: autorestart is off; startsecs 0, because a program is up when it answers.
        parts.append(
            f"[program:{name}]\n{lines}\nautorestart=false\nstartsecs=0\nstopwaitsecs=3\nstopasgroup=true\n"
            f"killasgroup=true\nredirect_stderr=true\nstdout_logfile={home}/{name}.log\nstdout_logfile_maxbytes=5MB\n"
            "stdout_logfile_backups=1"
        )
    config = home / "supervisord.conf"
    config.write_text("\n\n".join(parts) + "\n")
    command = [program("supervisord"), "--configuration", str(config)]
    started = subprocess.run(
        command, env=environment(layout), stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )
    if started.returncode != 0:
        raise RuntimeError(f"supervisord of {host} didn't start: {started.stdout}{started.stderr}")


def supervisorctl(layout: Layout, host: str, *arguments: str) -> str:
    """What `supervisorctl` says on `host`."""
    if host not in HOSTS:
        raise ValueError(f"there is no host {host}")
    config = str(layout.home(host) / "supervisord.conf")
    command = [program("supervisorctl"), "-c", config, *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=30).stdout.strip()


def supervised_pid(layout: Layout, host: str, name: str) -> int:
    """Of a running program. Raises `RuntimeError` when it doesn't run (0 would be everybody of our group)."""
    said = supervisorctl(layout, host, "pid", name)
    if not said.isdigit() or int(said) <= 1:
        raise RuntimeError(f"{name} on {host} doesn't run: {said}")
    return int(said)


def wait_for_supervisor(layout: Layout, host: str, deadline: float) -> None:
    """Raises `RuntimeError` when it doesn't listen by `deadline` (monotonic)."""
    while not (layout.home(host) / "s.sock").exists():
        if time.monotonic() > deadline:
            raise RuntimeError(f"supervisord of {host} doesn't listen; see {layout.home(host)}/supervisord.log")
        time.sleep(0.02)
