"""Loss: what a service costs in a state, per minute (DESIGN 5.2)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from bsm_remediate.domain.calendar import Calendar
from bsm_remediate.domain.service_map import Service
from bsm_remediate.domain.state import State


def full_rate(service: Service, calendars: Mapping[str, Calendar], now: datetime) -> float:
    """Money (or points) per minute while `service` is down at `now`: the highest of the calendars in force, else the
    default. Raises `KeyError` for a calendar that `calendars` lacks.
    """
    in_force = [rate for name, rate in service.loss_per_minute.by_calendar if calendars[name].is_in_force(now)]
    return max(in_force, default=service.loss_per_minute.default)


def share(service: Service, state: State) -> float:
    """The part of the full rate that `state` costs; for unknown the part that is certain: none."""
    if state is State.DOWN:
        return 1.0
    return service.degraded if state is State.DEGRADED else 0.0
