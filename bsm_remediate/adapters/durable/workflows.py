"""Runs as DBOS workflows: one workflow for each, whose stages are its steps.

A stage that has ended is replayed from its record; the one that was under way when its engine died is entered again,
at the next start or by another replica. What a run did is in our own tables all the same: a stage begins from there, so
that a crash between its effect and DBOS's record of it does no harm.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence

from dbos import DBOS, DBOSConfig, SetWorkflowID

from bsm_remediate.domain.ids import RunId

Stage = Callable[[str, Callable[[], None]], None]

_log = logging.getLogger(__name__)

VERSION = "1"
"""Of the workflow's stages, not of the program: a new program goes on with the runs of the old one. It grows only when
the stages change in such a way that it can't.
"""
_QUEUE = "runs"
_LOOK_EVERY_S = 0.05
_IDLE_IN_TRANSACTION_S = 2.0
"""A replica that is cut off in the middle of a transaction keeps its rows locked for so long."""
_ALIVE = ("PENDING", "ENQUEUED")
_MOST_RECOVERIES = 1_000


class DbosWorkflows:
    """Implements `Workflows`. One for each process, since DBOS is one."""

    def __init__(self, url: str, *, replica: str, is_shared: bool) -> None:
        """`is_shared`: several replicas share the database, and any of them may carry a run out."""
        self._url = url
        self._replica = replica
        self._is_shared = is_shared

    def launch(self, carry_out: Callable[[RunId, Stage], None]) -> None:
        for name in ("dbos", "alembic"):
            logging.getLogger(name).setLevel(logging.WARNING)
        config: DBOSConfig = {
            "name": "bsm-remediate",
            "system_database_url": self._url,
            "sys_db_idle_transaction_timeout_sec": _IDLE_IN_TRANSACTION_S,
            "executor_id": self._replica,
            "application_version": VERSION,
            "log_level": "WARNING",
        }
        DBOS(config=config)
        _Current.carry_out = carry_out
        DBOS.launch()
        if self._is_shared:
            DBOS.register_queue(_QUEUE, polling_interval_sec=_LOOK_EVERY_S)

    def start(self, run: RunId, *, is_new: bool) -> None:
        known = () if is_new else self._workflows_of(run)
        if any(status in _ALIVE for status in known):
            return
        with SetWorkflowID(f"{run}.{len(known) + 1}"):
            if self._is_shared:
                DBOS.enqueue_workflow(_QUEUE, _carry_out, run)
            else:
                DBOS.start_workflow(_carry_out, run)

    @staticmethod
    def _workflows_of(run: RunId) -> Sequence[str]:
        """How the workflows of `run` stand; there is more than one where an engine gave one up."""
        found = DBOS.list_workflows(workflow_id_prefix=f"{run}.", load_input=False, load_output=False)
        return [one.status for one in found]

    def take_over(self, replicas: Sequence[str]) -> None:
        if replicas:
            _log.warning("workflows.take_over %s", ", ".join(replicas))
            DBOS._recover_pending_workflows(list(replicas))  # noqa: SLF001 - what DBOS's own control plane calls

    def close(self) -> None:
        DBOS.destroy(workflow_completion_timeout_sec=0)


class _Current:
    """Workflows are registered when this module is imported, before there is an engine."""

    carry_out: Callable[[RunId, Stage], None] | None = None


@DBOS.workflow(name="bsm_remediate.run", max_recovery_attempts=_MOST_RECOVERIES)
def _carry_out(run: str) -> None:
    if _Current.carry_out is None:
        raise RuntimeError("a run was started before the engine")
    _Current.carry_out(RunId(run), _stage)


def _stage(name: str, work: Callable[[], None]) -> None:
    DBOS.run_step({"name": name}, work)
