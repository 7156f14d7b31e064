"""Progress of what takes longer than a second: a bar on the terminal, nothing where there is none."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from time import monotonic

_AFTER_S = 1.0


@contextmanager
def shown(what: str) -> Iterator[Callable[[int, int], None]]:
    """Gives a function that is told how many of how many are done."""
    if not sys.stderr.isatty():
        yield lambda _done, _of: None
        return
    from rich.console import Console
    from rich.progress import Progress

    began = monotonic()
    with Progress(console=Console(stderr=True), transient=True, auto_refresh=False) as bar:
        task = None

        def told(done: int, of: int) -> None:
            nonlocal task
            if task is None and monotonic() - began > _AFTER_S:
                task = bar.add_task(what, total=of)
            if task is not None and done % max(of // 200, 1) == 0:
                bar.update(task, completed=done, total=of, refresh=True)

        yield told
