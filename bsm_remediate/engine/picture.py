"""The alerts that fire now, kept in step with the store by its change positions."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from datetime import datetime, timedelta

from bsm_remediate.domain.alert import Alert, AlertKey
from bsm_remediate.domain.flapping import WINDOW as FLAPPING_WINDOW
from bsm_remediate.records import AlertLog

_PRUNED_EVERY = timedelta(minutes=1)
_REMEMBERED = 20
"""Past beginnings of one alert: more than enough to call it flapping."""
_BATCH = 1_000
"""Rows at once: few enough to cost no memory worth speaking of."""


class Picture:
    """A copy in memory of what the store says is firing; a lost wake-up only makes it late, never wrong."""

    def __init__(self, log: AlertLog) -> None:
        self._log = log
        self._position = 0
        self._firing: dict[AlertKey, Alert] = {}
        self._last_seen: Mapping[AlertKey, datetime] = {}
        self._last_seen_at: datetime | None = None
        self._past: dict[AlertKey, tuple[datetime, ...]] | None = None
        self._pruned_at: datetime | None = None
        self._alerts: tuple[Alert, ...] | None = ()
        self._watched = ""
        self._heartbeats: dict[AlertKey, Alert] = {}

    def refresh(self, now: datetime, *, last_seen_every: timedelta = timedelta(seconds=60)) -> bool:
        """Take over what changed in the store; says whether anything did."""
        changed = False
        if self._past is None:
            self._past = {key: tuple(past) for key, past in self._log.past_onsets(now - FLAPPING_WINDOW).items()}
        while True:
            alerts, position = self._log.changes(after=self._position, limit=_BATCH)
            for alert in alerts:
                self._take(alert)
            changed = changed or bool(alerts)
            self._position = position
            if len(alerts) < _BATCH:
                break
        if self._last_seen_at is None or now - self._last_seen_at >= last_seen_every:
            seen = self._log.last_seen()
            # By the keys that are held anyway.
            self._last_seen = {self._firing[key].key: at for key, at in seen.items() if key in self._firing}
            self._last_seen_at = now
        if changed:
            self._alerts = None
        if self._pruned_at is None or now - self._pruned_at >= _PRUNED_EVERY:
            since = now - FLAPPING_WINDOW
            self._past = {key: past for key, past in self._past.items() if past[-1] > since}
            self._pruned_at = now
        return changed

    def _take(self, alert: Alert) -> None:
        known = self._firing.get(alert.key)
        if known is not None and self._past is not None and (alert.is_over or known.starts_at < alert.starts_at):
            self._past[alert.key] = (*self._past.get(alert.key, ()), known.starts_at)[-_REMEMBERED:]
        if not alert.is_over:
            self._firing[alert.key] = alert
        else:
            self._firing.pop(alert.key, None)
        if self._watched:
            self._heartbeats.pop(alert.key, None)
            if alert.is_firing and alert.name == self._watched:
                self._heartbeats[alert.key] = alert

    def watch(self, alertname: str) -> None:
        """Alerts of that name are the heartbeat; empty: there is none."""
        if alertname != self._watched:
            self._watched = alertname
            self._heartbeats = {key: alert for key, alert in self._firing.items() if alert.name == alertname}

    @property
    def heartbeats(self) -> Collection[Alert]:
        """The firing alerts with the name that is watched."""
        return self._heartbeats.values()

    @property
    def alerts(self) -> tuple[Alert, ...]:
        if self._alerts is None:
            self._alerts = tuple(self._firing.values())
        return self._alerts

    @property
    def last_seen(self) -> Mapping[AlertKey, datetime]:
        return self._last_seen

    @property
    def onsets(self) -> Mapping[AlertKey, tuple[datetime, ...]]:
        """When each of those that fire, and have begun more than once of late, began."""
        past = self._past or {}
        if len(past) > len(self._firing):
            return {key: (*past[key], one.starts_at) for key, one in self._firing.items() if key in past}
        return {key: (*begun, self._firing[key].starts_at) for key, begun in past.items() if key in self._firing}

    def firing(self, keys: Iterable[AlertKey]) -> tuple[Alert, ...]:
        """Those of `keys` that fire."""
        return tuple(alert for key in keys if (alert := self._firing.get(key)) is not None)

    def named(self, name: str) -> tuple[Alert, ...]:
        """Firing alerts called so: by their fingerprint, or by `source:fingerprint` as listings give it."""
        return tuple(alert for alert in self.alerts if name in {alert.fingerprint, ":".join(alert.key)})
