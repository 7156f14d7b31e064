"""The runs that this engine carries out now, and the flag that stops each."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

from bsm_remediate.domain.ids import RunId
from bsm_remediate.domain.run import RunEnd, RunState
from bsm_remediate.engine.remediation import Remediation, Stage
from bsm_remediate.engine.run_journal import RunJournal, RunRecords
from bsm_remediate.errors import RunNotRecorded, StoreUnavailable
from bsm_remediate.ports import Clock

_log = logging.getLogger(__name__)

_LOOK_EVERY_S = 0.2
_ENDS_WITHIN_S = 60.0

Spawn = Callable[[Callable[[], None], str], None]
"""Starts a function in a thread of that name; tests give the virtual clock's."""


def spawn_thread(work: Callable[[], None], name: str) -> None:
    threading.Thread(target=work, name=name, daemon=True).start()


class UnderWay:
    """Around each run: its flag, and what becomes of it when the engine itself fails."""

    def __init__(
        self, remediation: Remediation, records: RunRecords, clock: Clock, *, ended: Callable[[], None]
    ) -> None:
        self._remediation = remediation
        self._records = records
        self._journal = RunJournal(records, clock, leaving=lambda: False)
        self._clock = clock
        self._ended = ended
        self._flags: dict[RunId, threading.Event] = {}
        self._guard = threading.Lock()
        self._idle = threading.Condition(self._guard)

    def carry_out(self, run: RunId, stage: Stage) -> None:
        """Take `run` to its end. Never raises."""
        flag = self._flag_alone(run)
        try:
            self._remediation.carry_out(run, stage, flag.is_set)
        except (RunNotRecorded, StoreUnavailable) as error:
            # As if this engine had died: what is recorded counts, and the one that leads has it taken up again.
            _log.warning("run.given_up run=%s: %s", run, error)
        except Exception as error:  # noqa: BLE001 - the outermost frame of a run
            _log.exception("run.engine_failed run=%s", run)
            self._hand_over(run, error)
        finally:
            with self._idle:
                self._flags.pop(run, None)
                self._idle.notify_all()
            self._ended()

    def _flag_alone(self, run: RunId) -> threading.Event:
        """The flag of `run`, once nothing else here carries it out: when this engine was cut off, another may have
        taken the run over and died, and then it comes back here, where its first thread has gone on.
        """
        flag = threading.Event()
        while True:
            with self._guard:
                if self._flags.setdefault(run, flag) is flag:
                    return flag
            self._clock.wait(_ENDS_WITHIN_S, until=lambda: run not in self._flags)

    def cancel(self, run: RunId) -> bool:
        """Ask that run to stop; False when none of that id is under way here."""
        with self._guard:
            flag = self._flags.get(run)
        if flag is not None:
            flag.set()
        return flag is not None

    def runs(self) -> frozenset[RunId]:
        with self._guard:
            return frozenset(self._flags)

    def wait_until_empty(self, timeout_s: float) -> bool:
        """Whether nothing is under way any more within `timeout_s` (real seconds)."""
        with self._idle:
            return self._idle.wait_for(lambda: not self._flags, timeout_s)

    def wait_until_idle(self, timeout_s: float) -> bool:
        """Whether no playbook is running any more within `timeout_s` (real seconds). Checks and holds go on with the
        next start, or on another replica.
        """
        end = self._clock.monotonic() + timeout_s
        while self._playing():
            if self._clock.monotonic() >= end:
                return False
            with self._idle:
                self._idle.wait(_LOOK_EVERY_S)
        return True

    def _playing(self) -> bool:
        known = (self._records.run(run) for run in self.runs())
        return any(run is not None and run.state in (RunState.QUEUED, RunState.RUNNING) for run in known)

    def _hand_over(self, run: RunId, error: Exception) -> None:
        """A mistake of ours: nobody knows what it would do the next time."""
        known = self._records.run(run)
        if known is None or known.state.is_over:
            return
        outcome = f"the engine failed in its middle ({type(error).__name__}); a person must look"
        state = RunState.OUTCOME_UNKNOWN if known.state is RunState.RUNNING else RunState.ESCALATED
        self._journal.over(known, state, RunEnd.ENGINE_DIED, outcome)
