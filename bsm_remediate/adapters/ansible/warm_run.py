"""A process that has imported Ansible, and how a fork of it becomes `ansible-playbook`."""

from __future__ import annotations

import atexit
import ctypes
import importlib
import os
import secrets
import signal
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

if TYPE_CHECKING:
    from bsm_remediate.adapters.ansible import warm_local, warm_preload
else:
    import warm_local
    import warm_preload


class Image:
    """Forks of this process become runs: standard streams, lock and channel to modules are the files they get."""

    lock = 3

    def __init__(self) -> None:
        sys.argv = ["ansible-playbook"]
        self.watch = [*warm_preload.preload(adapt=warm_local.adapt), os.path.realpath(sys.executable)]

    def become(self, request: list[bytes], files: list[int]) -> NoReturn:
        channel = only_with(files[:3], keep=files[3:])
        warm_local.use(channel[0] if channel else None)
        argv = adopt(request)
        show_as(argv)
        sys.argv = argv
        _start_afresh()
        importlib.import_module("ansible.cli.playbook").main(argv)
        raise SystemExit(0)


def _start_afresh() -> None:
    """Do what an import of Ansible does for one process: it must not be the same in two runs."""
    constants = importlib.import_module("ansible.constants")
    cli = importlib.import_module("ansible.cli")
    variables: Any = importlib.import_module("ansible.utils.vars")
    atexit.unregister(importlib.import_module("ansible.utils.path").cleanup_tmp_file)  # the server's own
    temporary = constants.config.get_config_value("DEFAULT_LOCAL_TMP", variables=vars(constants))
    constants.set_constant("DEFAULT_LOCAL_TMP", temporary)
    variables.random_int = secrets.token_hex(4)  # of it all ids of plays and tasks are made
    cli.display._set_column_width()  # noqa: SLF001
    cli.check_blocking_io()


def only_with(streams: list[int], *, keep: list[int]) -> list[int]:
    """Have `streams` as standard streams and of all other open files only `keep`; where those are now."""
    kept = [os.dup(number) if number < 3 else number for number in keep]  # out of the way first
    for place, number in enumerate(streams):
        os.dup2(number, place)
    last = 2
    for number in sorted(kept):
        os.closerange(last + 1, number)
        last = number
    os.closerange(last + 1, os.sysconf("SC_OPEN_MAX"))
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(line_buffering=stream is sys.stderr or stream.isatty())  # type: ignore[union-attr]
    return kept


def adopt(request: list[bytes]) -> list[str]:
    """Take over folder, umask, ignored signals and environment; returns the command line."""
    folder, umask, ignored, count, *rest = request
    words, pairs = rest[: int(count)], rest[int(count) :]
    os.chdir(folder)
    os.umask(int(umask, 8))
    os.environb.clear()
    for pair in pairs:
        name, _, value = pair.partition(b"=")
        os.environb[name] = value
    time.tzset()
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for number in ignored.split():
        signal.signal(int(number), signal.SIG_IGN)
    return [os.fsdecode(word) for word in words]


def show_as(argv: list[str]) -> None:
    """Have `ps` show `argv`, as far as there is room."""
    fields = Path("/proc/self/stat").read_text(encoding="ascii", errors="replace").rpartition(")")[2].split()
    begin, end = int(fields[45]), int(fields[46])
    text = b"\0".join(os.fsencode(word) for word in argv)[: end - begin - 1]
    if begin:
        ctypes.memmove(begin, text.ljust(end - begin, b"\0"), end - begin)


def end(code: object) -> NoReturn:
    """As an interpreter ends with `SystemExit(code)`, without going back through what was there before the fork."""
    if code is not None and not isinstance(code, int):
        print(code, file=sys.stderr)  # noqa: T201
        code = 1
    try:
        threading._shutdown()  # type: ignore[attr-defined]  # noqa: SLF001
        atexit._run_exitfuncs()  # noqa: SLF001
        sys.stdout.flush()
        sys.stderr.flush()
    finally:
        os._exit((code or 0) & 0xFF)
