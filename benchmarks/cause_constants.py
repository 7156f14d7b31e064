"""How much the ranking of causes hangs on its constants: each halved and doubled, and all fitted to some sets only."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

from bsm_remediate.domain import suspicion

Top1 = Mapping[str, Callable[[], float]]
"""Set → how often its causes are named first, with the constants as they are."""
CONSTANTS = (
    *("_LAG_S", "_LEAD_S", "_LATE_S", "_RATIO_POWER", "_STRENGTH_POWER", "_STAY", "_THROUGH_SILENCE"),
    *("_OWN_EVIDENCE", "_OWN_WEIGHT", "_OWN_MOMENT", "_DEMAND_WEIGHT", "_STARVED", "_STARVED_TOO", "_MAY_BE_DEAD"),
)
SHARES = frozenset(CONSTANTS) - {"_LAG_S", "_LEAD_S", "_LATE_S", "_OWN_WEIGHT"}
"""Those that mean nothing above 1."""
ROUNDS = 3


def report(sets: Top1) -> None:
    """Two tables: one constant at a time, and held-out sets."""
    print(f"{'':32}" + "".join(f"{name:>9}" for name in sets))
    print(f"{'as they are':32}" + row(sets))
    for name in CONSTANTS:
        was = getattr(suspicion, name)
        for factor in (0.5, 2.0):
            value = limited(name, was * factor)
            with changed({name: value}):
                print(f"{name[1:].lower():18}{was:6g} → {value:<5g}" + row(sets))
    for held_out in sets:
        fitted = fit({name: top1 for name, top1 in sets.items() if name != held_out})
        with changed(fitted):
            print(f"{'fitted without ' + held_out:32}" + row(sets))


def row(sets: Top1) -> str:
    return "".join(f"{top1():9.3f}" for top1 in sets.values())


def fit(sets: Top1) -> dict[str, float]:
    """From constants that say nothing much (two minutes, one half, no weight), by halving and doubling one at a time as
    long as these sets gain.
    """
    found = dict.fromkeys(SHARES, 0.5)
    found |= {"_LAG_S": 120.0, "_LEAD_S": 120.0, "_LATE_S": 120.0, "_OWN_WEIGHT": 1.0}
    best = worth(found, sets)
    for _ in range(ROUNDS):
        for name in CONSTANTS:
            for factor in (0.5, 2.0):
                tried = {**found, name: limited(name, found[name] * factor)}
                if (gained := worth(tried, sets)) > best:
                    best, found = gained, tried
    return found


def worth(constants: Mapping[str, float], sets: Top1) -> float:
    with changed(constants):
        return sum(top1() for top1 in sets.values())


def limited(name: str, value: float) -> float:
    return min(value, 1.0) if name in SHARES else value


@contextmanager
def changed(constants: Mapping[str, float]) -> Iterator[None]:
    before = {name: getattr(suspicion, name) for name in constants}
    for name, value in constants.items():
        setattr(suspicion, name, value)
    try:
        yield
    finally:
        for name, value in before.items():
            setattr(suspicion, name, value)
