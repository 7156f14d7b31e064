"""A stand-in for Alertmanager's own list."""

from __future__ import annotations

from dataclasses import replace

from bsm_remediate.domain.alert import Alert, AlertKey
from bsm_remediate.domain.listing import Listing
from bsm_remediate.errors import SourceUnreachable
from bsm_remediate.ports import Clock


class SimulatedSource:
    """Implements `AlertSource`. Lists what it was told to; `is_away` makes it unreachable."""

    def __init__(self, clock: Clock, name: str = "alertmanager") -> None:
        self._clock = clock
        self._name = name
        self._firing: dict[AlertKey, Alert] = {}
        self.silenced: dict[str, str] = {}
        """`alertname` → why."""
        self.is_away = False
        self.is_settled = True
        self.readings = 0

    @property
    def name(self) -> str:
        return self._name

    def put(self, alert: Alert) -> None:
        """It fires, or it doesn't any more."""
        if alert.is_firing:
            self._firing[alert.key] = alert
        else:
            self._firing.pop(alert.key, None)

    def forget(self) -> None:
        """As after a restart: nothing is listed, and not everything may have been heard of."""
        self._firing.clear()
        self.is_settled = False

    def listing(self) -> Listing:
        self.readings += 1
        if self.is_away:
            raise SourceUnreachable(f"{self._name} does not answer: it is away")
        now = self._clock.now()
        alerts = tuple(
            replace(one, starts_at=min(one.starts_at, now), received_at=now) for one in self._firing.values()
        )
        return Listing(
            source=self._name,
            asked_at=now,
            alerts=alerts,
            suppressed={one.key: self.silenced[one.name] for one in alerts if one.name in self.silenced},
            is_settled=self.is_settled,
        )
