"""The live load of pools, read by their own queries from the sources of figures."""

from __future__ import annotations

import logging
import math
import queue
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from bsm_remediate.domain.bundle import Bundle
from bsm_remediate.domain.ids import Digest, NodeId
from bsm_remediate.domain.mapping import Mapper
from bsm_remediate.domain.polling import Schedule
from bsm_remediate.domain.pool import Load, Pool
from bsm_remediate.domain.sample import Sample
from bsm_remediate.engine.under_way import Spawn
from bsm_remediate.errors import SourceUnreachable
from bsm_remediate.ports import Clock, MetricSource

_log = logging.getLogger(__name__)

EVERY = timedelta(seconds=15)
STALE_AFTER = timedelta(seconds=60)
"""Nobody moves traffic by an older reading."""
_SERVICE = "service"
"""The label that says whose load a figure is."""

Found = Sequence[Sample] | str
"""Figures, or why there are none."""


@dataclass(slots=True)
class _Metered:
    pool: Pool
    schedule: Schedule
    load: Load | None = None
    is_asked: bool = False


class PoolMeter:
    """Implements `LoadMeter`. Each pool with a query is read in a thread of its own, at its own pace."""

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
        self._arrived: queue.SimpleQueue[tuple[_Metered, Found, datetime]] = queue.SimpleQueue()

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
        asked = [pool for pool in pools if pool.query and self._source is not None]
        self._metered = {
            pool.id: _Metered(pool, Schedule(name=pool.id, every=EVERY, seed=self._seed, due_at=now)) for pool in asked
        }

    def _read(self, metered: _Metered) -> None:
        at = self._clock.now()
        found: Found
        try:
            found = self._source.samples(metered.pool.query) if self._source is not None else "there is no Prometheus"
        except SourceUnreachable as error:
            found = str(error.args[0])
        except Exception as error:  # noqa: BLE001 - an answer nobody thought of must not end the readings
            _log.exception("load.reading_failed pool=%s", metered.pool.id)
            found = type(error).__name__
        self._arrived.put((metered, found, at))
        self._wake()

    def _take(self, metered: _Metered, found: Found, at: datetime, now: datetime) -> None:
        metered.is_asked = False
        load = found if isinstance(found, str) else self._load(metered.pool, found, at)
        if isinstance(load, str):
            _log.warning("load.unknown pool=%s: %s", metered.pool.id, load)
            metered.schedule = metered.schedule.failed(now)
        else:
            metered.load = load
            metered.schedule = metered.schedule.answered(now)

    def _load(self, pool: Pool, samples: Sequence[Sample], at: datetime) -> Load | str:
        """Figures by member and, where they say it with the label `service`, by service. One that is no number, or
        about neither, makes the whole reading useless: part of the load would be missing.
        """
        members = {one.id for one in pool.members}
        by_member: dict[NodeId, float] = {}
        by_service: dict[NodeId, float] = {}
        for sample in samples:
            if not math.isfinite(sample.value) or sample.value < 0:
                return f"a figure is {sample.value}"
            service = NodeId(sample.labels.get(_SERVICE, ""))
            member = self._member(sample.labels, members)
            if member is None and service not in pool.serves:
                return f"a figure is about no member and no service: {dict(list(sample.labels.items())[:5])}"
            if member is not None:
                by_member[member] = by_member.get(member, 0.0) + sample.value
            if service in pool.serves:
                by_service[service] = by_service.get(service, 0.0) + sample.value
        return Load(by_member=by_member, by_service=by_service, at=at) if samples else "the query has no series"

    def _member(self, labels: Mapping[str, str], members: set[NodeId]) -> NodeId | None:
        if self._mapper is None:
            return None
        about = self._mapper.map({name: text for name, text in labels.items() if name != _SERVICE}, ())
        return next((one.node for one in about.components if one.node in members), None)
