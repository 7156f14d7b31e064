"""The runs under way: a thread each, and the flag that stops it."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

from bsm_remediate.domain.ids import RunId
from bsm_remediate.engine.job import Job

_log = logging.getLogger(__name__)

Spawn = Callable[[Callable[[], None], str], None]
"""Starts a function in a thread of that name; tests give the virtual clock's."""


def spawn_thread(work: Callable[[], None], name: str) -> None:
    threading.Thread(target=work, name=name, daemon=True).start()


class Workers:
    """Carries jobs out side by side. The caller has reserved their locks and counted the executors."""

    def __init__(
        self, carry_out: Callable[[Job, Callable[[], bool]], object], *, spawn: Spawn, ended: Callable[[], None]
    ) -> None:
        self._carry_out = carry_out
        self._spawn = spawn
        self._ended = ended
        self._flags: dict[RunId, threading.Event] = {}
        self._guard = threading.Lock()
        self._idle = threading.Condition(self._guard)

    def start(self, job: Job) -> None:
        flag = threading.Event()
        with self._guard:
            self._flags[job.run.id] = flag
        self._spawn(lambda: self._work(job, flag), f"run-{job.run.id}")

    def cancel(self, run: RunId) -> bool:
        """Ask that run to stop; False when none of that id is under way here."""
        with self._guard:
            flag = self._flags.get(run)
        if flag is not None:
            flag.set()
        return flag is not None

    def under_way(self) -> frozenset[RunId]:
        with self._guard:
            return frozenset(self._flags)

    def wait_until_idle(self, timeout_s: float) -> bool:
        """Whether all runs ended within `timeout_s` (real seconds)."""
        with self._idle:
            return self._idle.wait_for(lambda: not self._flags, timeout_s)

    def _work(self, job: Job, flag: threading.Event) -> None:
        try:
            self._carry_out(job, flag.is_set)
        except Exception:  # noqa: BLE001 - the outermost frame of a run's thread
            # The run stays in the store as it is; the next tick finds it without a worker and takes it up again.
            _log.exception("run.worker_failed run=%s", job.run.id)
        finally:
            with self._idle:
                self._flags.pop(job.run.id, None)
                self._idle.notify_all()
            self._ended()
