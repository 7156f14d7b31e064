"""What the figures of one series let expect, as `Foresight` asks for it: forecasts that have been confirmed."""

from __future__ import annotations

from datetime import datetime

from bsm_remediate.domain.forecast import Direction
from bsm_remediate.domain.forecast_confirmation import Confirmation
from bsm_remediate.domain.forecaster import Forecaster
from bsm_remediate.domain.foresight import Expected
from bsm_remediate.domain.threshold import Side, Threshold


class Outlook:
    """Implements `Foresight` for one series and one threshold. Kept up in place: a history is bounded, but large."""

    __slots__ = ("_confirmation", "_expected", "_forecaster")

    def __init__(self) -> None:
        self._forecaster = Forecaster()
        self._confirmation = Confirmation()
        self._expected: Expected | None = None

    def noted(self, value: float, at: datetime) -> Outlook:
        self._forecaster.observe(at, value)
        return self

    def crossing(self, threshold: Threshold, at: datetime) -> Expected | None:
        """As long as it is confirmed; its time and reason are those of the last forecast that expected it."""
        if threshold.forecast is None:
            return None
        direction = Direction.ABOVE if threshold.side is Side.ABOVE else Direction.BELOW
        forecast = self._forecaster.expect(threshold.limit, direction, threshold.forecast, at)
        self._confirmation = self._confirmation.after(forecast, at)
        if forecast.is_expected and forecast.time_to_crossing is not None:
            self._expected = Expected(
                at=at + forecast.time_to_crossing, confidence=forecast.confidence, reason=forecast.reason
            )
        return self._expected if self._confirmation.is_on else None
