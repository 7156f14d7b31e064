"""What keeps an approved change from beginning now. Restorations go on in freezes and storms, planned work doesn't."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from bsm_remediate.domain.bundle import Bundle
from bsm_remediate.domain.change import Change
from bsm_remediate.domain.change_cost import ChangeCost
from bsm_remediate.domain.change_window import MINUTE
from bsm_remediate.domain.duration import format_duration
from bsm_remediate.domain.evaluation import Evaluation
from bsm_remediate.domain.ids import NodeId
from bsm_remediate.domain.planned_change import PlannedChange
from bsm_remediate.domain.policy import Mode
from bsm_remediate.domain.rollup import RollUp
from bsm_remediate.domain.run import Run
from bsm_remediate.domain.standing_orders import ordered_against
from bsm_remediate.domain.state import AT_WORST, State


class Readiness(StrEnum):
    BEGIN = "begin"
    WAIT = "wait"
    MISSED = "missed"


@dataclass(frozen=True, kw_only=True, slots=True)
class Timing:
    """Whether it may begin, and why."""

    readiness: Readiness
    reason: str


def within_window(change: Change, cost: ChangeCost, now: datetime) -> Timing:
    """Whether its window is open, and enough of it is left. Late by less than a minute is in time; later it may begin
    while all of it fits and it costs no more than what was approved.
    """
    slot = change.slot
    if slot is None:
        return Timing(readiness=Readiness.MISSED, reason="it has no window")
    moment = now.replace(second=0, microsecond=0)
    if now < slot.begin:
        return Timing(readiness=Readiness.WAIT, reason=f"its window begins at {slot.begin:%Y-%m-%d %H:%M} UTC")
    late = format_duration(moment - slot.begin)
    if moment > slot.latest:
        rest, needs = format_duration(slot.closes_at - now), format_duration(timedelta(seconds=slot.needs_s))
        if now >= slot.closes_at:
            return Timing(readiness=Readiness.MISSED, reason="its window has passed")
        return Timing(readiness=Readiness.MISSED, reason=f"it needs {needs}, {rest} of its window is left")
    if moment >= slot.begin + MINUTE:
        costs = cost.at(moment)
        if costs.weighted > slot.weighted * (1 + 1e-9) + 1e-9:
            reason = f"begun {late} late it would cost {costs.expected:.2f}, {slot.expected:.2f} was approved"
            return Timing(readiness=Readiness.MISSED, reason=reason)
    return Timing(readiness=Readiness.BEGIN, reason="its window is open")


def stands_against(run: Run, planned: PlannedChange, evaluation: Evaluation, bundle: Bundle, rollup: RollUp) -> str:
    """What keeps `run`, of `planned`, from beginning at the moment of `evaluation`; empty: nothing does."""
    situation = evaluation.situation
    frozen = bundle.freezes(situation.at)
    if frozen:
        return f"change freeze '{frozen[0]}' is in force"
    if situation.max_mode < Mode.APPROVE:
        return f"nothing goes further than {situation.max_mode} on this engine"
    if situation.doubt:
        return situation.doubt
    storm = evaluation.storm or next(iter(evaluation.storms.values()), "")
    if storm:
        return storm
    ordered = ordered_against(run, situation.pauses, situation.holds, bundle, situation.at)
    return ordered or _failing(planned, evaluation, rollup) or _quorum(planned, evaluation, bundle, rollup)


def _failing(planned: PlannedChange, evaluation: Evaluation, rollup: RollUp) -> str:
    """What isn't well of all that the services which need its components stand on."""
    impact = evaluation.impact
    concerned = rollup.foundation({*rollup.cone(planned.components), *planned.components, planned.on})
    failing = [
        f"{node} is {impact.own[node]}"
        for node in sorted(concerned)
        if impact.own.get(node, State.OK) not in {State.OK, State.MAINTENANCE}
    ]
    return ", ".join(failing[:3])


def _quorum(planned: PlannedChange, evaluation: Evaluation, bundle: Bundle, rollup: RollUp) -> str:
    """Whether services would go down that the change by itself leaves up, with everything that runs and maintenance
    keep busy counted as down.
    """
    runs = evaluation.situation.runs
    disturbed = {node for run in runs if run.state.holds_locks for node in run.disturbs}
    own = {node: AT_WORST[state] for node, state in evaluation.impact.own.items() if AT_WORST[state]}
    own |= dict.fromkeys(disturbed, 2)
    services = bundle.service_map.services
    expected = {node for node, level in rollup.levels(dict.fromkeys(planned.components, 2)).items() if level == 2}
    victims = sorted(
        node for node in rollup.falling(own, planned.components) if node in services and node not in expected
    )
    if victims:
        return f"{', '.join(victims[:3])} would go down with what isn't there now"
    return _crowded(planned, disturbed, rollup)


def _crowded(planned: PlannedChange, disturbed: Iterable[NodeId], rollup: RollUp) -> str:
    written = planned.max_unavailable
    if written is None:
        return ""
    busy = {*disturbed, *planned.components}
    for node in planned.components:
        group = {*rollup.siblings(node), node}
        limit = len(group) * float(written[:-1]) / 100 if written.endswith("%") else float(written)
        if len(group & busy) > max(limit, 1):
            return f"{len(group & busy)} of {len(group)} like {node} would be worked on, max_unavailable is {written}"
    return ""
