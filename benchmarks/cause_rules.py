"""Simple rules that rank the components that signal: what people do without a map, or with one and little else."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence

from cause_cases import Case

Ranking = Sequence[str]


def strongest(case: Case) -> dict[str, float]:
    """Component → its highest score."""
    found: dict[str, float] = {}
    for sign in case.signs:
        found[sign.component] = max(found.get(sign.component, 0.0), sign.score or 0.0)
    return found


def earliest_first(case: Case) -> Ranking:
    first: dict[str, float] = {}
    for sign in case.signs:
        first[sign.component] = min(first.get(sign.component, sign.at_s), sign.at_s)
    return sorted(first, key=lambda one: (first[one], -strongest(case)[one], one))


def strongest_first(case: Case) -> Ranking:
    scores = strongest(case)
    return sorted(scores, key=lambda one: (-scores[one], one))


def most_alerts_first(case: Case) -> Ranking:
    count: dict[str, int] = defaultdict(int)
    for sign in case.signs:
        count[sign.component] += 1
    return sorted(count, key=lambda one: (-count[one], one))


def deepest_first(case: Case) -> Ranking:
    scores = strongest(case)
    above = {one: len(reached(case, one) & scores.keys()) for one in scores}
    return sorted(scores, key=lambda one: (above[one], -scores[one], one))


def downwards(case: Case) -> Ranking:
    """From the entry along what signals, the strongest first; where that ends first."""
    scores = strongest(case)
    found: dict[str, None] = {}

    def walk(node: str) -> None:
        for child in sorted(case.requires[node], key=lambda one: (-scores.get(one, -1.0), one)):
            if child in scores and child not in on_way:
                on_way.add(child)
                walk(child)
        if node in scores:
            found[node] = None

    on_way = set(case.entries)
    for entry in case.entries:
        walk(entry)
    return [*found, *(one for one in strongest_first(case) if one not in found)]


def reached(case: Case, node: str) -> set[str]:
    found: set[str] = set()
    ahead = [node]
    while ahead:
        for child in case.requires[ahead.pop()]:
            if child not in found and child != node:
                found.add(child)
                ahead.append(child)
    return found


RULES: dict[str, Callable[[Case], Ranking]] = {
    "earliest alert": earliest_first,
    "strongest alert": strongest_first,
    "most alerts": most_alerts_first,
    "deepest alert": deepest_first,
    "down from the entry": downwards,
}
