"""The load of a pool from named numbers, wherever they come from: a file, or the series of a metric."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from datetime import datetime

from bsm_remediate.domain.ids import NodeId
from bsm_remediate.domain.pool import Load, Pool
from bsm_remediate.errors import UnknownId, WrongUsage

MOST = 1e15
"""Beyond that numbers no longer tell small loads apart."""


def load_named(pool: Pool, numbers: Mapping[str, float], *, at: datetime | None = None) -> Load:
    """`numbers` by member, by service that the pool serves, or both. Raises `UnknownId` for a name that is neither, and
    `WrongUsage` for what is no load.
    """
    members, services = {one.id for one in pool.members}, set(pool.serves)
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
        raise WrongUsage(f"there is no load of pool {pool.id}", hint=f"name its members: {_members(pool)}")
    return Load(by_member=by_member, by_service=by_service, at=at)


def _near(pool: Pool, name: str) -> str:
    names = [*(one.id for one in pool.members), *pool.serves]
    near = difflib.get_close_matches(name, names, 1)
    return f"did you mean '{near[0]}'?" if near else f"its members are {_members(pool)}"


def _members(pool: Pool) -> str:
    shown = ", ".join(one.id for one in pool.members[:8])
    return f"{shown}, …" if len(pool.members) > 8 else shown
