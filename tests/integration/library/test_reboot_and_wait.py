"""A reboot over real SSH; what reboots is a program that ends the host's sshd and sessions and starts them anew."""

from __future__ import annotations

import getpass
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.library.daemons import free_port, listens, program, wait_until
from tests.integration.library.playing import LOCAL, does_its_work_once, only_looks_in_check_mode, play, refusals

REBOOT = """#!{python} -S
import os, signal, subprocess, sys, time
folder = {folder!r}
if os.fork():
    sys.exit()
os.setsid()
devnull = os.open(os.devnull, os.O_RDWR)
for stream in (0, 1, 2):
    os.dup2(devnull, stream)
time.sleep(0.3)
os.kill(int(open(folder + "/sshd.pid").read()), signal.SIGTERM)
with open(folder + "/reboots", "a") as log:
    log.write("x")
time.sleep(1)
for name, text in (("uptime", "1.00 1.00\\n"), ("boot_id", "boot-%f\\n" % time.time())):
    with open(folder + "/" + name, "w") as stream:
        stream.write(text)
subprocess.run([{sshd!r}, "-f", folder + "/sshd_config"])
"""


class Host:
    """An sshd on a port of its own, whose boot is told by files."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = free_port()
        for key in ("host", "user"):
            subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / key)], check=True)
        (folder / "authorized_keys").write_text((folder / "user.pub").read_text())
        (folder / "known_hosts").write_text(f"[127.0.0.1]:{self.port} {(folder / 'host.pub').read_text()}")
        (folder / "sshd_config").write_text(
            f"ListenAddress 127.0.0.1\nPort {self.port}\nHostKey {folder}/host\nPidFile {folder}/sshd.pid\n"
            f"AuthorizedKeysFile {folder}/authorized_keys\nStrictModes no\nUsePAM no\nPasswordAuthentication no\n"
            "PermitRootLogin prohibit-password\nUseDNS no\nSubsystem sftp internal-sftp\n"
        )
        reboot = folder / "reboot"
        reboot.write_text(REBOOT.format(python=sys.executable, folder=str(folder), sshd=program("sshd")))
        reboot.chmod(0o755)
        (folder / "uptime").write_text("86400.00 1.00\n")
        (folder / "boot_id").write_text("boot-1\n")
        if os.geteuid() == 0:
            Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)  # sshd insists on it
        subprocess.run([program("sshd"), "-f", str(folder / "sshd_config")], check=True)
        wait_until(lambda: listens(self.port), "sshd listens")

    def reboots(self) -> int:
        log = self.folder / "reboots"
        return len(log.read_text()) if log.exists() else 0

    def inventory(self) -> dict[str, dict[str, object]]:
        options = f"-o UserKnownHostsFile={self.folder}/known_hosts -o ControlMaster=no"
        return {
            "h1": {
                "ansible_connection": "ssh",
                "ansible_host": "127.0.0.1",
                "ansible_port": self.port,
                "ansible_user": getpass.getuser(),
                "ansible_ssh_private_key_file": str(self.folder / "user"),
                "ansible_ssh_common_args": options,
                "ansible_ssh_use_tty": False,  # a plain user's sshd can't give terminals away
            }
        }

    def end(self) -> None:
        os.kill(int((self.folder / "sshd.pid").read_text()), signal.SIGTERM)


@pytest.fixture
def rebootable(tmp_path: Path) -> Iterator[Host]:
    host = Host(tmp_path)
    yield host
    wait_until(lambda: listens(host.port), "the last reboot is over")
    host.end()


def test_a_host_is_rebooted_once_and_waited_for(rebootable: Host, tmp_path: Path) -> None:
    given = {
        "reboot_command": str(tmp_path / "reboot"),
        "reboot_uptime_file": str(tmp_path / "uptime"),
        "reboot_boot_file": str(tmp_path / "boot_id"),
        "reboot_ready_command": f"test -e {tmp_path}/reboots",
        "reboot_timeout": 30,
        "reboot_port": rebootable.port,
    }
    only_looks_in_check_mode("reboot_and_wait.yml", tmp_path, given, hosts=rebootable.inventory())
    assert rebootable.reboots() == 0
    does_its_work_once("reboot_and_wait.yml", tmp_path, given, hosts=rebootable.inventory())
    assert rebootable.reboots() == 1


def test_a_host_that_does_not_come_back_is_a_failure(rebootable: Host, tmp_path: Path) -> None:
    given = {
        "reboot_command": "/bin/true",
        "reboot_uptime_file": str(tmp_path / "uptime"),
        "reboot_boot_file": str(tmp_path / "boot_id"),
        "reboot_timeout": 2,
    }
    played = play("reboot_and_wait.yml", tmp_path, given, hosts=rebootable.inventory())
    assert not played.succeeded
    assert "Timed out waiting for last boot time check" in played.output


def test_the_machine_that_ansible_runs_on_is_never_rebooted(tmp_path: Path) -> None:
    command = {"reboot_command": f"/usr/bin/touch {tmp_path}/effect"}
    said = refusals(
        "reboot_and_wait.yml",
        tmp_path,
        {**LOCAL, **command},
        {"ansible_connection": "ssh", "reboot_command": f"touch {tmp_path}/effect"},
        {"ansible_connection": "ssh", "reboot_command": f"/bin/true; touch {tmp_path}/effect"},
        {"ansible_connection": "ssh", "reboot_min_uptime": "a while"},
    )
    assert all("reboot_and_wait.yml needs" in message for message in said), said
    assert not (tmp_path / "effect").exists()
