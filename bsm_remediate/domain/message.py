"""Messages to people: written down before they are sent, so that none is lost, and kept until they have arrived."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum

from bsm_remediate.domain.event import Event
from bsm_remediate.domain.notice import NoticeSeverity

_FIRST_PAUSE = timedelta(seconds=15)
_LONGEST_PAUSE = timedelta(hours=1)
GIVEN_UP_AFTER = timedelta(days=1)
"""Whoever couldn't be told for so long is told anew of what stands then."""


class MessageState(StrEnum):
    WAITING = "waiting"
    """To be sent, or to be tried again."""
    SENT = "sent"
    GIVEN_UP = "given_up"


class MessageKind(StrEnum):
    NOTICES = "notices"
    """All that stood for its route at its time; the latest says what the route knows."""
    REPORT = "report"


@dataclass(frozen=True, kw_only=True, slots=True)
class Told:
    """What a route was told of one notice."""

    severity: NoticeSeverity
    figure: float = 0.0
    what: str = ""
    """For when it is over; empty where there were too many to keep."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Message:
    """One row of the outbox; change is a new value."""

    id: str
    """The same for the same message, so that it is never written twice."""
    kind: MessageKind = MessageKind.NOTICES
    route: str
    to: str
    """The address as people may see it."""
    title: str
    body: str
    severity: NoticeSeverity
    at: datetime
    told: Mapping[str, Told] = field(default_factory=dict)
    """What the route knows with it: notices by their key."""
    allowance: float = 0.0
    """How many more messages the route may get at `at`."""
    state: MessageState = MessageState.WAITING
    attempts: int = 0
    next_try: datetime
    failure: str = ""
    """Of the last attempt."""
    settled_at: datetime | None = None
    """When it arrived, or was given up."""

    def sent(self, now: datetime) -> Message:
        return replace(self, state=MessageState.SENT, attempts=self.attempts + 1, failure="", settled_at=now)

    def failed(self, why: str, now: datetime) -> Message:
        """To be tried again, later each time; given up after a day."""
        attempts = self.attempts + 1
        if now - self.at >= GIVEN_UP_AFTER:
            return replace(self, state=MessageState.GIVEN_UP, attempts=attempts, failure=why, settled_at=now)
        pause = min(_FIRST_PAUSE * 2 ** min(attempts - 1, 20), _LONGEST_PAUSE)
        return replace(self, attempts=attempts, failure=why, next_try=now + pause)

    @property
    def waits(self) -> bool:
        return self.state is MessageState.WAITING


def told_event(message: Message, now: datetime) -> Event:
    """What the journal says of an attempt to send `message`, which it has changed."""
    facts = {
        "to": message.to,
        "title": message.title,
        "severity": str(message.severity),
        "state": message.state.value,
        "attempts": message.attempts,
        "notices": sorted(message.told)[:50],
    }
    if message.failure:
        return Event(kind="notice.failed", at=now, subject=message.id, facts={**facts, "failure": message.failure})
    return Event(kind="notice.told", at=now, subject=message.id, facts=facts)
