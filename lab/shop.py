"""The shop: starts one supervisor per inventory host, breaks processes, and clears everything away again.

`python -m lab.shop` keeps one running until Ctrl-C, to try playbooks on.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from lab.children import Children, kill_process
from lab.serving import Unavailable, ask, fetch
from lab.topology import PORT, PROCESSES, SUPERVISED, Network, Process, claim_network, inventory_text

CHECKOUT = Path(__file__).resolve().parent.parent
_LONGEST_FOLDER = 80
"""A unix socket's path may have 107 bytes."""
DISK_FAULT = "database-disk"
_RPC = "supervisor.rpcinterface:make_main_rpcinterface"
FAULTS = (*(process.component for process in PROCESSES), DISK_FAULT)


class Shop:
    """A running shop. Everything that it writes lies in `folder`."""

    def __init__(self, folder: Path, network: Network, children: Children) -> None:
        self.folder = folder
        self.network = network
        self._children = children
        self._bin = Path(sys.executable).parent

    @property
    def inventory(self) -> Path:
        return self.folder / "hosts.yml"

    def start(self) -> None:
        """Start all supervisors; they start their processes. Raises `RuntimeError` when one doesn't come up."""
        self.inventory.write_text(inventory_text(self.network, str(self.folder)))
        for host in SUPERVISED:
            home = self.folder / host
            home.mkdir()
            config = home / "supervisord.conf"
            config.write_text(self._config(host, home))
            command = [str(self._bin / "supervisord"), "--nodaemon", "--configuration", str(config)]
            self._children.start(
                command, log=home / "supervisord.out", cwd=CHECKOUT, environment=_environment(self.folder)
            )

    def wait_until_healthy(self, timeout_s: float = 30.0) -> None:
        """Until every process answers and has what it needs. Raises `RuntimeError` naming those that don't."""
        deadline = time.monotonic() + timeout_s
        waiting = list(PROCESSES)
        while waiting:
            waiting = [process for process in waiting if not self.is_ready(process)]
            if waiting and time.monotonic() > deadline:
                names = ", ".join(process.component for process in waiting)
                raise RuntimeError(f"the shop didn't come up: {names}; see the logs in {self.folder}")
            time.sleep(0.1)

    def is_ready(self, process: Process) -> bool:
        """Whether `process` answers and everything that it needs does."""
        address, port = self.network.where(process)
        try:
            return fetch(address, port, "/ready" if process.has_needs else "/healthz").status == 200
        except Unavailable:
            return False

    def pid(self, component: str) -> int:
        """The real process of `component`, as it says itself; for the database that of the primary's host."""
        process = next(one for one in PROCESSES if one.component == component)
        answer = ask(self.network.address(process.host), PORT[process.kind], "/healthz")
        return int(answer["pid"])

    def break_(self, fault: str, pid: int | None = None) -> None:
        """Kill the process of a component, `pid` if that is known; `database-disk` also damages its data, so that it
        can't start again.
        """
        if fault not in FAULTS:
            raise ValueError(f"'{fault}' is none of {', '.join(FAULTS)}")
        kill_process(pid if pid is not None else self.pid("database" if fault == DISK_FAULT else fault))
        if fault == DISK_FAULT:
            with (self.folder / "db1" / "data" / "data.jsonl").open("a") as stream:
                stream.write("\0\0\0 bad sector\n")

    def supervisorctl(self, host: str, *arguments: str) -> str:
        """What `supervisorctl` says on `host`."""
        command = [str(self._bin / "supervisorctl"), "-c", str(self.folder / host / "supervisord.conf"), *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=False, timeout=20).stdout

    def _config(self, host: str, home: Path) -> str:
        # Only the engine repairs: autorestart is off; startsecs 0, because every process is up when it listens.
        parts = [
            f"[supervisord]\nlogfile={home}/supervisord.log\npidfile={home}/supervisord.pid\nchildlogdir={home}",
            f"nodaemon=true\nsilent=true\n{'user=root' if os.geteuid() == 0 else ''}",
            f"[unix_http_server]\nfile={home}/s.sock\nchmod=0700",
            f"[rpcinterface:supervisor]\nsupervisor.rpcinterface_factory={_RPC}",
            f"[supervisorctl]\nserverurl=unix://{home}/s.sock",
        ]
        for process in PROCESSES:
            if process.host == host:
                words = [sys.executable, "-m", *self.network.arguments(process, home / "data")]
                command = " ".join(f'"{word}"' for word in words).replace("%", "%%")
                parts.append(
                    f"[program:{process.component}]\ncommand={command}\ndirectory={CHECKOUT}\n"
                    "autorestart=false\nstartsecs=0\nstopwaitsecs=1\nstopasgroup=true\nkillasgroup=true\n"
                    f"redirect_stderr=true\nstdout_logfile={home}/{process.component}.log"
                )
        return "\n\n".join(parts) + "\n"


def lab_folder() -> Path:
    """A new folder for a lab: `BSM_LAB_DIR`, else a temporary one whose path is short enough for sockets."""
    given = os.environ.get("BSM_LAB_DIR")
    if given:
        folder = Path(given).absolute()
        folder.mkdir(mode=0o700, parents=True)  # never into a folder that has something of somebody else
        return folder
    usual = tempfile.gettempdir()
    return Path(tempfile.mkdtemp(prefix="bsm-lab-", dir=usual if len(usual) < _LONGEST_FOLDER else "/tmp"))


def open_shop(children: Children, folder: Path) -> Shop:
    """A started and healthy shop in `folder`."""
    network, claim = claim_network()
    children.keep(claim)
    shop = Shop(folder, network, children)
    shop.start()
    shop.wait_until_healthy()
    return shop


def _environment(folder: Path) -> dict[str, str]:
    """Of the supervisors and all that they start; the folder marks them as this lab's."""
    passed = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    return {"PATH": os.defpath, **passed, "LC_ALL": "C.UTF-8", "BSM_LAB_DIR": str(folder)}


def end_on_signals() -> None:
    """Let SIGTERM, SIGHUP and SIGINT end this process by `KeyboardInterrupt`, so that everything is cleared away.

    SIGINT too: a shell starts what it puts in the background with SIGINT ignored.
    """

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
        signal.signal(number, interrupt)


def main() -> None:
    end_on_signals()
    folder = lab_folder()
    try:
        with Children() as children:
            shop = open_shop(children, folder)
            print(f"The shop runs; its inventory is {shop.inventory}. Ctrl-C ends it.", flush=True)
            while True:
                time.sleep(3600)
    except KeyboardInterrupt:
        print("ended")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
