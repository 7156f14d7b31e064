"""A process that has imported what Ansible's modules import, and how a fork of it executes them for one run."""

from __future__ import annotations

import base64
import contextlib
import importlib
import io
import os
import re
import select
import signal
import socket
import sys
import types
import zipfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    from bsm_remediate.adapters.ansible import guard, warm_local, warm_run
else:
    import guard
    import warm_local
    import warm_run

_LARGEST = 1 << 20
_IMPORTED = (
    *("ansible.module_utils.basic", "ansible.module_utils.common.respawn", "ansible.module_utils.facts.compat"),
    *("ansible.module_utils._internal._ansiballz._loader", "ansible.module_utils.urls", "ansible.module_utils.service"),
    *("ansible.module_utils._internal._json._profiles._module_legacy_c2m", "runpy", "shutil", "tempfile"),
    "ansible.module_utils._internal._json._profiles._module_legacy_m2c",
)
_PACKED = re.compile(rb"^zip_data='([A-Za-z0-9+/=]+)',$", re.MULTILINE)
"""Among the arguments in AnsiballZ's program, each of which has a line of its own."""
_GENERATED = {"ansible/__init__.py", "ansible/module_utils/__init__.py", "ansible/modules/__init__.py"}
"""Written for the occasion: they only make packages of what is beside them."""


class Image:
    """Forks of this process execute the modules of one run: what they get is the lock and the channel to that run."""

    lock = 0

    def __init__(self) -> None:
        sys.argv = [""]
        for name in _IMPORTED:
            importlib.import_module(name)
        if sys.modules["ansible.module_utils._internal"].is_controller:
            raise RuntimeError("this is the controller's Ansible")
        self._root = Path(str(sys.modules["ansible"].__file__)).parent.parent
        self._installed = dict(self._contents("ansible/modules", "ansible/module_utils", "ansible/release.py"))

    def _contents(self, *places: str) -> Iterator[tuple[str, tuple[int, int]]]:
        """Size and checksum of each Python file, as it is when this process imports it."""
        for place in places:
            top = self._root / place
            for path in [top] if top.is_file() else top.rglob("*.py"):
                content = path.read_bytes()
                yield str(path.relative_to(self._root)), (len(content), zlib.crc32(content))

    def become(self, request: list[bytes], files: list[int]) -> NoReturn:
        del request
        nothing = os.open(os.devnull, os.O_RDWR)
        channel = warm_run.only_with([nothing, nothing, nothing], keep=files)
        warm_run.show_as(["ansible-modules"])
        _Modules(socket.socket(fileno=channel[0]), self.is_own).serve()
        raise SystemExit(0)

    def is_own(self, program: bytes) -> bool:
        """Whether all that a module brings along is what is installed, which this process has imported."""
        try:
            [packed] = _PACKED.findall(program)
            with zipfile.ZipFile(io.BytesIO(base64.b64decode(packed))) as archive:
                return all(
                    one.filename in _GENERATED or self._installed.get(one.filename) == (one.file_size, one.CRC)
                    for one in archive.infolist()
                )
        except (ValueError, zipfile.BadZipFile):
            return False


class _Modules:
    """Forks a process for each module that the run sends, and says how it ended."""

    def __init__(self, channel: socket.socket, is_own: Callable[[bytes], bool]) -> None:
        self._channel = channel
        self._is_own = is_own
        self._answers: dict[int, int] = {}
        """By process: the pipe on which its status is awaited."""
        self._abandoned: set[int] = set()

    def serve(self) -> None:
        """Until nobody of the run is left."""
        woken, wake = os.pipe()
        for number in (woken, wake):
            os.set_blocking(number, False)
        signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        heard = select.poll()
        heard.register(self._channel.fileno(), select.POLLIN)
        heard.register(woken, select.POLLIN)
        while True:
            for number, _ in heard.poll():
                if number == woken:
                    os.read(woken, 4096)
                    for pid, status in guard.reap().items():
                        self._answer(heard, pid, guard.exit_code(status))
                elif number == self._channel.fileno():
                    message, files, _, _ = socket.recv_fds(self._channel, _LARGEST, 8, socket.MSG_CMSG_CLOEXEC)
                    if not files:
                        return
                    self._start(heard, message, files)
                else:
                    self._abandon(heard, number)

    def _start(self, heard: select.poll, message: bytes, files: list[int]) -> None:
        *theirs, answer = files
        try:
            os.write(answer, warm_local.TAKEN)
        except BrokenPipeError:  # its worker is gone
            for number in files:
                os.close(number)
            return
        pid = os.fork()
        if pid == 0:
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            self._execute(message.split(b"\0"), theirs, answer)
        for number in theirs:
            os.close(number)
        self._answers[pid] = answer
        heard.register(answer, 0)  # tells when nobody waits for it any more

    def _execute(self, request: list[bytes], theirs: list[int], answer: int) -> NoReturn:
        """Be the module, as if a fresh interpreter had read it from its standard input."""
        os.setsid()
        program, *printed = theirs
        with os.fdopen(program, "rb") as file:
            file.seek(0)
            text = file.read()
        if not self._is_own(text):
            os.write(answer, warm_local.DECLINED)
            os._exit(0)
        nothing, closed = os.pipe()
        os.close(closed)
        warm_run.only_with([nothing, *printed], keep=[])
        warm_run.adopt(request)
        os.environ["PWD"] = str(Path.cwd())  # as the shell does that starts interpreters elsewhere
        sys.path.insert(0, "")
        main = sys.modules["__main__"] = types.ModuleType("__main__")
        code: object = 1
        try:
            exec(compile(text, "<stdin>", "exec"), main.__dict__)  # noqa: S102  # what Ansible made to be executed
            code = 0
        except SystemExit as end:
            code = end.code
        except BaseException:  # noqa: BLE001  # whatever it is, it ends here: this is the module's top level
            sys.excepthook(*sys.exc_info())
        warm_run.end(code)

    def _answer(self, heard: select.poll, pid: int, code: int) -> None:
        answer = self._answers.pop(pid, None)
        if answer is None:
            return
        if answer not in self._abandoned:
            heard.unregister(answer)
        self._abandoned.discard(answer)
        with contextlib.suppress(BrokenPipeError):
            os.write(answer, b"%d" % code)
        os.close(answer)

    def _abandon(self, heard: select.poll, answer: int) -> None:
        """Its worker is gone: end the module too, as the signal to the worker's group does elsewhere."""
        heard.unregister(answer)
        self._abandoned.add(answer)
        for pid in [pid for pid, awaited in self._answers.items() if awaited == answer]:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(pid, signal.SIGTERM)
