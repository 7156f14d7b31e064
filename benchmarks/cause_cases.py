"""Outages whose cause is known, as the ranking and simple rules see them, and what may become of their alerts."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace


@dataclass(frozen=True, kw_only=True, slots=True)
class Sign:
    """One alert of an outage."""

    component: str
    name: str
    at_s: float
    score: float | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Case:
    """One outage with its answer."""

    name: str
    requires: Mapping[str, tuple[str, ...]]
    """Every component of the map → what it needs."""
    entries: tuple[str, ...]
    signs: tuple[Sign, ...]
    causes: frozenset[str]


def worsened(change: Callable[[random.Random, Case], Sequence[Sign]]) -> Callable[[Sequence[Case], int], list[Case]]:
    def all_of_them(known: Sequence[Case], seed: int) -> list[Case]:
        return [replace(case, signs=tuple(change(random.Random(f"{seed} {case.name}"), case))) for case in known]

    return all_of_them


def missing(chance: random.Random, case: Case) -> Sequence[Sign]:
    return [sign for sign in case.signs if chance.random() > 0.1]


def late(chance: random.Random, case: Case) -> Sequence[Sign]:
    return [replace(sign, at_s=sign.at_s + (60 if chance.random() < 0.2 else 0)) for sign in case.signs]


def extra(chance: random.Random, case: Case) -> Sequence[Sign]:
    """One more for ten components, of usual strength, at any time."""
    if not case.signs:
        return ()
    usual = sorted(sign.score for sign in case.signs if sign.score is not None)
    times = [sign.at_s for sign in case.signs]
    more = [
        Sign(
            component=node,
            name="noise",
            at_s=chance.uniform(min(times), max(times)),
            score=chance.choice(usual[: len(usual) // 2 + 1]) if usual else None,
        )
        for node in chance.sample(sorted(case.requires), max(len(case.requires) // 10, 1))
    ]
    return [*case.signs, *more]


def skewed(chance: random.Random, case: Case) -> Sequence[Sign]:
    off = {node: chance.uniform(-10, 10) for node in case.requires}
    return [replace(sign, at_s=sign.at_s + off[sign.component]) for sign in case.signs]


def nameless(chance: random.Random, case: Case) -> Sequence[Sign]:  # noqa: ARG001
    """Names that say nothing; alerts of one name still share one."""
    names = {name: f"Alert{number}" for number, name in enumerate(dict.fromkeys(sign.name for sign in case.signs))}
    return [replace(sign, name=names[sign.name]) for sign in case.signs]


WORSE = {
    "ours, a tenth of alerts missing": worsened(missing),
    "ours, a fifth a minute late": worsened(late),
    "ours, a tenth more, at random": worsened(extra),
    "ours, clocks 10 s off either way": worsened(skewed),
    "ours, names that say nothing": worsened(nameless),
    "ours, no scores": worsened(lambda _, case: [replace(sign, score=None) for sign in case.signs]),
}
