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

_SLACK = 1e-9
"""Of the capacity, so that what just fits by the first programme fits by the second too."""


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
    """Maximise the value of what is served; the scale of loads and values is taken out, so that tolerances fit."""
    pairs = np.argwhere(programme.allowed)
    total, (traffic, places) = programme.demand.sum(), programme.allowed.shape
    served = np.zeros((traffic, places))
    if not len(pairs) or total <= 0:
        return served, np.zeros(places)
    highest = programme.value.max()
    value = programme.value / highest if highest > 0 else np.ones(traffic)
    worthless = _WORTHLESS * value[value > 0].min()
    value = np.maximum(value, worthless)
    number = np.arange(len(pairs))
    rows = np.concatenate([pairs[:, 0], traffic + pairs[:, 1]])
    limits = np.concatenate([programme.demand, programme.capacity + nudge * total]) / total
    found = _solved(
        costs=-value[pairs[:, 0]],
        limits=(_sparse(rows, np.tile(number, 2), (traffic + places, len(pairs))), limits),
        most=np.full(len(pairs), np.inf),
    )
    served[tuple(pairs.T)] = found.x * total
    worth = -found.ineqlin.marginals[traffic:]  # each is the value of some traffic, or 0
    return served, np.where(worth > 2 * worthless, worth * highest, 0.0)


def least_change(served: Numbers, now: Numbers, *, capacity: Numbers, comfortable: float, allowed: Numbers) -> Numbers:
    """Where `served` (load of each kind of traffic) goes, traffic by place: places above their comfortable share as
    little as can be, then as near as can be to `now`.
    """
    pairs = np.argwhere(allowed)
    total, (traffic, places) = served.sum(), allowed.shape
    placed = np.zeros((traffic, places))
    if not len(pairs) or total <= 0:
        return placed
    if places == 1:
        placed[:, 0] = served
        return placed
    count, bands = len(pairs), 1 + len(_BANDS)
    # Variables: what stays and what is new of each pair, then each place's bands from empty to full.
    rows = np.concatenate([np.tile(pairs[:, 0], 2), traffic + np.tile(pairs[:, 1], 2)])
    columns = np.tile(np.arange(2 * count), 2)
    filled = _sparse(
        np.concatenate([rows, traffic + np.repeat(np.arange(places), bands)]),
        np.concatenate([columns, 2 * count + np.arange(places * bands)]),
        (traffic + places, 2 * count + places * bands),
        np.concatenate([np.ones(4 * count), -np.ones(places * bands)]),
    )
    share = np.array([comfortable, *np.full(len(_BANDS), (1 - comfortable) / len(_BANDS))])
    stays = now[tuple(pairs.T)] / total
    found = _solved(
        costs=np.concatenate([np.zeros(count), np.full(count, _MOVE), np.tile([0.0, *_BANDS], places)]),
        equal=(filled, np.concatenate([served / total, np.zeros(places)])),
        most=np.concatenate([stays, np.full(count, np.inf), np.outer(capacity / total * (1 + _SLACK), share).ravel()]),
    )
    placed[tuple(pairs.T)] = (found.x[:count] + found.x[count : 2 * count]) * total
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
