"""The live load of pools, read by their own queries from the sources of figures."""

from __future__ import annotations

import logging
import queue
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from bsm_remediate.domain.bundle import Bundle
from bsm_remediate.domain.ids import Digest
from bsm_remediate.domain.mapping import Mapper
from bsm_remediate.domain.polling import Schedule
from bsm_remediate.domain.pool import Load, Pool
from bsm_remediate.domain.pool_load import load_read
from bsm_remediate.engine.reading import Reading, read
from bsm_remediate.engine.under_way import Spawn
from bsm_remediate.errors import WrongUsage
from bsm_remediate.ports import Clock, MetricSource

_log = logging.getLogger(__name__)

STALE_AFTER = timedelta(seconds=60)
"""Nobody moves traffic by an older reading."""


@dataclass(slots=True)
class _Metered:
    pool: Pool
    schedule: Schedule
    load: Load | None = None
    is_asked: bool = False
    failure: str = ""
    """Why the last reading gave no load."""


class PoolMeter:
    """Implements `LoadMeter`. Each pool that a policy rebalances is read in a thread of its own, at its own pace."""

    def __init__(
        self,
        source: MetricSource | None,
        *,
        bundle: Callable[[], Bundle],
        clock: Clock,
        spawn: Spawn,
        arrived: Callable[[], None],
        seed: int = 0,
    ) -> None:
        """`source` answers the pools' queries; without one no load is known. `seed` spreads the readings over time."""
        self._source = source
        self._bundle = bundle
        self._clock = clock
        self._spawn = spawn
        self._wake = arrived
        self._seed = seed
        self._digest: Digest | None = None
        self._mapper: Mapper | None = None
        self._metered: dict[str, _Metered] = {}
        self._arrived: queue.SimpleQueue[tuple[_Metered, Reading, Reading, datetime]] = queue.SimpleQueue()

    def loads(self, pools: Sequence[Pool]) -> Mapping[str, Load]:
        now = self._clock.now()
        self._follow(pools, now)
        while not self._arrived.empty():
            self._take(*self._arrived.get(), now)
        for one in self._metered.values():
            if not one.is_asked and one.schedule.is_due(now):
                one.is_asked = True
                self._spawn(lambda one=one: self._read(one), f"load-{one.pool.id}")  # type: ignore[misc]
        known = {name: one.load for name, one in self._metered.items()}
        return {
            name: load
            for name, load in known.items()
            if load is not None and load.at is not None and now - load.at <= STALE_AFTER
        }

    def _follow(self, pools: Sequence[Pool], now: datetime) -> None:
        bundle = self._bundle()
        if bundle.digest == self._digest:
            return
        self._digest, self._mapper = bundle.digest, Mapper(bundle)
        wanted = {one.rebalance for policy in bundle.policies.values() for one in policy.do}
        self._metered = {
            pool.id: _Metered(pool, Schedule(name=pool.id, every=pool.every, seed=self._seed, due_at=now))
            for pool in pools
            if pool.query and pool.id in wanted and self._source is not None
        }

    def _read(self, metered: _Metered) -> None:
        at, pool = self._clock.now(), metered.pool
        found = read(self._source, pool.query)
        running = read(self._source, pool.replicas.running) if pool.replicas is not None else ()
        self._arrived.put((metered, found, running, at))
        self._wake()

    def _take(self, metered: _Metered, found: Reading, running: Reading, at: datetime, now: datetime) -> None:
        metered.is_asked = False
        try:
            if isinstance(found, str) or isinstance(running, str) or self._mapper is None:
                raise WrongUsage(found if isinstance(found, str) else str(running))
            metered.load = load_read(metered.pool, found, self._mapper, running=running, at=at)
        except WrongUsage as error:
            if not metered.failure:
                _log.warning("load.unknown pool=%s: %s", metered.pool.id, error)
            metered.failure = str(error)
            metered.schedule = metered.schedule.failed(now)
            return
        if metered.failure:
            _log.warning("load.known pool=%s: it is read again", metered.pool.id)
        metered.failure = ""
        metered.schedule = metered.schedule.answered(now)
