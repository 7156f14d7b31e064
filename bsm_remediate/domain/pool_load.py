"""The load of a pool from named numbers, wherever they come from: a file, or the series of a metric."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from datetime import datetime
from math import fsum

from bsm_remediate.domain.ids import NodeId
from bsm_remediate.domain.mapping import Mapper
from bsm_remediate.domain.pool import Load, Pool
from bsm_remediate.domain.sample import Sample
from bsm_remediate.errors import UnknownId, WrongUsage

SERVICE = "service"
"""The label that says whose load a figure is."""
MOST = 1e15
"""Beyond that numbers no longer tell small loads apart."""


def load_named(
    pool: Pool, numbers: Mapping[str, float], *, replicas: int | None = None, at: datetime | None = None
) -> Load:
    """`numbers` by member, by service that the pool serves, or both; of a pool that scales, its own
    name stands for all of them, and `replicas` run. Raises `UnknownId` for other names, `WrongUsage` for no loads.
    """
    members, services = _places(pool), set(pool.serves)
    by_member: dict[NodeId, float] = {}
    by_service: dict[NodeId, float] = {}
    for name, number in numbers.items():
        node = NodeId(name)
        if node not in members and node not in services:
            raise UnknownId(f"'{name}' is no member of pool {pool.id} and no service of it", hint=_near(pool, name))
        if not 0 <= number <= MOST:
            raise WrongUsage(f"the load of {name} is {number}: it must be 0 or more, and at most {MOST:g}")
        (by_member if node in members else by_service)[node] = float(number)
    if not by_member and not by_service:
        raise WrongUsage(f"there is no load of pool {pool.id}", hint=_near(pool, ""))
    return Load(by_member=by_member, by_service=by_service, replicas=replicas, at=at)


def load_read(
    pool: Pool, samples: Sequence[Sample], mapper: Mapper, *, running: Sequence[Sample] = (), at: datetime
) -> Load:
    """What the series of the pool's query say: of members, named as alerts name components, and of services where they
    say it with the label `service`; of a pool that scales what names no service is about all, and `running` how many
    replicas of it run. Raises `WrongUsage` where one is no load or about neither: a part would be missing.
    """
    members = _places(pool)
    by_member: dict[NodeId, float] = {}
    by_service: dict[NodeId, float] = {}
    for sample in samples:
        if not 0 <= sample.value <= MOST:
            raise WrongUsage(f"the load of pool {pool.id} has a figure that is {sample.value}")
        service = NodeId(sample.labels.get(SERVICE, ""))
        about = mapper.map({name: text for name, text in sample.labels.items() if name != SERVICE}, ())
        member = next((one.node for one in about.components if one.node in members), None)
        if pool.replicas is not None and service not in pool.serves:
            member = NodeId(pool.id)
        if member is None and service not in pool.serves:
            named = dict(list(sample.labels.items())[:5])
            raise WrongUsage(f"the load of pool {pool.id} has a figure about no member and no service of it: {named}")
        if member is not None:
            by_member[member] = by_member.get(member, 0.0) + sample.value
        if service in pool.serves:
            by_service[service] = by_service.get(service, 0.0) + sample.value
    if not samples:
        raise WrongUsage(f"the query for the load of pool {pool.id} has no series")
    return Load(by_member=by_member, by_service=by_service, replicas=_count(pool, running), at=at)


def _places(pool: Pool) -> set[NodeId]:
    """Where load can lie: on members, or anywhere in a pool that scales."""
    return {one.id for one in pool.members} if pool.replicas is None else {NodeId(pool.id)}


def _count(pool: Pool, running: Sequence[Sample]) -> float | None:
    if pool.replicas is None or not pool.replicas.running:
        return None
    if not running or not all(0 <= one.value <= MOST for one in running):
        raise WrongUsage(f"the query for how many replicas of pool {pool.id} run has no figures that say it")
    return fsum(one.value for one in running)


def _near(pool: Pool, name: str) -> str:
    if pool.replicas is not None:
        return f"name {', '.join([*pool.serves, pool.id])}"
    names = [*(one.id for one in pool.members), *pool.serves]
    near = difflib.get_close_matches(name, names, 1)
    return f"did you mean '{near[0]}'?" if near else f"its members are {_members(pool)}"


def _members(pool: Pool) -> str:
    shown = ", ".join(one.id for one in pool.members[:8])
    return f"{shown}, …" if len(pool.members) > 8 else shown
