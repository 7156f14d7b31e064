"""A PostgreSQL of its own for a benchmark, as durable as Debian ships it."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path

_AS_OWNER = ["setpriv", "--reuid=postgres", "--regid=postgres", "--init-groups"] if os.geteuid() == 0 else []
_NUMBERS = count(1)


class Cluster:
    """A running server."""

    def __init__(self, programs: Path, folder: Path, port: int) -> None:
        self._programs = programs
        self._folder = folder
        self.port = port

    def new_database(self) -> str:
        """Its URL."""
        name = f"bench_{next(_NUMBERS)}"
        url = f"postgresql://postgres@127.0.0.1:{self.port}/{name}"
        self.ask(f"{url.removesuffix(name)}postgres", f"create database {name}")
        return url

    def ask(self, url: str, statement: str) -> str:
        """The answer of the database at `url`."""
        command = [str(self._programs / "psql"), "-X", "-q", "-A", "-t", "-c", statement, url]
        return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, cwd="/").stdout.strip()


@contextmanager
def cluster() -> Iterator[Cluster]:
    """In a temporary folder; needs Debian's package `postgresql`. As root it runs as the user postgres."""
    programs = max(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: int(path.parent.name), default=None)
    if programs is None:
        raise SystemExit("PostgreSQL isn't there: apt install postgresql")
    folder = Path(tempfile.mkdtemp(prefix="bsm-bench-", dir="/tmp"))  # sockets need a short path
    if os.geteuid() == 0:
        shutil.chown(folder, "postgres", "postgres")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    data = folder / "data"

    def call(program: str, *words: str, check: bool = True) -> None:
        command = [*_AS_OWNER, str(programs / program), "-D", str(data), *words]
        subprocess.run(command, check=check, stdout=subprocess.DEVNULL, cwd="/")

    try:
        call("initdb", "-A", "trust", "-U", "postgres", "--no-locale", "--no-sync")
        with (data / "postgresql.conf").open("a") as settings:
            settings.write(f"listen_addresses = '127.0.0.1'\nport = {port}\nunix_socket_directories = '{folder}'\n")
        call("pg_ctl", "-w", "-s", "-l", str(folder / "log"), "start")
        try:
            yield Cluster(programs, folder, port)
        except BaseException:
            sys.stderr.write((folder / "log").read_text()[-1_000:])
            raise
        finally:
            call("pg_ctl", "-w", "-s", "-m", "immediate", "stop", check=False)  # what went wrong before counts
    finally:
        shutil.rmtree(folder, ignore_errors=True)
