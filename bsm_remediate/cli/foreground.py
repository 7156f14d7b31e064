"""Planning and executing once in the foreground, for `run` and `apply`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click

from bsm_remediate.cli.runs import told
from bsm_remediate.domain.alert import AlertStatus
from bsm_remediate.domain.decision import Verdict
from bsm_remediate.domain.evaluation import Evaluation
from bsm_remediate.domain.run import RunEnd, RunState
from bsm_remediate.engine.options import EngineOptions

if TYPE_CHECKING:
    from bsm_remediate.app import Installation
    from bsm_remediate.domain.alert import Alert
    from bsm_remediate.domain.bundle import Bundle
    from bsm_remediate.domain.run import Run
    from bsm_remediate.records import Store

SOURCE = "file"
"""Alerts from a file are a source of their own: they never mix with those of a sender."""
_TICK_S = 0.25


def carry_out(installation: Installation, bundle: Bundle, alerts: Sequence[Alert], options: EngineOptions) -> bool:
    """Run until nothing is left to be done about `alerts`; whether all runs restored what they should.

    The alerts are written to the database like any others, so that guards count and history is kept, and end with this
    command. Raises `StoreUnavailable` when another engine runs on the database.
    """
    with installation.engine(bundle, options, alone=True) as (engine, store):
        begin = datetime.now(UTC)
        store.record([replace(alert, source=SOURCE) for alert in alerts])
        journal = _Journal(store)
        try:
            while True:
                was_busy = engine.is_busy()
                evaluation = engine.tick()
                journal.tell()
                # A run that ended during the tick may have left something that only the next one sees.
                if not was_busy and not engine.is_busy() and not _has_more(evaluation, options):
                    break
                engine.wait(_TICK_S)
        except KeyboardInterrupt:
            click.echo("Stopping; nothing of a playbook is left behind.", err=True)
            engine.cancel_all()
            raise
        finally:
            engine.close_journal()
            journal.tell()
            _end(store, alerts)
        for decision in evaluation.plan.held:
            click.echo(f"held: {decision.component or '-'}: {decision.verdict}: {decision.reason}", err=True)
        return _all_well(store.runs(since=begin), begin)


def _has_more(evaluation: Evaluation, options: EngineOptions) -> bool:
    """Whether the plan has something that these options let start."""
    return any(
        options.only is None or (step.decision.component, step.decision.policy) in options.only
        for step in evaluation.plan.steps
        if step.decision.verdict is Verdict.RUN
    )


def _end(store: Store, alerts: Sequence[Alert]) -> None:
    now = datetime.now(UTC)
    store.record(
        [replace(alert, source=SOURCE, status=AlertStatus.RESOLVED, ends_at=now, received_at=now) for alert in alerts]
    )


def _all_well(runs: Sequence[Run], begin: datetime) -> bool:
    """Judged by the last run of each component: an alternative that failed before one that worked is no failure."""
    last = {(run.component, run.policy): run for run in runs if run.planned_at >= begin}
    return all(run.state is RunState.SUCCEEDED or run.end is RunEnd.ALREADY_OK for run in last.values())


class _Journal:
    """Prints what happens as it happens."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._position = store.latest_position()

    def tell(self) -> None:
        from bsm_remediate.web.rows import event_row

        for event in self._store.events(after=self._position):
            self._position = event.position or self._position
            if event.kind.startswith("run."):
                row = event_row(event)
                about = event.facts.get("component") or event.subject
                click.echo(f"{event.at:%H:%M:%S}  {about!s:12}  {event.kind:20}  {told(row)}")
