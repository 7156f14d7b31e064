"""The warm servers of an engine: one for each way in which Ansible is configured, started before they are needed."""

from __future__ import annotations

import hashlib
import json
import logging
import os
import secrets
import select
import subprocess
import threading
import time
import weakref
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from bsm_remediate.adapters.ansible.project import OURS, AnsibleProject
from bsm_remediate.adapters.ansible.warm_local import STEERING

_log = logging.getLogger(__name__)

_SCRIPT = OURS / "warm_server.py"
_ROOM = " " * 8192
"""For the command lines of its runs, as `ps` shows them."""
_PAUSE_S = 30.0
"""From the start of a server that never became ready until the next one is tried."""


@dataclass(frozen=True, kw_only=True, slots=True)
class _Start:
    """All that a server has to do with before it knows its runs. What differs needs another server."""

    command: tuple[str, ...]
    folder: Path
    environ: tuple[tuple[str, str], ...]
    files: tuple[str, ...]
    """Which contents of which files were read."""


@dataclass(kw_only=True)
class _Server:
    """A process, and how to reach it."""

    process: subprocess.Popen[bytes]
    name: str
    started: float
    watched: dict[str, tuple[int, int, int]] | None = None
    """Files whose change means an upgrade, once it has said that it is ready."""
    report: bytes = b""

    def is_alive(self) -> bool:
        return self.process.poll() is None

    def hear(self) -> None:
        """Take in what it has said."""
        if self.process.stdout is None or self.watched is not None:
            return
        self.report += self.process.stdout.read() or b""
        if self.report.endswith(b"\n"):
            self.watched = {path: _stamp(path) for path in json.loads(self.report)["watch"]}

    def is_current(self) -> bool:
        return self.watched is not None and all(_stamp(path) == stamp for path, stamp in self.watched.items())

    def finish(self) -> None:
        """Let it end what runs, and start nothing more."""
        if self.process.stdin is not None and self.is_alive():
            try:
                self.process.stdin.write(b".")
            except BrokenPipeError:
                return


@dataclass
class _Servers:
    """What has to be ended at the end."""

    folder: Path
    current: dict[_Start, _Server] = field(default_factory=dict)
    finishing: list[_Server] = field(default_factory=list)

    def end(self) -> None:
        for server in (*self.current.values(), *self.finishing):
            self.dismiss(server)
        self.current.clear()
        self.finishing.clear()

    def dismiss(self, server: _Server) -> None:
        """End it, with all that it may still run."""
        for pipe in (server.process.stdin, server.process.stdout):
            if pipe is not None:
                pipe.close()
        server.process.wait()
        for path in self.folder.glob(f"{server.name}.*"):
            path.unlink(missing_ok=True)


class WarmServers:
    """Says where a run can be left to a server that is ready for just that way to call Ansible; starts and replaces
    servers on the way.
    """

    def __init__(self, state: Path) -> None:
        """Sockets lie in `state`, for its owner alone."""
        self._folder = state.absolute() / "warm"
        self._guard = threading.Lock()
        self._servers = _Servers(self._folder)
        self._wanted: dict[AnsibleProject, _Start] = {}
        self._ended = weakref.finalize(self, self._servers.end)

    def address(self, project: AnsibleProject, environ: Mapping[str, str]) -> tuple[str, ...]:
        """Folder and name of a server for runs in whose environment `environ` lasts; empty while there is none."""
        with self._guard:
            server = self._server(project, environ)
            return (str(self._folder), server.name) if server is not None and server.watched is not None else ()

    def wait_until_ready(self, project: AnsibleProject, environ: Mapping[str, str], timeout_s: float) -> bool:
        """Whether there is one within `timeout_s`."""
        deadline = time.monotonic() + timeout_s
        while not self.address(project, environ):
            with self._guard:
                server = self._server(project, environ)
            if server is None or time.monotonic() >= deadline:
                return False
            assert server.process.stdout is not None  # noqa: S101
            select.select([server.process.stdout.fileno()], [], [], 0.1)
        return True

    def close(self) -> None:
        """End all of them, and what they run."""
        self._ended()

    def _server(self, project: AnsibleProject, environ: Mapping[str, str]) -> _Server | None:
        start = _start(project, environ)
        if start is None:
            return None
        self._wanted[project] = start
        self._retire()
        server = self._servers.current.get(start)
        if server is not None and not server.is_alive():
            if server.watched is None and time.monotonic() < server.started + _PAUSE_S:
                return None
            _log.warning("warm.ended code=%s: see %s", server.process.returncode, self._folder / "server.log")
            self._servers.dismiss(self._servers.current.pop(start))
            server = None
        if server is None:
            server = self._servers.current[start] = self._started(start)
        server.hear()
        return server

    def _retire(self) -> None:
        """Those that nobody wants any more, or that an upgrade has made old, finish what they have."""
        for start, server in list(self._servers.current.items()):
            outdated = server.watched is not None and not server.is_current()
            if server.is_alive() and (outdated or start not in self._wanted.values()):
                _log.info("warm.retired pid=%d", server.process.pid)
                server.finish()
                self._servers.finishing.append(self._servers.current.pop(start))
        for server in [one for one in self._servers.finishing if not one.is_alive()]:
            self._servers.finishing.remove(server)
            self._servers.dismiss(server)

    def _started(self, start: _Start) -> _Server:
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._folder.chmod(0o700)
        name = secrets.token_hex(8)
        errors = os.open(self._folder / "server.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        try:
            process = subprocess.Popen(
                [*start.command, str(_SCRIPT), str(self._folder), name, _ROOM],
                cwd=start.folder,
                env={**dict(start.environ), "ANSIBLE_LOCAL_TEMP": str(self._folder / "tmp")},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                bufsize=0,
                start_new_session=True,  # a terminal's interrupt is the engine's business
            )
        finally:
            os.close(errors)
        assert process.stdout is not None  # noqa: S101
        os.set_blocking(process.stdout.fileno(), False)
        _log.info("warm.started pid=%d", process.pid)
        return _Server(process=process, name=name, started=time.monotonic())


def _start(project: AnsibleProject, environ: Mapping[str, str]) -> _Start | None:
    """None: this Ansible isn't started by a Python that could be started without it."""
    python = _interpreter(Path(project.program("ansible-playbook")))
    if python is None:
        return None
    # Names let through by the deployment belong to the runs alone, save those that are heeded only at the start.
    frozen = {
        name: text
        for name, text in environ.items()
        if name not in project.environment or name.startswith("ANSIBLE_") or STEERING.fullmatch(name)
    }
    return _Start(
        command=python,
        folder=project.folder,
        environ=tuple(sorted(frozen.items())),
        files=tuple(_contents([project.config])),
    )


def _interpreter(program: Path) -> tuple[str, ...] | None:
    """What the first line of `program` starts, with its options."""
    try:
        with program.open("rb") as file:
            first = file.readline(512)
    except OSError:
        return None
    words = os.fsdecode(first).removeprefix("#!").split()
    is_python = first.startswith(b"#!/") and "python" in Path(words[0]).name
    return tuple(words) if is_python else None


def _contents(files: Iterable[Path]) -> Iterator[str]:
    for path in files:
        try:
            content = path.read_bytes()
        except OSError as error:
            content = str(error).encode()
        yield f"{path} {_stamp(str(path))} {hashlib.sha256(content).hexdigest()}"


def _stamp(path: str) -> tuple[int, int, int]:
    try:
        status = os.stat(path)  # noqa: PTH116
    except OSError:
        return (0, 0, 0)
    return (status.st_mtime_ns, status.st_size, status.st_ino)
