"""Working out the weights of a pool: from capacities and load to the linear programme, and back to shares."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from math import fsum

import numpy as np

from bsm_remediate.domain.ids import NodeId
from bsm_remediate.domain.pool import Load, Member, Pool
from bsm_remediate.domain.rebalancing import NOTHING, PARTS, Loss, Rate, Rebalancing, Share, Traffic
from bsm_remediate.domain.rebalancing_program import (
    Numbers,
    Programme,
    alike,
    filled_members,
    least_change,
    least_loss,
)
from bsm_remediate.errors import WrongUsage


def rebalance(
    pool: Pool, load: Load, *, rates: Mapping[NodeId, Rate], unavailable: Mapping[NodeId, str]
) -> Rebalancing:
    """The weights that lose least. `unavailable`: members that get nothing, and why. Raises `WrongUsage` when `load`
    doesn't say enough for this pool.
    """
    task = _Task(pool, load, rates, unavailable)
    placed, worth = task.solved()
    present = task.fitting(task.now)
    if task.lost(placed.sum(axis=1)).weighted > task.lost(present.sum(axis=1)).weighted:
        placed = present  # numbers of absurdly different sizes, beyond what the solver can tell apart
    return task.told(placed, worth)


def normal_again(
    pool: Pool, load: Load, *, rates: Mapping[NodeId, Rate], unavailable: Mapping[NodeId, str]
) -> Rebalancing:
    """What the pool's normal weights, by capacity, would do with `load`."""
    task = _Task(pool, load, rates, unavailable)
    weights = task.room / task.room.sum() if task.room.sum() > 0 else task.room
    return task.told(task.fitting(task.spread(weights)), np.zeros(len(pool.members)))


class _Task:
    """One pool and load as numbers: traffic by members."""

    def __init__(self, pool: Pool, load: Load, rates: Mapping[NodeId, Rate], unavailable: Mapping[NodeId, str]) -> None:
        _refuse_unclear(pool, load)
        self.pool = pool
        self.unavailable = {one.id: unavailable[one.id] for one in pool.members if one.id in unavailable}
        named = [one for one in sorted(load.by_service) if load.by_service[one] > 0]
        self.kinds: list[tuple[NodeId, ...]] = [(one,) for one in named] if load.by_service else [pool.serves]
        self.demand: Numbers = np.array([load.by_service[one] for one in named] if load.by_service else [load.total])
        self.rates = [_together(kind, rates) for kind in self.kinds]
        self.capacity: Numbers = np.array([one.capacity for one in pool.members])
        self.room: Numbers = np.where([one.id in self.unavailable for one in pool.members], 0.0, self.capacity)
        """Capacity of those that are available."""
        self.allowed: Numbers = np.array([[_takes(one, kind) for one in pool.members] for kind in self.kinds], bool)
        self.allowed = self.allowed.reshape(len(self.kinds), len(pool.members))
        there = np.array([load.by_member.get(one.id, 0.0) for one in pool.members])
        admitted = load.admitted
        self.admitted: Numbers = np.array([admitted[one] for one in named]) if load.by_service else self.demand
        self.now: Numbers = self.spread(there if there.any() else self.room, self.admitted)

    def spread(self, weights: Numbers, demand: Numbers | None = None) -> Numbers:
        """Where all traffic (default: the whole demand) goes, traffic by members, at `weights` of the members, or of
        each kind of traffic its own; by capacity where they leave a kind without a member.
        """
        own = np.where(self.allowed, weights, 0.0)
        lost = own.sum(axis=1) <= 0
        own[lost] = np.where(self.allowed[lost], self.room, 0.0)
        whole = own.sum(axis=1, keepdims=True)
        much = self.demand if demand is None else demand
        return much[:, None] * np.divide(own, whole, out=np.zeros_like(own), where=whole > 0)

    def fitting(self, placed: Numbers) -> Numbers:
        """What of it finds room when it lies like that: of a full member all lose alike."""
        full = placed.sum(axis=0)
        return placed * np.divide(self.room, full, out=np.ones_like(full), where=full > self.room)

    def lost(self, served: Numbers) -> Loss:
        unserved = np.maximum(1 - np.divide(served, self.demand, out=np.ones_like(served), where=self.demand > 0), 0.0)
        unserved[unserved < NOTHING] = 0.0
        money, weighted = (
            fsum(rate[which] * share for rate, share in zip(self.rates, unserved.tolist(), strict=True))
            for which in (0, 1)
        )
        return Loss(money, weighted)

    @cached_property
    def _value(self) -> Numbers:
        weighted = np.array([one.weighted for one in self.rates])
        return np.divide(weighted, self.demand, out=np.zeros_like(weighted), where=self.demand > 0)

    def solved(self) -> tuple[Numbers, Numbers]:
        """Served load, traffic by members, and the worth of one more unit on each member."""
        members, kinds = len(self.pool.members), len(self.kinds)
        if self.demand.sum() <= 0:
            return np.zeros((kinds, members)), np.zeros(members)
        places = alike(self.allowed.T)
        allowed = np.array([self.allowed[:, place[0]] for place in places]).T
        room = np.array([self.room[place].sum() for place in places])
        best = least_loss(Programme(demand=self.demand, value=self._value, capacity=room, allowed=allowed))
        worth = np.empty(members)
        for number, place in enumerate(places):
            worth[place] = best.worth[number]
        # Traffic that may go to the same members needn't be told apart any more.
        classes = alike(allowed)
        amounts = best.served.sum(axis=1)
        now = np.array([[self._now_at(one, place) for place in places] for one in classes])
        put = least_change(
            np.array([amounts[one].sum() for one in classes]),
            now,
            capacity=room,
            comfortable=self.pool.comfortable,
            allowed=np.array([allowed[one[0]] for one in classes]),
        )
        placed = np.zeros((kinds, members))
        for number, place in enumerate(places):
            present = self.now[:, place].sum(axis=0).tolist()
            total, rooms = float(put[:, number].sum()), self.room[place].tolist()
            filled = np.array(filled_members(total, present, rooms, self.pool.comfortable))
            shares = filled / filled.sum() if filled.sum() > 0 else filled
            for one, kinds_of_it in enumerate(classes):
                whole = amounts[kinds_of_it].sum()
                parts = amounts[kinds_of_it] / whole if whole > 0 else amounts[kinds_of_it]
                placed[np.ix_(kinds_of_it, place)] = put[one, number] * np.outer(parts, shares)
        return placed, worth

    def _now_at(self, kinds: list[int], place: list[int]) -> float:
        """What of `kinds` lies there and may stay."""
        available = [one for one in place if self.room[one] > 0]
        return float(self.now[np.ix_(kinds, available)].sum())

    def told(self, placed: Numbers, worth: Numbers) -> Rebalancing:
        """`placed`, served load of traffic by members, in words and shares."""
        served = placed.sum(axis=1)
        after = self._weights(placed.sum(axis=0))
        own = [self._weights(one) if one.sum() > 0 else after for one in placed]
        now, later = self.now.sum(axis=0).tolist(), placed.sum(axis=0).tolist()
        served_now = self.fitting(self.now).sum(axis=1)
        there = fsum(now)
        members = tuple(
            Share(
                member=one.id,
                capacity=one.capacity,
                unavailable=self.unavailable.get(one.id, ""),
                load=now[number],
                load_after=later[number],
                weight=now[number] / there if there > 0 else 0.0,
                weight_after=after[number],
                worth_per_unit=float(worth[number]),
            )
            for number, one in enumerate(self.pool.members)
        )
        traffic = tuple(
            Traffic(
                services=kind,
                load=float(self.demand[number]),
                turned_away=float(1 - self.admitted[number] / self.demand[number]) if self.demand[number] > 0 else 0.0,
                served=float(served_now[number]),
                served_after=float(served[number]),
                rate=self.rates[number],
                weights_after=own[number],
            )
            for number, kind in enumerate(self.kinds)
        )
        return Rebalancing(
            pool=self.pool,
            members=members,
            traffic=traffic,
            now=self.lost(served_now),
            after=self.lost(served),
            unshed=self.lost(self.fitting(self.spread(np.array(own).reshape(self.allowed.shape))).sum(axis=1)),
        )

    def _weights(self, loads: Numbers) -> tuple[float, ...]:
        """Shares in whole millionths that sum to 1 by the largest remainders; by capacity where there is no load."""
        basis = loads if loads.sum() > 0 else self.room
        if basis.sum() <= 0:
            return (0.0,) * len(basis)
        exact = basis / basis.sum() * PARTS
        parts = np.floor(exact).astype(int)
        most_left = np.argsort(parts - exact, kind="stable")
        parts[most_left[: PARTS - int(parts.sum())]] += 1
        return tuple((parts / PARTS).tolist())


def _refuse_unclear(pool: Pool, load: Load) -> None:
    if pool.is_divided and not load.by_service:
        raise WrongUsage(
            f"members of pool {pool.id} take different services: its load must be known by service",
            hint=f"name {', '.join(pool.serves)} in the load",
        )


def _takes(member: Member, services: tuple[NodeId, ...]) -> bool:
    return member.serves is None or member.serves.issuperset(services)


def _together(services: tuple[NodeId, ...], rates: Mapping[NodeId, Rate]) -> Rate:
    found = [rates[one] for one in services if one in rates]
    return Rate(fsum(one.money for one in found), fsum(one.weighted for one in found))
