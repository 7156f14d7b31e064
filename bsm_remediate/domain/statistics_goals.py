"""Objectives by goal: what the services attain that a goal weighs, each counting as much as the goal weighs it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from bsm_remediate.domain.bundle import Bundle, Goal
from bsm_remediate.domain.event import Json
from bsm_remediate.domain.ids import NodeId


def goal_rows(objectives: Iterable[Mapping[str, Any]], bundle: Bundle) -> list[Json]:
    """By goal, from the report's rows on `objectives`; services of which nothing was observed are left out."""
    seen = [one for one in objectives if one["availability"] is not None]
    return [_row(goal, seen, bundle) for goal in bundle.goals.values()]


def _row(goal: Goal, seen: Sequence[Mapping[str, Any]], bundle: Bundle) -> Json:
    services = bundle.service_map.services
    weights = {str(one["service"]): goal.weight(services[NodeId(one["service"])].function) for one in seen}
    weighed = [one for one in seen if weights[one["service"]] > 0]
    missed = [one for one in weighed if not one["met"]]
    missed.sort(key=lambda one: (-weights[one["service"]], one["service"]))
    whole = sum(weights[one["service"]] for one in weighed)

    def mean(measure: str) -> float | None:
        total = sum(weights[one["service"]] * one[measure] for one in weighed)
        return round(total / whole, 4) if whole else None

    lacking = sum(weights[one["service"]] for one in missed)
    return {
        "goal": goal.name,
        "weights": {one["service"]: weights[one["service"]] for one in weighed},
        "objective": mean("objective"),
        "availability": mean("availability"),
        # A good mean hides no service that missed its own.
        "met": not missed if weighed else None,
        "met_share": round(1 - lacking / whole, 4) if whole else None,
        "missed": [one["service"] for one in missed],
    }
