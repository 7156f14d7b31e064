"""When a forecast may switch a signal on and off again: hysteresis in confidence and in time."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from bsm_remediate.domain.forecast import Forecast

ON, OFF = 0.8, 0.5
"""Confidence from which a forecast speaks for switching on, and below which for switching off; between, all stays."""
_SHARE = 10
"""What speaks for a change must do so for this part of the horizon: 90 s of 15 minutes."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Confirmation:
    """Whether the signal of a forecast is on, and since when the forecasts have said otherwise.

    A change needs two forecasts in a row at the least, the second with a newer sample: asked twice, one spike is still
    one. What is unknown changes nothing and starts the count anew: a source that is away neither raises nor heals.
    """

    is_on: bool = False
    otherwise_since: datetime | None = None
    first_sample: datetime | None = None  # the newest one at that time

    def after(self, forecast: Forecast, now: datetime) -> Confirmation:
        """The state after one more forecast, made at `now`."""
        if not self._is_contradicted_by(forecast):
            return self if self.otherwise_since is None else Confirmation(is_on=self.is_on)
        if self.otherwise_since is None:
            return replace(self, otherwise_since=now, first_sample=forecast.as_of)
        if now - self.otherwise_since < needed(forecast.horizon) or forecast.as_of == self.first_sample:
            return self
        return Confirmation(is_on=not self.is_on)

    def _is_contradicted_by(self, forecast: Forecast) -> bool:
        if not forecast.is_known:
            return False
        return forecast.confidence < OFF if self.is_on else forecast.confidence >= ON


def needed(horizon: timedelta) -> timedelta:
    """How long forecasts must agree before they change anything."""
    return horizon / _SHARE
