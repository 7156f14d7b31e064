"""Coverage: how much of what alerts can say, and of what the business can lose, a policy would take care of.

Alerts are read by the classifier of the engine. Conditions (`when`) aren't asked: they depend on the moment.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from bsm_remediate.domain.alert import Alert, AlertStatus, severity_of
from bsm_remediate.domain.alert_rule import AlertRule
from bsm_remediate.domain.bundle import Bundle
from bsm_remediate.domain.classify import Classifier, Reading
from bsm_remediate.domain.gap import Gap, gaps_of
from bsm_remediate.domain.ids import Fingerprint, NodeId
from bsm_remediate.domain.loss import Prices
from bsm_remediate.domain.policy import Mode, Policy
from bsm_remediate.domain.rollup import RollUp
from bsm_remediate.domain.state import SEVERITY_STATE, State


class Reach(StrEnum):
    """What an alert is about."""

    ONE = "one_component"
    SEVERAL = "several_components"
    SERVICE = "a_service"
    NONE = "nothing"
    OPEN = "depends_on_the_alert"
    """Of rules only: their own labels don't say."""


class Cover(StrEnum):
    """What a policy would do about an alert, the most first."""

    AUTO = "auto"
    APPROVE = "approve"
    SHADOW = "shadow"
    NO_PLAYBOOK = "no_playbook"
    """A policy says what it means, and nothing more."""
    OPEN = "depends_on_the_alert"
    """Of rules only: their policies look at labels that the rule doesn't fix."""
    NONE = "no_policy"

    @property
    def is_policy(self) -> bool:
        """Whether a playbook would at least be recorded."""
        return self in (Cover.AUTO, Cover.APPROVE, Cover.SHADOW)


_OF_MODE = {Mode.AUTO: Cover.AUTO, Mode.APPROVE: Cover.APPROVE, Mode.SHADOW: Cover.SHADOW}
_ORDER = list(Cover)


@dataclass(frozen=True, kw_only=True, slots=True)
class Seen:
    """One alert, read."""

    reading: Reading
    reach: Reach
    cover: Cover
    state: State
    """What it says, by its policy or its severity; OK says nothing about service."""
    services: tuple[NodeId, ...]
    """Those that stand on its components, or that it reports on."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Judged:
    """One rule."""

    rule: AlertRule
    reach: Reach
    cover: Cover


@dataclass(frozen=True, kw_only=True, slots=True)
class Coverage:
    """All of it."""

    alerts: tuple[Seen, ...]
    rules: tuple[Judged, ...]
    loss_per_minute: float
    """What all services together can lose, unweighted, at the prices of the moment."""
    loss: Mapping[Cover | None, float]
    """That loss by what would be done. A service's is divided equally among the kinds of alert on each component that
    it stands on; None: no alert is about anything that it stands on.
    """
    gaps: tuple[Gap, ...]
    """The worst first."""

    def share(self, *covers: Cover | None) -> float:
        """Of the loss, from 0 to 1."""
        return sum(self.loss[one] for one in covers) / self.loss_per_minute if self.loss_per_minute else 0.0


def measure(bundle: Bundle, alerts: Iterable[Alert], rules: Iterable[AlertRule], *, at: datetime) -> Coverage:
    """The coverage of `alerts` and `rules` by `bundle`, at the prices of `at` (aware)."""
    classifier, rollup = Classifier(bundle), RollUp(bundle.service_map)
    prices = Prices(bundle.calendars, at)
    rates = {node: prices.full(one) for node, one in bundle.service_map.services.items()}
    cones: dict[NodeId, tuple[NodeId, ...]] = {}

    def standing_on(node: NodeId) -> tuple[NodeId, ...]:
        if node not in cones:
            cones[node] = tuple(sorted(one for one in rollup.cone([node]) if one in rates))
        return cones[node]

    seen = [_seen(classifier.read(alert), standing_on) for alert in alerts]
    watched = [one for one in seen if not _is_heartbeat(one.reading)]
    by_name: dict[str, list[Seen]] = defaultdict(list)
    for one in watched:
        by_name[one.reading.alert.name].append(one)
    judged = tuple(
        _judged(rule, bundle, classifier, by_name.get(rule.name, ()), at) for rule in rules if not _beats(rule, bundle)
    )
    return Coverage(
        alerts=tuple(watched),
        rules=judged,
        loss_per_minute=sum(rates.values()),
        loss=_loss(watched, rates),
        gaps=gaps_of(
            [(one.reading, one.cover.value, one.state, one.services) for one in watched],
            [(one.rule, one.cover is Cover.NONE) for one in judged],
            rates=rates,
            foundation={
                node: sorted(rollup.foundation([node]) & bundle.service_map.components.keys()) for node in rates
            },
        ),
    )


# --- alerts ----------------------------------------------------------------------------------------------------------


def _seen(reading: Reading, standing_on: Callable[[NodeId], tuple[NodeId, ...]]) -> Seen:
    nodes = _places(reading)
    said = reading.sets if reading.policies else SEVERITY_STATE.get(severity_of(reading.alert.labels), State.DEGRADED)
    return Seen(
        reading=reading,
        reach=_reach(reading),
        cover=_best(reading.policies),
        state=said,
        services=tuple(dict.fromkeys(service for node in nodes for service in standing_on(node))),
    )


def _places(reading: Reading) -> list[NodeId]:
    """The components that it is about, or the service that it reports on."""
    mapped = reading.mapped
    return [one.node for one in (mapped.components or ((mapped.service,) if mapped.service is not None else ()))]


def _reach(reading: Reading) -> Reach:
    if reading.mapped.service is not None:
        return Reach.SERVICE
    number = len(reading.mapped.components)
    return Reach.NONE if number == 0 else Reach.ONE if number == 1 else Reach.SEVERAL


def _best(policies: Iterable[Policy]) -> Cover:
    """What those that match would do."""
    covers = [_OF_MODE[policy.mode] if policy.do else Cover.NO_PLAYBOOK for policy in policies]
    return min(covers, key=_ORDER.index, default=Cover.NONE)


def _is_heartbeat(reading: Reading) -> bool:
    mapped = reading.mapped
    return not (mapped.components or mapped.service or mapped.reason)


def _loss(seen: Sequence[Seen], rates: Mapping[NodeId, float]) -> dict[Cover | None, float]:
    kinds: dict[NodeId, dict[tuple[NodeId, str], Cover]] = defaultdict(dict)
    for one in seen:
        if one.state is State.OK:
            continue
        places = _places(one.reading)
        for service in one.services:
            for place in places:
                kind = (place, one.reading.alert.name)
                kinds[service][kind] = min(kinds[service].get(kind, one.cover), one.cover, key=_ORDER.index)
    found: dict[Cover | None, float] = {**dict.fromkeys(Cover, 0.0), None: 0.0}
    for service, rate in rates.items():
        covers = Counter(kinds[service].values())
        for cover, number in covers.items():
            found[cover] += rate * number / covers.total()
        if not covers:
            found[None] += rate
    return found


# --- rules -----------------------------------------------------------------------------------------------------------


def _beats(rule: AlertRule, bundle: Bundle) -> bool:
    watchdog = bundle.settings.watchdog
    return watchdog is not None and watchdog.alertname == rule.name


def _judged(rule: AlertRule, bundle: Bundle, classifier: Classifier, seen: Sequence[Seen], at: datetime) -> Judged:
    """By what all its alerts have in common; where that isn't enough by those in `seen`, which bear its name."""
    labels = rule.all_labels
    example = Alert(
        source="rules",
        fingerprint=Fingerprint(rule.name[:200]),
        status=AlertStatus.FIRING,
        labels=labels,
        starts_at=at,
        received_at=at,
    )
    reach = _reach(classifier.read(example))
    if reach is Reach.NONE:
        own = {one.reach for one in seen if labels.items() <= one.reading.alert.labels.items()}
        reach = own.pop() if len(own) == 1 else Reach.OPEN
    may_match = [
        policy
        for policy in bundle.policies.values()
        if policy.mode is not Mode.OFF
        and policy.metric is None  # no rule's alert is made of its figures
        and all(matcher.label not in labels or matcher.matches(labels) for matcher in policy.match)
    ]
    surely = _best(one for one in may_match if all(matcher.label in labels for matcher in one.match))
    cover = Cover.OPEN if surely is Cover.NONE and may_match else surely
    return Judged(rule=rule, reach=reach, cover=cover)
