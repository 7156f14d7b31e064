"""Rebalancing: the weights of a pool that keep the business loss least under its members' capacities (DESIGN 1, 6).

When not everything fits, the traffic worth most is served and the rest is shed; when everything fits, members are kept
within their comfortable share; and nothing is moved that needn't be. `rebalancing_task` works it out.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import fsum
from typing import NamedTuple

from bsm_remediate.domain.ids import NodeId
from bsm_remediate.domain.pool import Pool, ServiceWeight, Weights

PARTS = 1_000_000
"""Weights are whole numbers of these parts, so that they sum exactly."""
NOTHING = 1e-6
"""Share of the load below which a difference is none: the tolerance of the programme."""

_GAIN = 0.01
"""Share of the present loss that must be saved."""
_SHED = 0.05
"""Share of a service's load that must be turned away more or less, once some is."""
_RELIEF = 0.02
"""Share of its capacity by which a pressed member must be relieved."""


class Rate(NamedTuple):
    """What a service costs per minute while it is down."""

    money: float
    weighted: float
    """By the goal: what decides."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Share:
    """One member's part, before and after."""

    member: NodeId
    capacity: float
    unavailable: str
    """Why it gets nothing; empty when it may get its part."""
    load: float
    """Now."""
    load_after: float
    weight: float
    """Share of the pool's traffic now; all of them sum to 1, or to 0 without traffic."""
    weight_after: float
    """Whole millionths; all of them sum to 1, or to 0 when no member is available."""
    worth_per_unit: float
    """By how much one more unit of capacity on it would lower the weighted loss per minute."""

    @property
    def use(self) -> float:
        """Share of its capacity that is in use now."""
        return self.load / self.capacity

    @property
    def use_after(self) -> float:
        return self.load_after / self.capacity


@dataclass(frozen=True, kw_only=True, slots=True)
class Traffic:
    """The load of one service, or of all that share the pool's load, before and after."""

    services: tuple[NodeId, ...]
    load: float
    turned_away: float = 0.0
    """Share of it that is turned away now."""
    served: float
    """Now: what isn't turned away and finds room where it goes."""
    served_after: float
    rate: Rate
    """Loss per minute when none of it is served."""
    weights_after: tuple[float, ...]
    """Its own, in the order of the members: the pool's, unless its members differ."""

    @property
    def name(self) -> str:
        return ", ".join(self.services) or "all traffic"

    @property
    def shed(self) -> float:
        """Share of it that must be turned away."""
        return unserved(self.load, self.served_after)


def unserved(load: float, served: float) -> float:
    """Share of `load` that finds no room; what is within the tolerance of the programme is none."""
    share = 1 - served / load if load > 0 else 0.0
    return share if share > NOTHING else 0.0


class Loss(NamedTuple):
    """Per minute."""

    money: float
    weighted: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Rebalancing:
    """What would be set, and what it would bring. A value; nothing is done."""

    pool: Pool
    members: tuple[Share, ...]
    traffic: tuple[Traffic, ...]
    now: Loss
    """Through load that finds no room."""
    after: Loss
    unshed: Loss
    """With these weights, when nothing is turned away: then all on a full member lose alike."""

    @property
    def gain(self) -> Loss:
        return Loss(self.now.money - self.after.money, self.now.weighted - self.after.weighted)

    @property
    def total(self) -> float:
        return fsum(one.load for one in self.traffic)

    @property
    def least(self) -> float:
        """The smallest difference of loads that is one."""
        return NOTHING * self.total

    @property
    def moved(self) -> float:
        """Share of the traffic that goes elsewhere than now."""
        return fsum(max(one.weight_after - one.weight, 0.0) for one in self.members)

    @property
    def pressed(self) -> float:
        """Load above the members' comfortable share now, and on those that aren't available."""
        return fsum(_above(one, one.load, self.pool.comfortable) for one in self.members)

    @property
    def pressed_after(self) -> float:
        return fsum(_above(one, one.load_after, self.pool.comfortable) for one in self.members)

    @property
    def is_possible(self) -> bool:
        """Whether any member is available."""
        return any(not one.unavailable for one in self.members)

    @property
    def helps(self) -> bool:
        """Whether it is worth a move: it lowers the loss, or relieves a member that is pressed, by enough to notice;
        else every breath of the load would move weights.
        """
        lower = self.now.weighted - self.after.weighted > max(_GAIN * self.now.weighted, NOTHING)
        if any(one.turned_away > NOTHING for one in self.traffic):
            lower = lower and any(abs(one.shed - one.turned_away) >= _SHED for one in self.traffic)
        comfortable = self.pool.comfortable
        relief = max(
            (one.use - max(one.use_after, comfortable) for one in self.members if not one.unavailable), default=0.0
        )
        return self.is_possible and (lower or relief >= _RELIEF)

    @property
    def weights(self) -> Weights:
        """For the playbook."""
        names = [one.member for one in self.members]
        kinds = [(one, service) for one in self.traffic for service in one.services]
        return Weights(
            members={one.member: _per_cent(one.weight_after) for one in self.members},
            by_service=tuple(
                ServiceWeight(service=service, member=name, value=_per_cent(share))
                for one, service in (kinds if self.pool.is_divided else ())
                for name, share in zip(names, one.weights_after, strict=True)
            ),
            shed={service: _per_cent(one.shed) for one, service in kinds if one.shed > 0},
        )


def _per_cent(share: float) -> float:
    return round(share * 100, 4)


def _above(share: Share, load: float, comfortable: float) -> float:
    room = 0.0 if share.unavailable else comfortable * share.capacity
    return max(load - room, 0.0)
