"""The board: what all firing alerts say, by component. It is kept up alert by alert, so that looking again costs what
changed, not what fires.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import reduce
from itertools import compress, count
from operator import attrgetter, is_not

from bsm_remediate.domain.alert import Alert, AlertKey, AlertStatus
from bsm_remediate.domain.bundle import Bundle
from bsm_remediate.domain.classify import Classifier, Reading
from bsm_remediate.domain.decision import Decision, Verdict
from bsm_remediate.domain.ids import NodeId
from bsm_remediate.domain.metric import METRICS
from bsm_remediate.domain.signal import Signal
from bsm_remediate.domain.state import State, worse

_ONSET = attrgetter("since", "alert.key")
_NEVER = datetime.min.replace(tzinfo=UTC)
_ALWAYS = datetime.max.replace(tzinfo=UTC)


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Heard:
    """What is said about one component."""

    signals: tuple[Signal, ...]
    """The earliest first."""
    worst: State
    onset: datetime | None
    """Since when anything is wrong by them; None when nothing is, or nobody can tell: that begins no storm."""
    is_conditional: bool
    """Whether a policy with a condition (`when`) is among theirs."""
    good_until: datetime
    """While no alert changes it stays so until then: one of them becomes stale."""
    leans_on_repeats: bool
    """Whether one is only kept from being stale by its last repeat."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Unmapped:
    """An alert that fits nothing; the decision says why."""

    alert: Alert
    decision: Decision


class Board:
    """The signals of the alerts that it was shown last. A cache: it says what a new one would say."""

    def __init__(self, bundle: Bundle) -> None:
        self._classifier = Classifier(bundle)
        self._timeout = bundle.settings.alert_timeout
        self._alerts: Sequence[Alert] = ()
        self._said: dict[NodeId, dict[AlertKey, Signal]] = {}
        self._added: dict[NodeId, list[Signal]] = {}
        """What came since it was summed up."""
        self._heard: dict[NodeId, Heard] = {}
        self._last_seen: Mapping[AlertKey, datetime] = {}
        self._unmapped: dict[AlertKey, Unmapped] = {}
        self.reports: dict[AlertKey, tuple[NodeId, State]] = {}
        """Alerts about services: which, and what state they report."""
        self._about_services: dict[AlertKey, Decision] = {}
        self.figures: dict[AlertKey, list[Signal]] = {}
        """The signals of figures beyond their threshold, or expected to be."""

    @property
    def unmapped(self) -> list[Unmapped]:
        """The earliest first."""
        return sorted(self._unmapped.values(), key=lambda one: (one.alert.starts_at, one.alert.key))

    @property
    def about_services(self) -> list[Decision]:
        """Of alerts that name a service: why nothing is done about them."""
        return [self._about_services[key] for key in sorted(self._about_services)]

    def read(
        self, alerts: Sequence[Alert], last_seen: Mapping[AlertKey, datetime], now: datetime
    ) -> Mapping[NodeId, Heard]:
        """What `alerts`, each of them once, say at `now`, by component."""
        if alerts is not self._alerts:
            self._take(alerts)
        if last_seen is not self._last_seen:
            self._last_seen = last_seen
            self._heard = {node: heard for node, heard in self._heard.items() if not heard.leans_on_repeats}
        added, self._added = self._added, {}
        for node, said in self._said.items():
            heard = self._heard.get(node)
            if heard is None or now > heard.good_until:
                self._heard[node] = self._hear(said.values(), now)
            elif node in added:
                self._heard[node] = _together(heard, self._hear(added[node], now))
        return self._heard

    # --- taking over what changed ----------------------------------------------------------------------------------

    def _take(self, alerts: Sequence[Alert]) -> None:
        """Only what comes after the first difference is compared: in a storm that is what is new."""
        same = next(compress(count(), map(is_not, self._alerts, alerts)), min(len(self._alerts), len(alerts)))
        before = {alert.key: alert for alert in self._alerts[same:]}
        current = {alert.key: alert for alert in alerts[same:]}
        for key, alert in before.items():
            if current.get(key) is not alert:
                self._forget(alert)
        for key, alert in current.items():
            if before.get(key) is not alert:
                self._learn(alert)
        self._alerts = alerts

    def _learn(self, alert: Alert) -> None:
        reading = self._classifier.read(alert)
        mapped = reading.mapped
        if mapped.reason:
            self._unmapped[alert.key] = Unmapped(alert=alert, decision=_unmapped(alert, mapped.reason))
        if mapped.service is not None:
            self._about_services[alert.key] = _about_service(reading, mapped.service.node)
            if reading.sets is not State.OK and alert.is_firing:
                self.reports[alert.key] = (mapped.service.node, reading.sets)
        signals = reading.signals()
        if alert.source == METRICS and alert.is_firing:
            self.figures[alert.key] = signals
        for signal in signals:
            component = signal.statement.component
            said = self._said.get(component)
            if said is None:
                said = self._said[component] = {}
            said[alert.key] = signal
            if component in self._heard:
                self._added.setdefault(component, []).append(signal)

    def _forget(self, alert: Alert) -> None:
        self._unmapped.pop(alert.key, None)
        self.reports.pop(alert.key, None)
        self._about_services.pop(alert.key, None)
        self.figures.pop(alert.key, None)
        for target in self._classifier.read(alert).mapped.components:
            said = self._said[target.node]
            said.pop(alert.key, None)
            self._heard.pop(target.node, None)
            if not said:
                del self._said[target.node]

    # --- summing up ------------------------------------------------------------------------------------------------

    def _hear(self, said: Iterable[Signal], now: datetime) -> Heard:
        signals = by_onset(said)
        telling = [one for one in signals if one.statement.sets is not State.OK]
        came_in = [one.alert.received_at for one in telling]
        seen = [self._seen(one.alert) for one in telling] if self._last_seen else came_in
        good_until = min(seen) + self._timeout if seen else _ALWAYS
        if now > good_until or any(one.alert.status is AlertStatus.UNKNOWN for one in telling):
            signals = tuple(self._as_known(one, now) for one in signals)
        statements = {id(one.statement): one.statement for one in signals}.values()
        return Heard(
            signals=signals,
            worst=reduce(worse, {one.sets for one in statements}, State.OK),
            onset=next((one.since for one in telling if one.alert.status is not AlertStatus.UNKNOWN), None),
            is_conditional=any(policy.when is not None for one in statements for policy in one.policies),
            # What is stale is looked at anew each time: a repeat may have come.
            good_until=good_until if now <= good_until else _NEVER,
            leans_on_repeats=seen != came_in,
        )

    def _seen(self, alert: Alert) -> datetime:
        """When it was last heard of: when it came, or its last repeat."""
        repeated = self._last_seen.get(alert.key) if self._last_seen else None
        return alert.received_at if repeated is None or repeated < alert.received_at else repeated

    def _as_known(self, signal: Signal, now: datetime) -> Signal:
        """Unknown once it neither repeats nor resolves (DESIGN 5.6), or where its source says so."""
        is_silent = now > self._seen(signal.alert) + self._timeout
        if signal.sets is State.OK or not (is_silent or signal.alert.status is AlertStatus.UNKNOWN):
            return signal
        return signal._replace(statement=signal.statement._replace(sets=State.UNKNOWN, was=signal.sets))


def _unmapped(alert: Alert, reason: str) -> Decision:
    return Decision(component=None, policy=None, verdict=Verdict.UNMAPPED, reason=reason, alerts=(alert.key,))


def _about_service(reading: Reading, service: NodeId) -> Decision:
    """An alert about a service says what people notice, not what to repair."""
    if not reading.policies:
        reason = f"no policy names {reading.meaning.name or 'it'}"
    elif any(policy.do for policy in reading.policies):
        named = next(policy.id for policy in reading.policies if policy.do)
        says = f"says that {service} is {reading.sets}" if reading.sets is not State.OK else f"is about {service}"
        reason = f"{reading.meaning.name} {says}, a service; {named} must name the component to act on (component: …)"
    else:
        reason = f"{reading.policies[0].id} only says what it means: {service} is {reading.sets}"
    return Decision(
        component=service, policy=None, verdict=Verdict.NO_POLICY, reason=reason, alerts=(reading.alert.key,)
    )


def _together(one: Heard, other: Heard) -> Heard:
    return Heard(
        signals=by_onset((*one.signals, *other.signals)),
        worst=worse(one.worst, other.worst),
        onset=min((onset for onset in (one.onset, other.onset) if onset is not None), default=None),
        is_conditional=one.is_conditional or other.is_conditional,
        good_until=min(one.good_until, other.good_until),
        leans_on_repeats=one.leans_on_repeats or other.leans_on_repeats,
    )


def by_onset(signals: Iterable[Signal]) -> tuple[Signal, ...]:
    """`signals`, the earliest first."""
    return tuple(sorted(signals, key=_ONSET))
