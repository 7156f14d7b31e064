"""From alerts to signals: what each alert means by this bundle, and which policies may speak about it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from sys import intern
from typing import NamedTuple

from bsm_remediate.domain.alert import Alert, severity_of
from bsm_remediate.domain.bundle import Bundle
from bsm_remediate.domain.mapping import Attempt, Mapped, Mapper
from bsm_remediate.domain.match_index import MatchIndex
from bsm_remediate.domain.policy import Evidence, Mode, Policy
from bsm_remediate.domain.signal import Signal
from bsm_remediate.domain.state import SEVERITY_STATE, State


class Reading(NamedTuple):
    """One alert as the bundle reads it: its signals, or a service that it reports on, or why it fits nothing."""

    alert: Alert
    policies: tuple[Policy, ...]
    mapped: Mapped
    sets: State
    evidence: Evidence

    def signals(self) -> list[Signal]:
        """One for each component that it is about."""
        since = min(self.alert.starts_at, self.alert.received_at)
        name = intern(self.alert.name)
        return [
            Signal(
                alert=self.alert,
                name=name,
                component=target.node,
                how=target.how,
                since=since,
                policies=self.policies,
                sets=self.sets,
                evidence=self.evidence,
            )
            for target in self.mapped.components
        ]


class Classifier:
    """Reads alerts one by one."""

    def __init__(self, bundle: Bundle) -> None:
        self._settings = bundle.settings
        self._index = MatchIndex(
            (policy, policy.match) for policy in bundle.policies.values() if policy.mode is not Mode.OFF
        )
        self._mapper = Mapper(bundle)

    def read(self, alert: Alert) -> Reading:
        """What `alert` means; the same for the same alert at any time."""
        labels = dict(alert.labels.items())  # unpacked once
        watchdog = self._settings.watchdog
        if watchdog is not None and labels.get("alertname") == watchdog.alertname:
            # The heartbeat is about monitoring itself: no component, no state, nothing to be told as unmapped.
            return Reading(alert=alert, policies=(), mapped=Mapped(), sets=State.OK, evidence=Evidence.INDIRECT)
        policies = self._index.matching(labels)
        if len(policies) > 1:
            policies = tuple(sorted(policies, key=_speaks_first))
        meaning = policies[0] if policies else None
        stated = next((policy.sets for policy in policies if policy.sets is not None), None)
        return Reading(
            alert=alert,
            policies=policies,
            mapped=self._mapper.map(labels, policies),
            sets=self._state(labels, stated, named=bool(policies)),
            evidence=meaning.evidence if meaning is not None else Evidence.INDIRECT,
        )

    def attempts(self, reading: Reading) -> Iterator[Attempt]:
        """What was looked at to find what the alert of `reading` is about, and what would have been next."""
        return self._mapper.attempts(dict(reading.alert.labels.items()), reading.policies)

    def _state(self, labels: Mapping[str, str], stated: State | None, *, named: bool) -> State:
        if stated is not None:
            return stated
        if not named and not self._settings.state_from_severity:
            return State.OK
        return SEVERITY_STATE.get(severity_of(labels), State.DEGRADED)


def _speaks_first(policy: Policy) -> tuple[int, int, str]:
    """Those that act before those that only say what an alert means, before shadows; then by precedence."""
    kind = 0 if policy.do and policy.mode >= Mode.APPROVE else 1 if not policy.do else 2
    return (kind, -policy.precedence, policy.id)
