"""A PostgreSQL and its standby, with replication over loopback; as root they run as the user postgres."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from pathlib import Path

from tests.integration.library.daemons import free_port, wait_until

BIN = max(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: int(path.parent.name))
AS_OWNER = ["setpriv", "--reuid=postgres", "--regid=postgres", "--init-groups"] if os.geteuid() == 0 else []


class Postgres:
    """One server in `folder`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.data = folder / "data"
        self.port = free_port()
        self.address = {"postgres_host": "127.0.0.1", "postgres_port": self.port, "postgres_user": "postgres"}
        folder.mkdir()
        if os.geteuid() == 0:
            shutil.chown(folder, "postgres", "postgres")

    def command(self, verb: str) -> list[str]:
        """`pg_ctl` for `verb`: start, stop or restart."""
        options = ["-D", str(self.data), "-l", str(self.folder / "log"), "-m", "immediate", "-t", "20", "-w", "-s"]
        return [*AS_OWNER, str(BIN / "pg_ctl"), *options, verb]

    def create(self) -> None:
        self._run("initdb", "-D", str(self.data), "-A", "trust", "-U", "postgres", "--no-sync", "--no-locale")
        self._configure("wal_level = replica\nmax_wal_senders = 4\n")

    def copy_of(self, primary: Postgres) -> None:
        place = ["-h", "127.0.0.1", "-p", str(primary.port), "-U", "postgres"]
        self._run("pg_basebackup", *place, "-D", str(self.data), "-R", "-c", "fast", "--no-sync")
        self._configure("")

    def start(self) -> None:
        subprocess.run(self.command("start"), check=True, timeout=30, stdout=subprocess.DEVNULL, cwd="/")

    def pid(self) -> int:
        return int((self.data / "postmaster.pid").read_text().split()[0])

    def crash(self) -> None:
        """`kill -9` of the postmaster; the others end when they notice."""
        pid = self.pid()
        os.kill(pid, signal.SIGKILL)
        wait_until(lambda: not Path(f"/proc/{pid}").exists(), "the postmaster is gone")

    def ask(self, statement: str) -> str:
        """Its answer. Raises `CalledProcessError`."""
        place = ["-h", "127.0.0.1", "-p", str(self.port), "-U", "postgres", "-d", "postgres"]
        command = [str(BIN / "psql"), "-X", "-q", "-A", "-t", *place, "-c", statement]
        done = subprocess.run(command, check=True, timeout=20, capture_output=True, text=True, cwd="/")
        return done.stdout.strip()

    def answers(self) -> bool:
        try:
            return self.ask("select 1") == "1"
        except (subprocess.CalledProcessError, subprocess.TimeoutExpired):
            return False

    def role(self) -> str:
        return {"t": "standby", "f": "primary"}[self.ask("select pg_is_in_recovery()")]

    def end(self) -> None:
        subprocess.run(self.command("stop"), check=False, timeout=30, capture_output=True, cwd="/")

    def _configure(self, more: str) -> None:
        with (self.data / "postgresql.conf").open("a") as settings:
            settings.write(f"listen_addresses = '127.0.0.1'\nport = {self.port}\nfsync = off\n")
            settings.write(f"unix_socket_directories = '{self.folder}'\n{more}")

    def _run(self, name: str, *arguments: str) -> None:
        subprocess.run([*AS_OWNER, str(BIN / name), *arguments], check=True, timeout=60, capture_output=True, cwd="/")
