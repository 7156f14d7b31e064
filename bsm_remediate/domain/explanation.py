"""Why an alert means what it means: every rule and matcher tried, with the value seen, and what followed.

It asks the classifier and the evaluator that the engine uses and writes down what they say; it decides nothing itself.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from bsm_remediate.domain.alert import Alert, AlertKey
from bsm_remediate.domain.bundle import Bundle
from bsm_remediate.domain.classify import Classifier, Reading
from bsm_remediate.domain.decision import Decision
from bsm_remediate.domain.evaluation import Evaluator
from bsm_remediate.domain.facts import Facts
from bsm_remediate.domain.ids import NodeId, PolicyId
from bsm_remediate.domain.mapping import Attempt
from bsm_remediate.domain.matcher import Matcher
from bsm_remediate.domain.policy import Condition, Policy
from bsm_remediate.domain.service_map import Component
from bsm_remediate.domain.situation import Situation


@dataclass(frozen=True, kw_only=True, slots=True)
class Tried:
    """One matcher on one alert."""

    matcher: Matcher
    seen: str
    """The label's value; a missing label is the empty text."""
    fits: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class ComponentTried:
    """The `match` of one component."""

    component: NodeId
    matchers: tuple[Tried, ...]

    @property
    def fits(self) -> bool:
        return all(one.fits for one in self.matchers)


@dataclass(frozen=True, kw_only=True, slots=True)
class PolicyTried:
    """One policy's matchers, and its condition on each component that the alert is about."""

    policy: Policy
    matchers: tuple[Tried, ...]
    conditions: tuple[tuple[NodeId, bool | None], ...] = ()
    """Component → whether `when` holds; None where its value is of the wrong kind, which counts as no."""
    speaks: bool
    """Whether it has a say: all its matchers fit, and it isn't off."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Explanation:
    """One alert."""

    reading: Reading
    attempts: tuple[Attempt, ...]
    """All there is to look at, in order; the first with an answer says what the alert is about."""
    components: tuple[ComponentTried, ...]
    """Those with a `match`."""
    policies: tuple[PolicyTried, ...]
    """Those that match first, in the order in which they speak; then the nearest misses."""
    decisions: tuple[Decision, ...]
    """What the evaluator decided because of it."""
    suppressed: str = ""
    """By what it is silenced."""

    @property
    def answered(self) -> int | None:
        """Which of the attempts decided; None for the heartbeat, which is about nothing."""
        mapped = self.reading.mapped
        if not (mapped.reason or mapped.components or mapped.service):
            return None
        return next(place for place, (_, _, _, answer) in enumerate(self.attempts) if answer is not None)

    @property
    def deciding(self) -> tuple[Decision, ...]:
        """One decision for each component, that of the policy which acts before those of shadows."""
        first: dict[NodeId | None, Decision] = {}
        by_rank = {one.id: place for place, one in enumerate(self.reading.policies)}
        last = len(by_rank)
        for one in sorted(self.decisions, key=lambda one: by_rank.get(one.policy, last) if one.policy else last):
            first.setdefault(one.component, one)
        return tuple(first.values())


@dataclass(frozen=True, slots=True)
class _Witness:
    """A condition that writes down what it said. Implements `Condition`."""

    condition: Condition
    policy: PolicyId
    said: dict[tuple[PolicyId, AlertKey, NodeId], bool | None]

    @property
    def source(self) -> str:
        return self.condition.source

    def __call__(self, facts: Facts) -> bool:
        key = (self.policy, facts.alert.key, facts.component.id)
        self.said[key] = None  # and so it stays when the condition raises `InvalidExpression`
        holds = self.said[key] = self.condition(facts)
        return holds


def explain(bundle: Bundle, situation: Situation) -> tuple[Explanation, ...]:
    """An explanation of each alert of `situation`, all of which fire together."""
    said: dict[tuple[PolicyId, AlertKey, NodeId], bool | None] = {}
    witnessed = replace(bundle, policies={one.id: _witnessed(one, said) for one in bundle.policies.values()})
    evaluation = Evaluator(witnessed).evaluate(situation)
    decided: dict[AlertKey, list[Decision]] = {}
    for decision in evaluation.decisions:
        for key in decision.alerts:
            decided.setdefault(key, []).append(decision)
    classifier = Classifier(bundle)
    return tuple(
        _explained(bundle, classifier, alert, said, decided.get(alert.key, ()), situation.suppressed.get(alert.key, ""))
        for alert in situation.alerts
    )


def _witnessed(policy: Policy, said: dict[tuple[PolicyId, AlertKey, NodeId], bool | None]) -> Policy:
    if policy.when is None:
        return policy
    return replace(policy, when=_Witness(policy.when, policy.id, said))


def _explained(
    bundle: Bundle,
    classifier: Classifier,
    alert: Alert,
    said: dict[tuple[PolicyId, AlertKey, NodeId], bool | None],
    decisions: Sequence[Decision],
    suppressed: str,
) -> Explanation:
    reading = classifier.read(alert)
    spoken = {one.id: place for place, one in enumerate(reading.policies)}
    tried = [
        PolicyTried(
            policy=policy,
            matchers=_tried(policy.match, alert),
            speaks=policy.id in spoken,
            conditions=tuple(
                (node, said[known]) for node in _about(reading) if (known := (policy.id, alert.key, node)) in said
            ),
        )
        for policy in bundle.policies.values()
    ]
    tried.sort(
        key=lambda one: (spoken.get(one.policy.id, len(spoken)), sum(not m.fits for m in one.matchers), one.policy.id)
    )
    return Explanation(
        reading=reading,
        attempts=tuple(classifier.attempts(reading)),
        components=_by_nearness(bundle.service_map.components.values(), alert),
        policies=tuple(tried),
        decisions=tuple(decisions),
        suppressed=suppressed,
    )


def _about(reading: Reading) -> list[NodeId]:
    return [target.node for target in reading.mapped.components]


def _by_nearness(components: Iterable[Component], alert: Alert) -> tuple[ComponentTried, ...]:
    tried = [ComponentTried(component=one.id, matchers=_tried(one.match, alert)) for one in components if one.match]
    return tuple(sorted(tried, key=lambda one: (sum(not m.fits for m in one.matchers), one.component)))


def _tried(matchers: Iterable[Matcher], alert: Alert) -> tuple[Tried, ...]:
    return tuple(
        Tried(matcher=one, seen=alert.labels.get(one.label, ""), fits=one.matches(alert.labels)) for one in matchers
    )
