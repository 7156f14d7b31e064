"""Sending: each message in a thread of its own, so that a mail server that hangs delays nobody, and again until it has
arrived.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from bsm_remediate.domain.duration import format_duration
from bsm_remediate.domain.message import Message, MessageKind, MessageState, told_event
from bsm_remediate.domain.notice_text import late
from bsm_remediate.domain.route import Route
from bsm_remediate.engine.under_way import Spawn
from bsm_remediate.errors import StoreUnavailable
from bsm_remediate.ports import Clock, Notifier
from bsm_remediate.records import Outbox

_log = logging.getLogger(__name__)

ANSWERS_WITHIN_S = 60.0
"""Who hasn't taken a message by then has failed to; nothing more is sent there before that attempt has ended."""
_TRIES_TO_WRITE = 60
_TRY_AGAIN_S = 1.0
_SHOWN = 3


@dataclass(slots=True)
class _Attempt:
    """One that is under way."""

    message: Message
    began_at: float
    """By the clock that never jumps."""
    is_overdue: bool = False


class Delivery:
    """The outbox as this engine knows it. Its methods are called by the tick."""

    def __init__(
        self, outbox: Outbox, notifier: Notifier, clock: Clock, *, spawn: Spawn, arrived: Callable[[], None]
    ) -> None:
        self._outbox = outbox
        self._notifier = notifier
        self._clock = clock
        self._spawn = spawn
        self._arrived = arrived
        self._guard = threading.Lock()
        self._under_way: dict[str, _Attempt] = {}
        """By route."""
        self._messages: tuple[Message, ...] = ()
        self._is_current = False
        self.attempts: dict[str, int] = {"sent": 0, "failed": 0}
        """Since the start, by their result."""

    def forget(self) -> None:
        """Look into the outbox again: it was written. Safe from any thread."""
        self._is_current = False

    def latest(self) -> Mapping[str, Message]:
        """The latest notices of each route."""
        return {one.route: one for one in self._read() if one.kind is MessageKind.NOTICES}

    @property
    def trouble(self) -> str:
        """Who can't be told, since when and why."""
        failing = [one for one in self._messages if one.failure]
        told = "; ".join(
            f"{one.to} can't be told since {one.at:%H:%M} ({one.attempts} attempts): {one.failure}"
            for one in failing[:_SHOWN]
        )
        return f"{told}; and {len(failing) - _SHOWN} more" if len(failing) > _SHOWN else told

    def send(self, routes: Sequence[Route], now: datetime) -> None:
        """Begin the attempts that are due, and give up those that hang."""
        waiting = [one for one in self._read() if one.waits]
        self._give_up_hanging(now)
        addresses = {route.id: route.address for route in routes} if waiting else {}
        for message in waiting:
            if message.next_try > now:
                continue
            address = addresses.get(message.route)
            if address is None:
                gone = replace(
                    message,
                    state=MessageState.GIVEN_UP,
                    failure="the bundle doesn't name that address any more",
                    settled_at=now,
                )
                self._settle(gone, now)
            elif message.route not in self._under_way:
                self._under_way[message.route] = _Attempt(message, self._clock.monotonic())
                self._spawn(lambda one=message, to=address: self._attempt(one, to), f"notify-{message.route}")  # type: ignore[misc]

    def _read(self) -> tuple[Message, ...]:
        if not self._is_current:
            self._is_current = True  # before the reading: what is written meanwhile is read the next time
            try:
                self._messages = tuple(self._outbox.messages())
            except StoreUnavailable:
                self._is_current = False
                raise
        return self._messages

    def _give_up_hanging(self, now: datetime) -> None:
        limit = self._clock.monotonic() - ANSWERS_WITHIN_S
        with self._guard:
            hanging = [one for one in self._under_way.values() if not one.is_overdue and one.began_at < limit]
            for one in hanging:
                one.is_overdue = True
        for one in hanging:
            self._settle(one.message.failed(f"no answer within {ANSWERS_WITHIN_S:.0f} s", now), now)

    # --- in a thread of its own ------------------------------------------------------------------------------------

    def _attempt(self, message: Message, address: str) -> None:
        body = late(message.body, message.at) if message.attempts else message.body
        try:
            failure = self._notifier.send(address, message.title, body)
        except Exception as error:  # noqa: BLE001 - the outermost frame of an attempt
            _log.exception("notice.notifier_failed to=%s", message.to)
            failure = type(error).__name__
        now = self._clock.now()
        with self._guard:
            is_overdue = self._under_way[message.route].is_overdue
        if not failure:
            self._settle_patiently(message.sent(now), now)
        elif not is_overdue:
            self._settle_patiently(message.failed(failure, now), now)
        with self._guard:
            del self._under_way[message.route]
        self._arrived()

    def _settle_patiently(self, message: Message, now: datetime) -> None:
        """While the database is away: later. A message whose arrival was never written is sent once more."""
        for _ in range(_TRIES_TO_WRITE):
            try:
                self._settle(message, now)
            except StoreUnavailable as error:
                _log.warning("notice.not_recorded to=%s: %s", message.to, error)
                self._clock.wait(_TRY_AGAIN_S)
            else:
                return

    def _settle(self, message: Message, now: datetime) -> None:
        self._outbox.settle(message, [told_event(message, now)])
        result = "failed" if message.failure else "sent"
        with self._guard:
            self.attempts[result] += 1
        if message.failure:
            again = "given up" if not message.waits else f"again in {format_duration(message.next_try - now)}"
            _log.warning("notice.failed to=%s: %s; %s", message.to, message.failure, again)
        self.forget()
