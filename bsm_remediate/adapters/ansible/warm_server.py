"""Forks runs of Ansible from a process that has imported it already, and modules from one that has imported theirs.

    python warm_server.py FOLDER NAME PADDING < control > report

Two processes of one thread each: one listens on FOLDER/NAME.run, one on FOLDER/NAME.modules, both for this user alone.
Whoever connects gets a guard of two levels of his own (`guard.guarded`), and below it what he asks for; it ends when he
does, and when this server does. The server ends with the control pipe. A letter in that lets it finish what runs first.
Nothing of a run comes back here: what a run knows dies with the process that was forked for it.
"""

from __future__ import annotations

import contextlib
import gc
import json
import os
import select
import signal
import socket
import struct
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn, Protocol

if TYPE_CHECKING:
    from bsm_remediate.adapters.ansible import guard, warm_client, warm_modules, warm_run
else:
    import guard
    import warm_client
    import warm_modules
    import warm_run

_PATIENCE_S = 10.0
"""How long a client may take to say what it wants."""
_MOST_FILES = 8
_RARELY = (20_000, 20, 20)
"""When a fork looks for garbage: a run's first hundredths of a second make none that is worth it."""


class Image(Protocol):
    """What a process has imported, ready to become what a client asks for."""

    lock: int
    """The place among a client's files of the one that is held until all is over."""

    def become(self, request: list[bytes], files: list[int]) -> NoReturn: ...


def main(folder: str, name: str) -> None:
    os.umask(0o077)
    beside = sys.path.pop(0)
    for own, module in list(sys.modules.items()):
        if own != "__main__" and str(Path(getattr(module, "__file__", None) or "").parent) == beside:
            del sys.modules[own]  # a plugin's import of that name must not find ours
    finished, modules = _fork_modules(folder, f"{name}.{warm_client.MODULES}")
    image = warm_run.Image()
    listener = _listening(folder, f"{name}.{warm_client.RUN}")
    print(json.dumps({"watch": image.watch}), flush=True)  # noqa: T201  # the report
    serve(listener, image, control=0, partner=modules)
    os.close(finished)
    with contextlib.suppress(ChildProcessError):
        os.waitpid(modules, 0)


def _fork_modules(folder: str, name: str) -> tuple[int, int]:
    """Start the other process, before Ansible's controller is imported; the pipe that retires it, and its pid."""
    watched, held = os.pipe()
    parent = os.getpid()
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            os.close(held)
            if guard.dies_with(parent):
                image = warm_modules.Image()
                serve(_listening(folder, name), image, control=watched)
                code = 0
        finally:
            os._exit(code)
    os.close(watched)
    return held, pid


def _listening(folder: str, name: str) -> socket.socket:
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    place = os.open(folder, os.O_PATH | os.O_DIRECTORY)
    listener.bind(f"/proc/self/fd/{place}/{name}")  # a socket's own path may have 107 letters only
    os.close(place)
    listener.listen(64)
    return listener


def serve(listener: socket.socket, image: Image, *, control: int, partner: int = 0) -> None:
    """Until told to finish by a letter on `control`, its end or that of the `partner`; then until all guards are gone.

    The end of standard input means that the engine is gone: then at once, and with all that runs.
    """
    if len(list(Path("/proc/self/task").iterdir())) != 1:
        raise RuntimeError("a thread was started by an import: a fork could find its locks held")
    gc.collect()
    gc.freeze()
    gc.set_threshold(*_RARELY)
    woken = _woken_by_children()
    guards: set[int] = set()
    wanted = [woken, control, listener.fileno()]
    while listener.fileno() in wanted or guards:
        heard, _, _ = select.select(wanted, [], [])
        finish = False
        if woken in heard:
            os.read(woken, 4096)
            ended = guard.reap().keys()
            guards -= ended
            finish = partner in ended
        if listener.fileno() in heard:
            connection, _ = listener.accept()
            guards.add(_fork_guard(connection, image, listener))
            connection.close()
        if control in heard:
            finish = True
            if not os.read(control, 1):
                if control == 0:
                    os._exit(0)  # the guards die with this process
                wanted.remove(control)
        if finish and listener.fileno() in wanted:
            wanted.remove(listener.fileno())
            listener.close()
    signal.set_wakeup_fd(-1)


def _woken_by_children() -> int:
    """A pipe to read from when one has ended."""
    woken, wake = os.pipe()
    os.set_blocking(woken, False)
    os.set_blocking(wake, False)
    signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    return woken


def _fork_guard(connection: socket.socket, image: Image, listener: socket.socket) -> int:
    server = os.getpid()
    pid = os.fork()
    if pid:
        return pid
    code = 1
    try:
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        listener.close()
        if guard.dies_with(server) and _is_own(connection):
            code = _guard(connection, image)
    finally:
        os._exit(code)


def _guard(connection: socket.socket, image: Image) -> int:
    connection.settimeout(_PATIENCE_S)
    connection.send(warm_client.HELLO)
    message, files, _, _ = socket.recv_fds(connection, warm_client.LARGEST, _MOST_FILES, socket.MSG_CMSG_CLOEXEC)
    if not files:
        return 0  # the client changed its mind
    connection.settimeout(None)

    def become() -> NoReturn:
        for number in (connection.fileno(), files.pop(image.lock)):
            os.close(number)
        _at_top_level(lambda: image.become(message.split(b"\0"), files))

    code = guard.guarded(become, connection.fileno())
    connection.send(bytes([code]))
    return 0


def _at_top_level(start: Callable[[], NoReturn]) -> NoReturn:
    """As if it were a program's own top level: what it raises ends it, and nothing above hears of it."""
    code: object = 1
    try:
        start()
    except SystemExit as end:
        code = end.code
    except BaseException:  # noqa: BLE001
        sys.excepthook(*sys.exc_info())
    warm_run.end(code)


def _is_own(connection: socket.socket) -> bool:
    """Whether this user is at the other end."""
    size = struct.calcsize("3i")
    _, user, _ = struct.unpack("3i", connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, size))
    return bool(user == os.geteuid())


if __name__ == "__main__":
    main(*sys.argv[1:3])
