"""What every story of the lab has around it: whatever happens, all that was started is ended and nothing is left."""

from __future__ import annotations

import shutil
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from lab.children import Children, wait_until_gone


class Curtain(Protocol):
    """What a story is shown on."""

    def close(self) -> None: ...


def staged(
    play: Callable[[Children], int], *, folder: Path, screen: Curtain, say: Callable[[str], None], name: str
) -> int:
    """The exit code of `play`, or of its interruption or failure; the folder is kept only after a failure."""
    children, kept = Children(), False
    try:
        return play(children)
    except KeyboardInterrupt:
        screen.close()
        say("Interrupted; everything that was started is being ended.")
        return 130
    except (RuntimeError, OSError) as error:
        screen.close()
        kept = True
        say(f"{name} failed: {error}\nIts logs are kept in {folder}.")
        return 1
    finally:
        screen.close()
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)  # what was started must be ended, however impatient somebody is
        children.end()
        wait_until_gone(folder)
        if not kept:
            shutil.rmtree(folder, ignore_errors=True)
