"""A sender's body, declared: where the parts of an alert stand, and what the sender's words mean.

A vendor is one `FieldMap`, and so is `[sources.NAME]` of kind `generic` with paths of its own.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, tzinfo
from hashlib import sha256
from typing import Any

import orjson

from bsm_remediate.adapters.webhooks.delivery import (
    Delivery,
    Rejection,
    began,
    ended,
    escaped,
    fingerprint_of,
    kind,
    parse,
    require_object,
    require_some,
    texts,
)
from bsm_remediate.adapters.webhooks.spellings import tags_of, text_of, time_of, zone_of
from bsm_remediate.domain.alert import Alert, AlertStatus
from bsm_remediate.domain.field_path import FieldPath, find, parse_field_path
from bsm_remediate.domain.ids import Fingerprint
from bsm_remediate.errors import MalformedAlerts

Paths = tuple[FieldPath, ...]
"""Places to look at, in this order; the first where something stands counts."""

_log = logging.getLogger(__name__)
_LONGEST_FINGERPRINT = 200


def at(*places: str) -> Paths:
    """The places as people write them."""
    return tuple(parse_field_path(place) for place in places)


@dataclass(frozen=True, kw_only=True)
class FieldMap:
    """Reads the bodies of one source; called with a body and the time of its receipt (aware)."""

    source: str
    alerts: Paths = ()
    """A list of alerts, or one; without it the body is that. All other paths start at the alert."""
    labels: Mapping[str, Paths]
    """`alertname` must be among them and in every alert; the others may be missing."""
    tags: Paths = ()
    """All of these are spread as labels; `labels` win over them, the first place over the others."""
    annotations: Mapping[str, Paths] = field(default_factory=dict)
    status: Paths = ()
    """Without it everything fires."""
    firing: frozenset[str] = frozenset()
    """Words of the status, small letters. When only one of `firing` and `resolved` is given, any other is the other."""
    resolved: frozenset[str] = frozenset()
    unknown: frozenset[str] = frozenset()
    """Words that say that the source can't tell: such an alert is neither over nor starts a run."""
    ignored: frozenset[str] = frozenset()
    """Words that say nothing: what was firing goes on, what was not doesn't begin."""
    severities: Mapping[str, str] = field(default_factory=dict)
    """From the sender's words for the label `severity`, small letters, to ours; others stay as they are."""
    starts_at: Paths = ()
    """Without it an alert starts when it is received."""
    ends_at: Paths = ()
    timezone: tzinfo | None = None
    """Of times that name none; without it such a time is an error."""
    offset: Paths = ()
    """Where an offset like +02:00 for such times stands."""
    fingerprint: tuple[Paths, ...] = ()
    """Ways to tell alerts apart, by one or several parts; the first of which all parts are there counts. Without any
    it is made of the labels, save the severity, since that may change while an alert fires.
    """
    control: Callable[[dict[str, Any]], str] = lambda _: ""
    """What a body is that is no alert; "" for an alert."""
    prepare: Callable[[dict[str, Any], str], dict[str, Any]] = lambda alert, _: alert
    """For what paths can't say: the alert and its JSON pointer, to the alert that the paths read."""

    def __call__(self, raw: bytes, received_at: datetime) -> Delivery:
        """The alerts of a body. Raises `MalformedAlerts`."""
        return self.read(parse(raw), received_at)

    def read(self, body: Any, received_at: datetime) -> Delivery:
        """The same, of a body already parsed."""
        delivery = Delivery()
        for one, pointer in self._each(body):
            try:
                alert = self._read(require_object(one, pointer), pointer, received_at)
            except MalformedAlerts as error:
                delivery.rejected.append(Rejection(field=error.field, message=str(error)))
            else:
                if alert is not None:
                    delivery.alerts.append(alert)
        return require_some(delivery)

    def _each(self, body: Any) -> Iterable[tuple[Any, str]]:
        found, pointer = _first(body, self.alerts, "")
        if found is None:
            if self.alerts:
                raise MalformedAlerts("there are no alerts", field=pointer)
            found = body
        if isinstance(found, list):
            return [(one, f"{pointer}/{number}") for number, one in enumerate(found)]
        return [(found, pointer)]

    def _read(self, raw: dict[str, Any], pointer: str, received_at: datetime) -> Alert | None:
        control = self.control(raw)
        if control:
            _log.info("webhook.no_alert source=%s %s", self.source, control)
            return None
        alert = self.prepare(raw, pointer)
        status = self._status(alert, pointer)
        if status is None:
            return None
        labels = self._labels(alert, pointer)
        starts_at = self._time(alert, self.starts_at, pointer)
        return Alert(
            source=self.source,
            fingerprint=self._fingerprint(alert, labels, pointer),
            status=status,
            labels=labels,
            annotations=texts(_named(alert, self.annotations, pointer), pointer),
            starts_at=began(starts_at, received_at) if starts_at is not None else received_at,
            ends_at=ended(self._time(alert, self.ends_at, pointer), status),
            received_at=received_at,
        )

    def _status(self, alert: dict[str, Any], pointer: str) -> AlertStatus | None:
        if not self.status:
            return AlertStatus.FIRING
        found, where = _first(alert, self.status, pointer)
        word = text_of(found, where).strip().lower()
        if word in self.ignored:
            return None
        if word in self.unknown:
            return AlertStatus.UNKNOWN
        if word in self.firing or (word and not self.firing and word not in self.resolved):
            return AlertStatus.FIRING
        if word in self.resolved or (word and not self.resolved):
            return AlertStatus.RESOLVED
        known = ", ".join(sorted(self.firing | self.resolved | self.unknown | self.ignored))
        raise MalformedAlerts(f"must be one of {known}, not {kind(found)}", field=where)

    def _labels(self, alert: dict[str, Any], pointer: str) -> dict[str, str]:
        labels: dict[str, str] = {}
        for place in reversed(self.tags):
            labels.update(tags_of(find(alert, place), _pointer(pointer, place)))
        labels.update(_named(alert, self.labels, pointer))
        if not labels.get("alertname"):
            _, where = _first(alert, self.labels["alertname"], pointer)
            raise MalformedAlerts("an alert needs a name", field=where)
        severity = labels.get("severity", "").strip().lower()
        if severity:
            labels["severity"] = self.severities.get(severity, severity)
        return texts({name: text for name, text in labels.items() if text}, pointer)

    def _time(self, alert: dict[str, Any], places: Paths, pointer: str) -> datetime | None:
        found, where = _first(alert, places, pointer)
        if found is None or found == "":
            return None
        offset, offset_place = _first(alert, self.offset, pointer)
        return time_of(found, where, zone=zone_of(text_of(offset, offset_place)) or self.timezone)

    def _fingerprint(self, alert: dict[str, Any], labels: Mapping[str, str], pointer: str) -> Fingerprint:
        for way in self.fingerprint:
            parts = [text_of(find(alert, place), _pointer(pointer, place)) for place in way]
            if all(parts):
                return _joined(parts)
        return fingerprint_of({name: text for name, text in labels.items() if name != "severity"})


def _joined(parts: list[str]) -> Fingerprint:
    if len(parts) == 1 and len(parts[0]) <= _LONGEST_FINGERPRINT:
        return Fingerprint(parts[0])
    return Fingerprint(sha256(orjson.dumps(parts)).hexdigest()[:16])


def _named(alert: dict[str, Any], places: Mapping[str, Paths], pointer: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for name, paths in places.items():
        text = text_of(*_first(alert, paths, pointer))
        if text:
            found[name] = text
    return found


def _first(value: Any, places: Paths, pointer: str) -> tuple[Any, str]:
    """What stands first, and where; the first place where nothing does."""
    for place in places:
        found = find(value, place)
        if found is not None and found != "":
            return found, _pointer(pointer, place)
    return None, _pointer(pointer, places[0]) if places else pointer


def _pointer(base: str, place: FieldPath) -> str:
    return "/".join((base, *(escaped(step) for step in place)))
