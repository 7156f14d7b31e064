"""Pools: members that share load, how much each takes, what they serve, and what sets their weights, or how many of
them run (DESIGN 4).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from math import fsum

from bsm_remediate.domain.ids import NodeId

LOAD_EVERY = timedelta(seconds=15)
LOCK = "pool:"
"""Begins the name of a pool's lock: a run that sets its weights has it to itself."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Member:
    """One component that takes a part of the pool's load."""

    id: NodeId
    capacity: float
    """Most that it can take, in the unit of the load; above 0."""
    serves: frozenset[NodeId] | None = None
    """The services whose traffic it can take; None: all that the pool serves."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Replicas:
    """Of a pool whose members are all alike: how many of them may run, and where it is read how many do."""

    least: int
    most: int
    capacity: float
    """Of each, in the unit of the load; above 0."""
    running: str = ""
    """The query for how many run now; empty: it isn't asked."""
    cost_per_minute: float = 0.0
    """Of each, money."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Apply:
    """How weights, or the number of replicas, get into force."""

    component: NodeId
    """Where the playbook runs: the load balancer."""
    host: str
    playbook: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Pool:
    """Members behind one load balancer."""

    id: str
    members: tuple[Member, ...]
    """By id, so that nothing depends on the order in which they are written."""
    replicas: Replicas | None = None
    """Instead of members."""
    serves: tuple[NodeId, ...] = ()
    query: str = ""
    """Where the live load is read; empty: it isn't."""
    every: timedelta = LOAD_EVERY
    """How often it is read."""
    apply: Apply | None = None
    """None: its weights are shown, and never set."""
    comfortable: float = 0.8
    """Share of a member's capacity up to which it has room to spare; above it is pressed."""
    clear: float = 0.7
    """The pressure is gone once normal weights would leave every member at or below this share."""
    hold: timedelta = timedelta(minutes=10)
    """For how long it must have been gone before the weights return to normal."""
    window: timedelta = timedelta(minutes=1)
    """How long after a move its effect takes to show in the load: no further move before."""

    @property
    def lock(self) -> str:
        return f"{LOCK}{self.id}"

    @property
    def is_divided(self) -> bool:
        """Whether some members can't take all of the traffic: then the load must be known by service."""
        return any(one.serves is not None for one in self.members)


@dataclass(frozen=True, kw_only=True, slots=True)
class ServiceWeight:
    """A member's share of one service's traffic."""

    service: str
    member: str
    value: float
    """Per cent."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Weights:
    """What a playbook is to set, plain numbers."""

    members: Mapping[str, float]
    """Per cent of the traffic by member; they sum to 100."""
    by_service: tuple[ServiceWeight, ...] = ()
    """The same for each service apart, where the members of the pool take different ones."""
    shed: Mapping[str, float] = field(default_factory=dict)
    """Per cent of a service's traffic that has to be turned away; those of which all is served are left out."""
    replicas: int | None = None
    """How many are to run, of a pool that scales."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Load:
    """The live load of one pool, in the unit of its capacities: where it is, whose it is, or both."""

    by_member: Mapping[NodeId, float] = field(default_factory=dict)
    """Where it is now; a member that isn't named has none. Empty: it is taken to lie by capacity."""
    by_service: Mapping[NodeId, float] = field(default_factory=dict)
    """Whose it is; empty: all services of the pool share all of it, and lose alike. Where both are known this one is
    how much there is, and `by_member` only says how it lies.
    """
    replicas: float | None = None
    """How many run, of a pool that scales; None: it isn't known."""
    turned_away: Mapping[NodeId, float] = field(default_factory=dict)
    """Share of a service's load that the load balancer was last told to turn away."""
    at: datetime | None = None
    """When it was read."""

    @property
    def admitted(self) -> dict[NodeId, float]:
        """What of `by_service` isn't turned away. All of it where the members have more than that: then it is read
        behind the load balancer, or that has forgotten (a reload of its configuration) what it was told.
        """
        rest = {one: load * (1 - self.turned_away.get(one, 0.0)) for one, load in self.by_service.items()}
        halfway = (fsum(rest.values()) + fsum(self.by_service.values())) / 2
        is_forgotten = bool(self.by_member) and fsum(self.by_member.values()) > halfway
        return dict(self.by_service) if is_forgotten else rest

    @property
    def total(self) -> float:
        return fsum((self.by_service or self.by_member).values())
