"""Local modules in a run: those that are Ansible's own start in a fork of a process that has imported what they need.

The plugin for local connections starts programs as it does; only where it would start a fresh interpreter of the same
Python to feed it a module, that module is offered to the run's module server, which may decline.
"""

from __future__ import annotations

import os
import re
import selectors
import shlex
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping
from typing import Any

_channel: socket.socket | None = None
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
STEERING = re.compile(r"PYTHON.*|LD_.*|LC_.*|LANG(UAGE)?|TZ.*|MALLOC_.*|GLIBC_.*|OPENSSL_.*|GCONV_.*")
"""Variables that an interpreter or its libraries heed only when they start."""
_AFTER = " && sleep 0"
TAKEN, DECLINED = b"+", b"declined"
"""Said before anything of a module is started; said when it was not."""
_DIED = 137


def adapt(plugins: Mapping[str, Any]) -> None:
    """Stand where Ansible's plugin for local connections has the module `subprocess`."""
    plugins["ansible.plugins.connection.local"].subprocess = _Subprocess()


def use(channel: int | None) -> None:
    """From now on."""
    global _channel  # noqa: PLW0603  # of this process, which is one run
    _channel = socket.socket(fileno=channel) if channel is not None else None


class _Subprocess:
    """As `subprocess`, as far as the plugin uses it."""

    PIPE = subprocess.PIPE

    @staticmethod
    def Popen(command: Any, **options: Any) -> Any:  # noqa: N802
        if _channel is not None and options.get("stdin") == subprocess.PIPE:
            environment = of_this_python(command)
            if environment is not None and options.get("executable") == "/bin/sh":
                return _Module(_channel, command, environment, options)
        return subprocess.Popen(command, **options)

    def __getattr__(self, name: str) -> object:
        return getattr(subprocess, name)


def of_this_python(command: object) -> dict[str, str] | None:
    """The variables that `command` sets, when all it does besides is to start this very Python; else None."""
    try:
        shell, option, line = shlex.split(command) if isinstance(command, str) else ("", "", "")
        if (shell, option) != ("/bin/sh", "-c") or not line.endswith(_AFTER):
            return None
        *settings, python = shlex.split(line.removesuffix(_AFTER))
    except ValueError:
        return None
    environment = dict(one.split("=", 1) for one in settings if "=" in one)
    again = " ".join([*(f"{name}={shlex.quote(value)}" for name, value in environment.items()), python])
    as_written = command == f"/bin/sh -c {shlex.quote(again + _AFTER)}"  # so that a shell would read it the same way
    plain = all(_NAME.fullmatch(name) and not STEERING.fullmatch(name) for name in environment)
    return environment if as_written and plain and python == sys.executable else None


class _Module:
    """As `subprocess.Popen`; what is to be done is known when `communicate` is called."""

    stdout = stderr = stdin = None

    def __init__(
        self, channel: socket.socket, command: str, environment: dict[str, str], options: dict[str, Any]
    ) -> None:
        self._channel = channel
        self._command = command
        self._environment = environment
        self._options = options
        self.returncode: int | None = None

    def communicate(self, program: bytes | None) -> tuple[bytes, bytes]:
        answer = self._offered(program) if program and b"_ANSIBALLZ_WRAPPER" in program else None
        if answer is not None:
            return answer
        usual = subprocess.Popen(self._command, **self._options)
        out, err = usual.communicate(program)
        self.returncode = usual.returncode
        return out, err

    def _offered(self, program: bytes) -> tuple[bytes, bytes] | None:
        """What the module printed; None: it wasn't started."""
        umask = os.umask(0o077)
        os.umask(umask)
        environ = {**os.environ, **self._environment}
        folder = os.fsencode(self._options.get("cwd") or os.getcwd())  # noqa: PTH109
        ignored = b" ".join(b"%d" % one for one in range(1, 32) if signal.getsignal(one) == signal.SIG_IGN)
        pairs = [os.fsencode(f"{name}={value}") for name, value in environ.items()]
        words = [folder, b"%o" % umask, ignored, b"0", *pairs]
        content = os.memfd_create("module")
        with os.fdopen(content, "wb", closefd=False) as file:
            file.write(program)
        pipes = [os.pipe() for _ in range(3)]
        theirs = [content, *(write for _, write in pipes)]
        try:
            socket.send_fds(self._channel, [b"\0".join(words)], theirs)
        except OSError:  # it is gone, or the environment is too large for one message
            for read, _ in pipes:
                os.close(read)
            return None
        finally:
            for number in theirs:
                os.close(number)
        out, err, status = _read_all([read for read, _ in pipes])
        if not status.startswith(TAKEN) or DECLINED in status:
            return None
        self.returncode = int(status.removeprefix(TAKEN) or _DIED)
        return out, err


def _read_all(pipes: list[int]) -> list[bytes]:
    """All that comes until each has ended."""
    texts = {number: bytearray() for number in pipes}
    with selectors.DefaultSelector() as waiting:
        for number in pipes:
            waiting.register(number, selectors.EVENT_READ)
        while waiting.get_map():
            for key, _ in waiting.select():
                some = os.read(key.fd, 1 << 16)
                texts[key.fd] += some
                if not some:
                    waiting.unregister(key.fd)
                    os.close(key.fd)
    return [bytes(text) for text in texts.values()]
