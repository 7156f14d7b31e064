"""Group commit: one writer stores whatever has arrived, in one transaction, and only then is any of it acknowledged."""

from __future__ import annotations

import asyncio
import logging
import queue
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from bsm_remediate.domain.alert import Alert
from bsm_remediate.errors import StoreUnavailable
from bsm_remediate.records import AlertLog, Delivered

_log = logging.getLogger(__name__)

_LARGEST_GROUP = 5_000
_SEEN_WITHIN_S = 0.25
_BREATHER_S = 0.05
_STORED_WITHIN_S = 8.0
"""Longer than a writer waits for its turn; senders give up after about 10 s."""
_MOST_WAITING = 100_000
"""Alerts in memory and not yet stored; beyond that senders are asked to come again."""


@dataclass(frozen=True, slots=True, eq=False)
class _Waiting:
    alerts: Sequence[Alert]
    delivery: Delivered | None
    stored: asyncio.Future[None]
    loop: asyncio.AbstractEventLoop


class GroupCommit:
    """Stores deliveries of many requests together; the cost of one fsync is shared by all that wait for it."""

    def __init__(self, log: AlertLog, *, committed: Callable[[], None], unseen_s: Callable[[], float]) -> None:
        """`committed` tells the engine; `unseen_s` says for how long alerts have waited to be looked at."""
        self._alerts = log
        self._committed = committed
        self._unseen_s = unseen_s
        self._queue: queue.SimpleQueue[list[_Waiting] | None] = queue.SimpleQueue()
        self._gathered: list[_Waiting] = []
        self._waiting = 0
        self._thread = threading.Thread(target=self._write, name="group-commit", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Store what waits, then end."""
        self._queue.put(None)
        self._thread.join(timeout=10)

    async def was_delivered(self, delivery: Delivered) -> bool:
        """Whether that one was taken already. Raises `StoreUnavailable`."""
        return await asyncio.to_thread(self._alerts.was_delivered, delivery.source, delivery.id)

    async def store(self, alerts: Sequence[Alert], delivery: Delivered | None = None) -> None:
        """Return once `alerts` are durable, and that `delivery` brought them. Raises `StoreUnavailable`."""
        if self._waiting + len(alerts) > _MOST_WAITING:
            raise StoreUnavailable(f"{self._waiting} alerts wait to be stored")
        loop = asyncio.get_running_loop()
        stored: asyncio.Future[None] = loop.create_future()
        self._waiting += len(alerts)
        try:
            # What one turn of the loop brings is handed over together: else the first of many would be committed alone,
            # and the others would wait for it.
            if not self._gathered:
                loop.call_soon(self._hand_over)
            self._gathered.append(_Waiting(alerts, delivery, stored, loop))
            await asyncio.wait_for(stored, _STORED_WITHIN_S)
        except TimeoutError:
            # It may still be stored: the sender comes again, and a repeat does no harm.
            raise StoreUnavailable(f"the database has not answered for {_STORED_WITHIN_S:.0f} s") from None
        finally:
            self._waiting -= len(alerts)

    def _hand_over(self) -> None:
        self._queue.put(self._gathered)
        self._gathered = []

    def _write(self) -> None:
        while True:
            first = self._queue.get()
            if first is None:
                return
            group, is_last = self._group(first)
            self._store(group)
            if is_last:
                return
            if self._unseen_s() > _SEEN_WITHIN_S:
                # To look at what came is worth more than to take in more of it: the senders wait a little.
                time.sleep(_BREATHER_S)

    def _group(self, group: list[_Waiting]) -> tuple[list[_Waiting], bool]:
        size = sum(len(one.alerts) for one in group)
        while size < _LARGEST_GROUP:
            try:
                following = self._queue.get_nowait()
            except queue.Empty:
                break
            if following is None:
                return group, True
            group = group + following
            size += sum(len(one.alerts) for one in following)
        return group, False

    def _store(self, group: list[_Waiting]) -> None:
        try:
            self._alerts.record(
                [alert for one in group for alert in one.alerts],
                deliveries=[one.delivery for one in group if one.delivery is not None],
            )
        except StoreUnavailable as error:
            self._tell(group, error)
        except Exception as error:  # noqa: BLE001 - the writer must outlive any delivery
            # One delivery that cannot be stored must not fail those it happened to be grouped with.
            _log.exception("intake.group_failed deliveries=%d", len(group))
            if len(group) == 1:
                self._tell(group, StoreUnavailable(f"this delivery cannot be stored: {type(error).__name__}"))
                return
            for one in group:
                self._store([one])
        else:
            self._committed()
            self._tell(group, None)

    @staticmethod
    def _tell(group: list[_Waiting], error: StoreUnavailable | None) -> None:
        def settle(waiting: list[_Waiting]) -> None:
            for one in waiting:
                if not one.stored.done():
                    if error is None:
                        one.stored.set_result(None)
                    else:
                        one.stored.set_exception(error)

        loops = {id(one.loop): one.loop for one in group}
        for number, loop in loops.items():
            loop.call_soon_threadsafe(settle, [one for one in group if id(one.loop) == number])
