"""Supposed alerts: those that policies wait for, as if they had come. For plans of outages that are only imagined."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from itertools import islice

from bsm_remediate.domain.alert import Alert, AlertStatus
from bsm_remediate.domain.bundle import Bundle
from bsm_remediate.domain.classify import Classifier, Reading
from bsm_remediate.domain.ids import Fingerprint, NodeId
from bsm_remediate.domain.matcher import MatchOperator
from bsm_remediate.domain.policy import Evidence, Policy
from bsm_remediate.domain.state import State, worse

_FAILING = frozenset({State.DOWN, State.DEGRADED})


def supposed_alerts(bundle: Bundle, own: Mapping[NodeId, State], at: datetime) -> tuple[Alert, ...]:
    """For each component that fails in `own` an alert that a policy with playbooks waits for: of several policies that
    would speak about it the one with direct evidence, then the one that goes furthest.

    A policy that asks for more than equal labels may get none: what fits its expressions isn't guessed.
    """
    classifier = Classifier(bundle)
    policies = sorted(
        # A figure that says nothing about the state isn't what an outage would be noticed by.
        (one for one in bundle.policies.values() if one.do and (one.metric is None or one.sets in _FAILING)),
        key=lambda one: (one.evidence is not Evidence.DIRECT, -one.mode, -one.precedence, one.id),
    )
    found: list[Alert] = []
    for node, state in own.items():
        if state in _FAILING and node in bundle.service_map.components:
            alerts = ((policy, _alert(bundle, node, policy, at)) for policy in policies)
            fitting = (alert for policy, alert in alerts if _fits(policy, node, state, classifier.read(alert)))
            found += islice(fitting, 1)
    return tuple(found)


def _fits(policy: Policy, node: NodeId, state: State, reading: Reading) -> bool:
    is_about_it = node in {one.node for one in reading.mapped.components}
    return policy in reading.policies and is_about_it and worse(reading.sets, state) is state


def _alert(bundle: Bundle, node: NodeId, policy: Policy, at: datetime) -> Alert:
    component = bundle.service_map.components[node]
    labels = {one.label: one.value for one in component.match if one.operator is MatchOperator.EQUAL}
    for label in bundle.settings.component_labels[:1]:
        labels[label] = node
    labels |= {one.label: one.value for one in policy.match if one.operator is MatchOperator.EQUAL}
    labels.setdefault("alertname", policy.id)
    return Alert(
        source="supposed",
        fingerprint=Fingerprint(f"{node}/{policy.id}"),
        status=AlertStatus.FIRING,
        labels=labels,
        annotations={},
        starts_at=at,
        ends_at=None,
        received_at=at,
    )
