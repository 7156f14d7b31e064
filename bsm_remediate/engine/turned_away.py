"""What load balancers turn away now: what the runs that set their weights last have told them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from bsm_remediate.domain.ids import NodeId, RunId
from bsm_remediate.domain.pool import Load
from bsm_remediate.domain.run import Run, RunEnd, RunState
from bsm_remediate.records import RunLog

_SET = frozenset({RunEnd.RESTORED, RunEnd.NOT_VERIFIED, RunEnd.STILL_FIRING, RunEnd.DECIDED_ANEW})
"""Ends of runs whose playbook did what it should, if they began."""


class TurnedAway:
    """The order of a run is asked for once."""

    def __init__(self, records: RunLog) -> None:
        self._records = records
        self._known: dict[RunId, dict[NodeId, float]] = {}

    def beside(self, loads: Mapping[str, Load], runs: Iterable[Run]) -> dict[str, Load]:
        """`loads` by pool, with what is turned away."""
        latest: dict[str, Run] = {}
        for run in runs:
            before = latest.get(run.pool)
            if run.pool in loads and _is_begun(run) and (before is None or _begin(before) <= _begin(run)):
                latest[run.pool] = run
        self._known = {run.id: self._known[run.id] for run in latest.values() if run.id in self._known}
        return {
            pool: replace(load, turned_away=self._of(latest[pool])) if pool in latest else load
            for pool, load in loads.items()
        }

    def _of(self, run: Run) -> dict[NodeId, float]:
        if run.state is not RunState.VERIFYING and run.end not in _SET:
            return {}  # nobody knows what it has done
        if run.id not in self._known:
            order = self._records.order(run.id)
            shed = order.weights.shed if order is not None and order.weights is not None else {}
            self._known[run.id] = {NodeId(service): part / 100 for service, part in shed.items()}
        return self._known[run.id]


def _is_begun(run: Run) -> bool:
    return run.started_at is not None


def _begin(run: Run) -> float:
    return run.started_at.timestamp() if run.started_at is not None else 0.0
