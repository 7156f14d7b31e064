"""Kill an engine that stands still for longer than its lease: the others take it for dead then, while its playbooks
would go on (a stopped process, a starved machine). They end with it.

    python -S -E stall_guard.py ENGINE_PID SECONDS

A byte on standard input is a sign of life. Standard library only.
"""

from __future__ import annotations

import os
import select
import signal
import sys

DESCRIPTOR = 0


def main(engine: int, seconds: float) -> None:
    """Return when the engine has ended by itself."""
    while select.select([DESCRIPTOR], [], [], seconds)[0]:
        if not os.read(DESCRIPTOR, 4096):
            return
    os.write(2, b"The engine stood still for longer than its lease; it is killed.\n")
    os.kill(engine, signal.SIGKILL)


if __name__ == "__main__":
    main(int(sys.argv[1]), float(sys.argv[2]))
