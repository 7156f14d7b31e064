"""What every sender's body is read into, and the careful reading of JSON that they share.

Bodies are hostile until proven otherwise: orjson refuses NaN, endless integers, thousands of levels, lone surrogates
and invalid UTF-8; what it lets through is checked here, member by member, without building a model per alert.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any

import orjson

from bsm_remediate.domain.alert import Alert, AlertStatus
from bsm_remediate.domain.ids import Fingerprint
from bsm_remediate.errors import MalformedAlerts

MOST_LABELS = 1_000
LONGEST_TEXT = 64 * 1024
_EPOCH = datetime.fromtimestamp(0, UTC)


@dataclass(frozen=True, kw_only=True, slots=True)
class Rejection:
    """One alert of a body that can't be taken: where it is wrong, and why."""

    field: str
    """JSON pointer."""
    message: str


@dataclass(kw_only=True, slots=True)
class Delivery:
    """One body: the good alerts, and the bad ones kept aside, so that one never fails the others."""

    alerts: list[Alert] = field(default_factory=list)
    rejected: list[Rejection] = field(default_factory=list)
    truncated: int = 0
    """How many alerts the sender left out."""


Source = Callable[[bytes, datetime], Delivery]
"""Body and time of receipt (aware) → delivery. Raises `MalformedAlerts` when there is nothing to be had from it."""


def parse(raw: bytes) -> Any:
    """The JSON value of `raw`. Raises `MalformedAlerts`."""
    try:
        value = orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        raise MalformedAlerts(f"the body is no JSON: {error}") from error
    if b"\\u0000" not in raw:
        return value
    try:
        # PostgreSQL refuses NUL, and a C argument ends there
        return _without_nul(value)
    except RecursionError:
        raise MalformedAlerts("the body is nested too deep") from None


def _without_nul(value: Any) -> Any:
    if isinstance(value, str):
        return value.replace("\0", "�")
    if isinstance(value, list):
        return [_without_nul(one) for one in value]
    if isinstance(value, dict):
        return {_without_nul(key): _without_nul(one) for key, one in value.items()}
    return value


def require_object(value: Any, pointer: str = "") -> dict[str, Any]:
    if not isinstance(value, dict):
        raise MalformedAlerts(f"must be an object, not {kind(value)}", field=pointer)
    return value


def require_list(value: Any, pointer: str) -> list[Any]:
    if not isinstance(value, list):
        raise MalformedAlerts(f"must be a list, not {kind(value)}", field=pointer)
    return value


def texts(value: Any, pointer: str) -> dict[str, str]:
    """A mapping of text to text within the limits. Raises `MalformedAlerts`."""
    if value is None:
        return {}
    found = require_object(value, pointer)
    if len(found) > MOST_LABELS:
        raise MalformedAlerts(f"has {len(found)} members, at most {MOST_LABELS} are taken", field=pointer)
    for name, text in found.items():
        if not isinstance(text, str):
            raise MalformedAlerts(f"must be text, not {kind(text)}", field=f"{pointer}/{escaped(name)}")
        if len(text) > LONGEST_TEXT or len(name) > LONGEST_TEXT:
            raise MalformedAlerts(f"is longer than {LONGEST_TEXT} characters", field=f"{pointer}/{escaped(name[:99])}")
    return found


def moment(value: Any, pointer: str) -> datetime:
    """An RFC 3339 time, in UTC. Raises `MalformedAlerts`."""
    if not isinstance(value, str):
        raise MalformedAlerts(f"must be a time like 2026-01-05T09:00:00Z, not {kind(value)}", field=pointer)
    try:
        found = datetime.fromisoformat(value)
        if found.tzinfo is None:
            raise MalformedAlerts(f"'{value[:60]}' has no time zone", field=pointer)
        return found.astimezone(UTC)
    except OverflowError:
        return found.replace(tzinfo=UTC)
    except ValueError:
        raise MalformedAlerts(f"'{value[:60]}' is no time like 2026-01-05T09:00:00Z", field=pointer) from None


def began(starts_at: datetime, received_at: datetime) -> datetime:
    """When an alert began: a future time is taken as now, one before computers counted time as their beginning."""
    return min(max(starts_at, _EPOCH), received_at)


def ended(ends_at: datetime | None, status: AlertStatus) -> datetime | None:
    """When it ended; the year 0001 is Go's way of saying never."""
    return ends_at if status is AlertStatus.RESOLVED and ends_at is not None and ends_at.year > 1 else None


def status_of(value: Any, pointer: str) -> AlertStatus:
    if value == "firing":
        return AlertStatus.FIRING
    if value == "resolved":
        return AlertStatus.RESOLVED
    raise MalformedAlerts(f"must be firing or resolved, not {kind(value)}", field=pointer)


def fingerprint_of(labels: dict[str, str]) -> Fingerprint:
    """For senders that give none: the labels are what makes an alert."""
    return Fingerprint(sha256(orjson.dumps(labels, option=orjson.OPT_SORT_KEYS)).hexdigest()[:16])


def kind(value: Any) -> str:
    """What `value` is, for messages; never the whole of it."""
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return "true or false"
    if isinstance(value, str):
        return f"'{value[:40]}'"
    return {int: "a number", float: "a number", list: "a list", dict: "an object"}.get(type(value), "something else")


def escaped(name: str) -> str:
    """`name` as a step of a JSON pointer (RFC 6901)."""
    return name.replace("~", "~0").replace("/", "~1")


def collect(listed: list[Any], pointer: str, read: Callable[[Any, str], Alert]) -> Delivery:
    """Read each alert of `listed`; the bad ones are kept aside. Raises `MalformedAlerts` when all are bad."""
    delivery = Delivery()
    for number, one in enumerate(listed):
        try:
            delivery.alerts.append(read(one, f"{pointer}/{number}"))
        except MalformedAlerts as error:
            delivery.rejected.append(Rejection(field=error.field, message=str(error)))
    return require_some(delivery)


def require_some(delivery: Delivery) -> Delivery:
    """`delivery`, unless nothing in it is good. Raises `MalformedAlerts` for the first bad alert."""
    if delivery.rejected and not delivery.alerts:
        first = delivery.rejected[0]
        raise MalformedAlerts(first.message, field=first.field)
    return delivery
