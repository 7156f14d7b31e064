"""Stands in for `ansible-playbook`, below the guard: leaves the run to a warm server, and ends as that run ended.

As long as nothing was sent, a server that is gone, busy or broken costs nothing: then the command is started the usual
way. Once it was sent, never: nobody could say whether it has begun.
Standard library only, and of that what starts fastest.
"""

# ruff: noqa: PTH109
# (pathlib would double the time that this takes to start)
from __future__ import annotations

import _signal  # type: ignore[import-not-found]
import _socket
import os
import sys

from guard import ORDERLY, RELEASE, SIGNALLED  # type: ignore[import-not-found]  # beside this script

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import NoReturn

RUN, MODULES = "run", "modules"
HELLO = b"hello"
PATIENCE_S = 2.0
"""How long a server may take to say hello."""
DIED = SIGNALLED + 9
LARGEST = 1 << 20


def leave_to(
    folder: str, server: str, lock: int, command: list[str], *, otherwise: Callable[[list[str]], NoReturn]
) -> NoReturn:
    """Have `server`, whose sockets are in `folder`, carry out `command`; the file `lock` is held until that is over."""
    run = greeted(folder, f"{server}.{RUN}")
    if run is None:
        otherwise(command)
    ours, theirs = _socket.socketpair(_socket.AF_UNIX, _socket.SOCK_SEQPACKET)
    if not sent(run, request(command), [0, 1, 2, lock, ours.fileno()]):
        otherwise(command)
    ours.close()
    modules = greeted(folder, f"{server}.{MODULES}")  # while the run is on its way; without it, that finds nobody there
    if modules is not None and not sent(modules, [b""], [lock, theirs.fileno()]):
        modules = None
    theirs.close()
    run.settimeout(None)
    try:
        answer = run.recv(1)
    except OSError:
        answer = b""
    code = answer[0] if answer else DIED
    if modules is not None and code in ORDERLY:
        sent(modules, [RELEASE], [])
    os._exit(code)


def request(command: list[str]) -> list[bytes]:
    """What a run is made of besides its files: folder, umask, signals that it ignores, command line, environment."""
    umask = os.umask(0o077)
    os.umask(umask)
    words = [os.fsencode(word) for word in command]
    environ = [name + b"=" + value for name, value in os.environb.items()]
    ignored = [b"%d" % number for number in range(1, 32) if _signal.getsignal(number) == _signal.SIG_IGN]
    return [os.fsencode(os.getcwd()), b"%o" % umask, b" ".join(ignored), b"%d" % len(words), *words, *environ]


def greeted(folder: str, name: str) -> _socket.socket | None:
    """A connection to a server that has said hello; None: there is no such."""
    place = -1
    try:
        place = os.open(folder, os.O_PATH | os.O_DIRECTORY)
        connection = _socket.socket(_socket.AF_UNIX, _socket.SOCK_SEQPACKET)
        connection.settimeout(PATIENCE_S)
        connection.setsockopt(_socket.SOL_SOCKET, _socket.SO_SNDBUF, LARGEST)
        connection.connect(f"/proc/self/fd/{place}/{name}")  # a socket's own path may have 107 letters only
        return connection if connection.recv(len(HELLO)) == HELLO else None
    except OSError:
        return None
    finally:
        if place >= 0:
            os.close(place)


def sent(connection: _socket.socket, parts: Iterable[bytes], files: list[int]) -> bool:
    """Whether `parts` and `files` went out, which they do whole or not at all."""
    try:
        rights = [(_socket.SOL_SOCKET, _socket.SCM_RIGHTS, b"".join(one.to_bytes(4, sys.byteorder) for one in files))]
        connection.sendmsg([b"\0".join(parts)], rights if files else [])
    except OSError:
        return False
    return True
