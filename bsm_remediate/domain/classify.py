"""From alerts to signals: what each alert means by this bundle, and which policies may speak about it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from sys import intern
from typing import NamedTuple

from bsm_remediate.domain.alert import Alert, score_of, severity_of
from bsm_remediate.domain.bundle import Bundle
from bsm_remediate.domain.mapping import Attempt, Mapped, Mapper
from bsm_remediate.domain.match_index import MatchIndex
from bsm_remediate.domain.metric import FORECAST_LABEL, POLICY_LABEL
from bsm_remediate.domain.policy import Evidence, Mode, Policy
from bsm_remediate.domain.signal import Signal, Statement
from bsm_remediate.domain.state import SEVERITY_STATE, State

_MEMORY = 5_000
"""Meanings that are remembered; then it begins anew, so memory stays flat whatever the labels."""


class Meaning(NamedTuple):
    """What alerts with the same labels mean: statements on components, or a service that they report on, or why they
    fit nothing.
    """

    name: str
    policies: tuple[Policy, ...]
    mapped: Mapped
    sets: State
    evidence: Evidence
    statements: tuple[Statement, ...]
    """One for each component that they are about."""


class Reading(NamedTuple):
    """One alert as the bundle reads it."""

    alert: Alert
    meaning: Meaning

    @property
    def policies(self) -> tuple[Policy, ...]:
        return self.meaning.policies

    @property
    def mapped(self) -> Mapped:
        return self.meaning.mapped

    @property
    def sets(self) -> State:
        return self.meaning.sets

    @property
    def evidence(self) -> Evidence:
        return self.meaning.evidence

    def signals(self) -> list[Signal]:
        """One for each component that it is about."""
        alert = self.alert
        if any(policy.when is not None for policy in self.policies):
            # Conditions look at its texts again and again: these are kept at hand.
            alert = replace(alert, labels=dict(alert.labels.items()), annotations=dict(alert.annotations.items()))
        since, score = min(alert.starts_at, alert.received_at), score_of(alert.annotations)
        return [Signal(alert, since, statement, score) for statement in self.meaning.statements]


class Classifier:
    """Reads alerts one by one. What doesn't matter to the bundle doesn't cost: alerts that differ only in labels that
    nothing in it looks at share their meaning.
    """

    def __init__(self, bundle: Bundle) -> None:
        self._settings = bundle.settings
        active = [policy for policy in bundle.policies.values() if policy.mode is not Mode.OFF]
        self._index = MatchIndex((policy, policy.match) for policy in active)
        self._mapper = Mapper(bundle)
        self._looked_at = tuple({"alertname", "severity", FORECAST_LABEL, *self._index.labels, *self._mapper.labels})
        self._meanings: dict[tuple[str | None, ...], Meaning] = {}

    def read(self, alert: Alert) -> Reading:
        """What `alert` means; the same for the same alert at any time."""
        labels = alert.labels
        if not isinstance(labels, dict):
            labels = dict(labels.items())  # unpacked once
        looked_at = tuple(map(labels.get, self._looked_at))
        meaning = self._meanings.get(looked_at)
        return Reading(alert, self._learnt(labels, looked_at) if meaning is None else meaning)

    def _learnt(self, labels: Mapping[str, str], looked_at: tuple[str | None, ...]) -> Meaning:
        meaning = self._meaning(labels)
        # A template that names the component may look at any label.
        if all(policy.component is None for policy in meaning.policies):
            if len(self._meanings) >= _MEMORY:
                self._meanings.clear()
            self._meanings[looked_at] = meaning
        return meaning

    def _meaning(self, labels: Mapping[str, str]) -> Meaning:
        name = intern(labels.get("alertname", ""))
        watchdog = self._settings.watchdog
        if watchdog is not None and name == watchdog.alertname:
            # The heartbeat is about monitoring itself: no component, no state, nothing to be told as unmapped.
            return Meaning(name, (), Mapped(), State.OK, Evidence.INDIRECT, ())
        policies = self._index.matching(labels)
        if len(policies) > 1:
            policies = tuple(sorted(policies, key=_speaks_first))
        mapped = self._mapper.map(labels, policies)
        stated = next((policy.sets for policy in policies if policy.sets is not None), None)
        if FORECAST_LABEL in labels and POLICY_LABEL in labels:
            stated = State.OK  # a forecast never changes a state (DESIGN 5.6)
        sets = self._state(labels, stated, named=bool(policies))
        evidence = policies[0].evidence if policies else Evidence.INDIRECT
        statements = tuple(
            Statement(name, target.node, target.how, policies, sets, evidence) for target in mapped.components
        )
        return Meaning(name, policies, mapped, sets, evidence, statements)

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
