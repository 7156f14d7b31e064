"""From alerts to signals: what each alert means by this bundle, and which policies may speak about it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from bsm_remediate.domain.alert import Alert, AlertKey
from bsm_remediate.domain.bundle import Bundle
from bsm_remediate.domain.mapping import Mapped, Mapper
from bsm_remediate.domain.match_index import MatchIndex
from bsm_remediate.domain.policy import Evidence, Mode, Policy
from bsm_remediate.domain.signal import Signal
from bsm_remediate.domain.state import SEVERITY_STATE, State


@dataclass(frozen=True, kw_only=True, slots=True)
class Reading:
    """One alert as the bundle reads it: its signals, or a service that it reports on, or why it fits nothing."""

    alert: Alert
    policies: tuple[Policy, ...]
    mapped: Mapped
    sets: State
    evidence: Evidence

    def signals(self, state: State) -> Iterable[Signal]:
        since = min(self.alert.starts_at, self.alert.received_at)
        for target in self.mapped.components:
            yield Signal(
                alert=self.alert,
                component=target.node,
                how=target.how,
                since=since,
                policies=self.policies,
                sets=state,
                evidence=self.evidence,
            )


class Classifier:
    """Reads alerts; what it found out about one is remembered until that alert changes."""

    def __init__(self, bundle: Bundle) -> None:
        self._settings = bundle.settings
        self._index = MatchIndex(
            (policy, policy.match) for policy in bundle.policies.values() if policy.mode is not Mode.OFF
        )
        self._mapper = Mapper(bundle)
        self._readings: dict[AlertKey, Reading] = {}

    def read(self, alerts: Iterable[Alert]) -> list[Reading]:
        """The readings of `alerts`, in their order; those of other alerts are forgotten."""
        known, self._readings = self._readings, {}
        readings = []
        for alert in alerts:
            reading = known.get(alert.key)
            if reading is None or reading.alert is not alert:
                reading = self._read(alert)
            self._readings[alert.key] = reading
            readings.append(reading)
        return readings

    def _read(self, alert: Alert) -> Reading:
        watchdog = self._settings.watchdog
        if watchdog is not None and alert.name == watchdog.alertname:
            # The heartbeat is about monitoring itself: no component, no state, nothing to be told as unmapped.
            return Reading(alert=alert, policies=(), mapped=Mapped(), sets=State.OK, evidence=Evidence.INDIRECT)
        policies = tuple(sorted(self._index.matching(alert.labels), key=_speaks_first))
        meaning = policies[0] if policies else None
        stated = next((policy.sets for policy in policies if policy.sets is not None), None)
        return Reading(
            alert=alert,
            policies=policies,
            mapped=self._mapper.map(alert.labels, policies),
            sets=self._state(alert, stated, named=bool(policies)),
            evidence=meaning.evidence if meaning is not None else Evidence.INDIRECT,
        )

    def _state(self, alert: Alert, stated: State | None, *, named: bool) -> State:
        if stated is not None:
            return stated
        if not named and not self._settings.state_from_severity:
            return State.OK
        return SEVERITY_STATE.get(alert.severity, State.DEGRADED)

    def current_state(self, reading: Reading, last_seen: Mapping[AlertKey, datetime], now: datetime) -> State:
        """What the alert says now: unknown once it neither repeated nor resolved for `alert_timeout`."""
        if reading.sets is State.OK:
            return State.OK
        seen = max(reading.alert.received_at, last_seen.get(reading.alert.key, reading.alert.received_at))
        return State.UNKNOWN if now - seen > self._settings.alert_timeout else reading.sets


def _speaks_first(policy: Policy) -> tuple[int, int, str]:
    """Those that act before those that only say what an alert means, before shadows; then by precedence."""
    kind = 0 if policy.do and policy.mode >= Mode.APPROVE else 1 if not policy.do else 2
    return (kind, -policy.precedence, policy.id)
