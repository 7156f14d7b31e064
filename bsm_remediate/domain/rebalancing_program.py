"""The linear programme behind a pool's weights: who is served, where, and what more capacity would be worth.

Members that can take the same traffic are alike, for what one of them can't take another can: they are one *place* with
the sum of their capacities, which changes neither the best value nor the duals. So 1,000 members make a programme of a
few rows. It is solved twice: first the loss is made as small as it can be, whatever is moved; then, with that much
served, the places are kept within their comfortable share where that is possible, and as little as possible is moved.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

Numbers = Any
"""An array of floats."""
_BANDS = (1.0, 1.5, 2.0, 2.5)
"""Costs of load above the comfortable share, by quarters of what is left up to the capacity: the fuller the worse, so
that places that must be full are alike full.
"""
_MOVE = 0.01
"""What moving costs beside that: a change must help."""
_WORTHLESS = 1e-3
"""What traffic without a value counts for, as a share of the least valuable: served rather than not, but last."""
_NUDGE = 1e-5
"""Capacity is made larger by that share of the load to ask what more of it is worth: nothing where it just suffices."""

_NOTHING = 1e-9
"""A place with less capacity than that share of the load counts as one without: solvers take no such numbers."""
_TOO_MUCH = 1000.0
"""Cost of load above the capacity: there is none but for the solver's tolerance, which must not make it unsolvable."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Programme:
    """Demands (traffic, with its value per unit) and places (members that are alike), as numbers."""

    demand: Numbers
    """Load of each kind of traffic."""
    value: Numbers
    """Loss per minute and unit of it that isn't served; 0 is allowed."""
    capacity: Numbers
    """Of each place; 0 where none of its members is available."""
    allowed: Numbers
    """Traffic by place, booleans."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Solution:
    served: Numbers
    """Traffic by place."""
    worth: Numbers
    """Of each place: by how much one more unit of capacity would lower the loss per minute (the dual)."""


def prepare() -> None:
    """Import what solves these programmes: it takes a second or two, for which no decision should wait."""
    import scipy.optimize
    import scipy.sparse  # noqa: F401 - so that it is there


def least_loss(programme: Programme) -> Solution:
    """The served load that loses least, and the duals of the capacities."""
    served, _ = _served(programme, nudge=0.0)
    _, worth = _served(programme, nudge=_NUDGE)
    return Solution(served=served, worth=worth)


def _served(programme: Programme, *, nudge: float) -> tuple[Numbers, Numbers]:
    """Maximise the value of what is served. The variables are shares of each kind of traffic, and each row is in units
    of its own limit: a rare but valuable service must not drown in the solver's tolerance beside a busy one.
    """
    traffic, places = programme.allowed.shape
    demand, whole = programme.demand, programme.demand.sum()
    capacity = programme.capacity + nudge * whole
    pairs = np.argwhere(programme.allowed & (programme.capacity > _NOTHING * whole))
    value = _with_the_worthless(programme.value)
    served, price = np.zeros((traffic, places)), np.zeros(traffic)
    if len(pairs):
        kind, place = pairs.T
        number = np.arange(len(pairs))
        highest = (value * demand).max()
        found = _solved(
            costs=-(value * demand)[kind] / highest,
            limits=(
                _sparse(
                    np.concatenate([kind, traffic + place]),
                    np.tile(number, 2),
                    (traffic + places, len(pairs)),
                    np.concatenate([np.ones(len(pairs)), demand[kind] / capacity[place]]),
                ),
                np.ones(traffic + places),
            ),
            most=np.full(len(pairs), np.inf),
        )
        served[kind, place] = found.x * demand[kind]
        price = -found.ineqlin.marginals[:traffic] * highest / demand
    # One more unit of a place is worth what the best of its traffic is, less what that is worth served elsewhere.
    worth = np.where(programme.allowed, (value - price)[:, None], 0.0).max(axis=0, initial=0.0)
    return served, np.where(worth > 2 * _WORTHLESS * _least(programme.value), worth, 0.0) * programme.value.any()


def _with_the_worthless(value: Numbers) -> Numbers:
    return np.maximum(value, _WORTHLESS * _least(value))


def _least(value: Numbers) -> float:
    """The least value that is one; 1 when none is."""
    return float(value[value > 0].min()) if value.any() else 1.0


def least_change(served: Numbers, now: Numbers, *, capacity: Numbers, comfortable: float, allowed: Numbers) -> Numbers:
    """Where `served` (load of each kind of traffic) goes, traffic by place: places above their comfortable share as
    little as can be, then as near as can be to `now`.
    """
    placed = np.zeros(allowed.shape)
    total, (traffic, places) = served.sum(), allowed.shape
    kind, place = np.nonzero(allowed & (served > 0)[:, None] & (capacity > _NOTHING * total))
    if not len(kind):
        return placed
    if places == 1:
        placed[:, 0] = served
        return placed
    share = np.array([comfortable, *np.full(len(_BANDS), (1 - comfortable) / len(_BANDS)), np.inf])
    cost = np.array([0.0, *_BANDS, _TOO_MUCH])
    count, bands = len(kind), len(share)
    # Variables: what stays and what is new of each pair, as shares of the traffic; each place's bands from empty to
    # full, as shares of its capacity. Rows: all traffic goes somewhere; what goes to a place fills its bands.
    filled = _sparse(
        np.concatenate([np.tile(kind, 2), traffic + np.tile(place, 2), traffic + np.repeat(np.arange(places), bands)]),
        np.concatenate([np.tile(np.arange(2 * count), 2), 2 * count + np.arange(places * bands)]),
        (traffic + places, 2 * count + places * bands),
        np.concatenate(
            [
                np.ones(2 * count),
                np.tile(served[kind] / capacity[place], 2),
                -np.ones(places * bands),
            ]
        ),
    )
    found = _solved(
        costs=np.concatenate([np.zeros(count), _MOVE * served[kind] / total, np.outer(capacity / total, cost).ravel()]),
        equal=(filled, np.concatenate([(served > 0).astype(float), np.zeros(places)])),
        most=np.concatenate([now[kind, place] / served[kind], np.full(count, np.inf), np.tile(share, places)]),
    )
    placed[kind, place] = (found.x[:count] + found.x[count : 2 * count]) * served[kind]
    return placed


def filled_members(total: float, now: Sequence[float], capacity: Sequence[float], comfortable: float) -> list[float]:
    """How `total`, at most the sum of `capacity`, lies on members that are alike, starting from `now`.

    Where there is room within the comfortable share, what is above it moves to where it isn't, by the room there; else
    all are alike full.
    """
    whole = sum(capacity)
    if whole <= 0:
        return [0.0] * len(capacity)
    if total >= comfortable * whole:
        return [total * one / whole for one in capacity]
    stays = [min(load, comfortable * one) for load, one in zip(now, capacity, strict=True)]
    staying = sum(stays)
    if staying >= total:
        return [one * total / staying if staying > 0 else 0.0 for one in stays]
    rooms = [comfortable * one - stay for stay, one in zip(stays, capacity, strict=True)]
    more = (total - staying) / sum(rooms)
    return [stay + more * room for stay, room in zip(stays, rooms, strict=True)]


def alike(rows: Numbers) -> list[list[int]]:
    """The numbers of equal rows, in a fixed order."""
    found: dict[bytes, list[int]] = {}
    for number, row in enumerate(rows):
        found.setdefault(row.tobytes(), []).append(number)
    return [found[key] for key in sorted(found)]


def _sparse(rows: Numbers, columns: Numbers, shape: tuple[int, int], values: Numbers = None) -> Any:
    from scipy.sparse import csr_array  # where it is used: it takes a second

    return csr_array((np.ones(len(rows)) if values is None else values, (rows, columns)), shape=shape)


def _solved(
    *,
    costs: Numbers,
    most: Numbers,
    limits: tuple[Any, Numbers] = (None, None),
    equal: tuple[Any, Numbers] = (None, None),
) -> Any:
    """The answer of HiGHS; the same for the same numbers. These programmes always have one."""
    from scipy.optimize import linprog

    bounds = np.stack([np.zeros(len(most)), most], axis=1)
    found = linprog(
        costs, A_ub=limits[0], b_ub=limits[1], A_eq=equal[0], b_eq=equal[1], bounds=bounds, method="highs-ds"
    )
    if found.status != 0:
        raise ArithmeticError(f"the linear programme of a pool was not solved: {found.message}")
    return found
