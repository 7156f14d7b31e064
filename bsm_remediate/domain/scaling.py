"""Scaling: how many replicas of a pool should run. As many as its load needs with room to spare, while one more is
worth what it costs; when there can't be enough of them, the traffic worth most is served.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import ceil, fsum

from bsm_remediate.domain.ids import NodeId
from bsm_remediate.domain.pool import Load, Pool, Replicas, Weights
from bsm_remediate.domain.rebalancing import NOTHING, Loss, Rate, Rebalancing, unserved
from bsm_remediate.domain.rebalancing_words import rebalancing_words
from bsm_remediate.errors import WrongUsage


@dataclass(frozen=True, kw_only=True, slots=True)
class Demand:
    """The load of one service, or of all that share the pool's load."""

    services: tuple[NodeId, ...]
    load: float
    rate: Rate
    """Loss per minute when none of it is served."""
    served: float
    """By those that run now; the most valuable per unit comes first."""
    served_after: float

    @property
    def name(self) -> str:
        return ", ".join(self.services) or "all traffic"

    @property
    def shed(self) -> float:
        """Share of it that finds no room afterwards."""
        return unserved(self.load, self.served_after)


@dataclass(frozen=True, kw_only=True, slots=True)
class Scaling:
    """How many would be wanted, and what that would bring. A value; nothing is done."""

    pool: Pool
    running: int
    wanted: int
    share: float
    """Of a replica's capacity: up to which it was to be used."""
    demands: tuple[Demand, ...]
    now: Loss
    """Through load that finds no room."""
    after: Loss
    worth_of_one_more: float
    """By how much one more than wanted would lower the weighted loss per minute."""

    @property
    def replicas(self) -> Replicas:
        return _replicas(self.pool)

    @property
    def load(self) -> float:
        return fsum(one.load for one in self.demands)

    @property
    def gain(self) -> Loss:
        return Loss(self.now.money - self.after.money, self.now.weighted - self.after.weighted)

    @property
    def cost(self) -> float:
        """Money per minute that the change adds; below 0 when fewer are wanted."""
        return (self.wanted - self.running) * self.replicas.cost_per_minute

    @property
    def helps(self) -> bool:
        """Whether more are wanted than run. Fewer are wanted only once that has held for a while."""
        return self.wanted > self.running

    @property
    def weights(self) -> Weights:
        """For the playbook."""
        shed = {str(service): round(one.shed * 100, 4) for one in self.demands for service in one.services if one.shed}
        return Weights(members={}, shed=shed, replicas=self.wanted)

    def use(self, count: int) -> float:
        """Share of the capacity of `count` replicas that the load would take."""
        return self.load / (count * self.replicas.capacity) if count else float("inf") if self.load else 0.0


def scale(pool: Pool, load: Load, *, rates: Mapping[NodeId, Rate], share: float) -> Scaling:
    """How many replicas lose least, each filled to at most `share` of its capacity where that is possible.

    First as many as are worth their cost: the loss of what isn't served falls with each, the first ones serve what is
    worth most. Where all is served then, as many more as keep each within `share`, whatever they cost: a replica that
    is full falls over. Raises `WrongUsage` when `load` doesn't say enough.
    """
    replicas = _replicas(pool)
    if load.replicas is None:
        raise WrongUsage(f"how many replicas of {pool.id} run isn't known", hint="pools: …: replicas: {running: QUERY}")
    running = round(load.replicas)
    found = _demands(pool, load, rates)
    wanted = _wanted(replicas, found, share)
    demands = tuple(
        Demand(services=services, load=amount, rate=rate, served=served, served_after=served_after)
        for (services, amount, rate), served, served_after in zip(
            found, _served(found, running * replicas.capacity), _served(found, wanted * replicas.capacity), strict=True
        )
    )
    after = _lost(found, wanted * replicas.capacity)
    return Scaling(
        pool=pool,
        running=running,
        wanted=wanted,
        share=share,
        demands=demands,
        now=_lost(found, running * replicas.capacity),
        after=after,
        worth_of_one_more=after.weighted - _lost(found, (wanted + 1) * replicas.capacity).weighted,
    )


Adjustment = Rebalancing | Scaling
"""What can be set of a pool: the weights of its members, or how many replicas of it run."""

_Found = list[tuple[tuple[NodeId, ...], float, Rate]]


def _replicas(pool: Pool) -> Replicas:
    if pool.replicas is None:
        raise WrongUsage(f"pool {pool.id} has no replicas")
    return pool.replicas


def _demands(pool: Pool, load: Load, rates: Mapping[NodeId, Rate]) -> _Found:
    """The most valuable per unit first."""
    nothing = Rate(0.0, 0.0)
    if load.by_service:
        services = sorted(load.by_service.items())
        return _most_valuable_first([((one,), amount, rates.get(one, nothing)) for one, amount in services])
    known = [rates.get(one, nothing) for one in pool.serves]
    together = Rate(fsum(one.money for one in known), fsum(one.weighted for one in known))
    return [(pool.serves, load.total, together)]


def _most_valuable_first(found: _Found) -> _Found:
    return sorted(found, key=lambda one: -one[2].weighted / one[1] if one[1] > 0 else 0.0)


def _served(found: _Found, room: float) -> list[float]:
    served = []
    for _, amount, _ in found:
        served.append(min(amount, room))
        room -= served[-1]
    return served


def _lost(found: _Found, room: float) -> Loss:
    shares = [
        (1 - served / amount if amount > 0 else 0.0, rate)
        for (_, amount, rate), served in zip(found, _served(found, room), strict=True)
    ]
    return Loss(fsum(part * rate.money for part, rate in shares), fsum(part * rate.weighted for part, rate in shares))


def _wanted(replicas: Replicas, found: _Found, share: float) -> int:
    total = fsum(amount for _, amount, _ in found)
    enough = _least(total, replicas.capacity)
    # What one more saves only falls, so the first that isn't worth its cost ends it.
    count = replicas.least
    while count < min(enough, replicas.most):
        room = count * replicas.capacity
        if _lost(found, room).weighted - _lost(found, room + replicas.capacity).weighted < replicas.cost_per_minute:
            return count
        count += 1
    if count < enough:
        return count
    return max(count, min(_least(total, share * replicas.capacity), replicas.most))


def _least(load: float, capacity: float) -> int:
    """How many of `capacity` have room for `load`; a millionth of it more is none."""
    return ceil(load / capacity * (1 - NOTHING))


def adjustment_words(found: Adjustment, currency: str) -> str:
    """One line: what would be set and why, or why nothing."""
    return rebalancing_words(found, currency) if isinstance(found, Rebalancing) else _scaling_words(found, currency)


def _scaling_words(found: Scaling, currency: str) -> str:
    pool, running, wanted = found.pool, found.running, found.wanted
    if wanted == running:
        parts = [f"{running} of {pool.id} run, as many as are wanted"]
    else:
        parts = [f"{wanted} of {pool.id} instead of {running}"]
    if running:
        parts.append(f"they are at {found.use(running):.0%}" + (f", then at {found.use(wanted):.0%}" if wanted else ""))
    if found.gain.money > 0:
        parts.append(f"saves {found.gain.money:,.2f} of {found.now.money:,.2f} {currency}/min")
    if found.cost:
        more = "costs" if found.cost > 0 else "spares"
        parts.append(f"{more} {abs(found.cost):,.2f} {currency}/min")
    short = [f"{one.shed:.1%} of {one.name}" for one in found.demands if one.shed]
    if short:
        why = "no more may run" if wanted >= found.replicas.most else "one more would cost more than it saves"
        parts.append(f"there is no room for {', '.join(reversed(short))}: {why}")
    return "; ".join(parts)
