"""When services were down, or are to be, beside the change that is looked at: what their objectives have left."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta

from bsm_remediate.domain.calendar import Span
from bsm_remediate.domain.change import UNDER_WAY, Change, ChangeState
from bsm_remediate.domain.ids import ChangeId, NodeId
from bsm_remediate.domain.ledger import ServiceEntry
from bsm_remediate.domain.state import State
from bsm_remediate.domain.statistics import Span as Stood


def downtimes(
    stood: Mapping[NodeId, Sequence[Stood[ServiceEntry]]],
    changes: Iterable[Change],
    *,
    now: datetime,
    besides: ChangeId | None = None,
) -> dict[NodeId, list[Span]]:
    """By service: how it `stood` by the journal, and what approved and applied `changes` but `besides` take."""
    found: defaultdict[NodeId, list[Span]] = defaultdict(list)
    for node, spans in stood.items():
        for one in spans:
            if one.entry.state is State.DOWN:
                found[node].append(Span(begin=one.begin, end=one.end_by(now)))
    for change in changes:
        taken = _taken(change) if change.id != besides else None
        if taken is not None and change.slot is not None:
            for name in change.slot.down:
                found[NodeId(name)].append(taken)
    return found


def _taken(change: Change) -> Span | None:
    """When it takes down what it takes down; None: it doesn't, or nobody has approved that."""
    if change.result is not None:
        begin = change.result.started_at
        return Span(begin=begin, end=begin + timedelta(seconds=change.result.took_s)) if begin is not None else None
    if change.slot is not None and change.state in {ChangeState.SCHEDULED, *UNDER_WAY}:
        return Span(begin=change.slot.begin, end=change.slot.begin + timedelta(seconds=change.slot.duration_s))
    return None
