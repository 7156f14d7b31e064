"""Outages whose cause is known: how often the ranking of causes names it first, beside simple rules.

    python benchmarks/causes.py [--data ../shared/data] [--worse] [--misses SET] [--constants]

Each outage becomes a bundle (the set's map, a service on its entry point) and alerts, all of them critical, with their
anomaly's strength in the annotation `score`; our answer is the order of `root_causes` in the plan. Rules get the same
alerts. `--worse` also loses, delays and adds alerts and puts clocks wrong, drawn with fixed seeds; `--misses` lists
what was not found first in one set; `--constants` halves and doubles every constant of the ranking, and fits all of
them to two sets to see what they find in the third.
"""

from __future__ import annotations

import argparse
import json
import random
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from statistics import fmean

import cause_constants
import goals

from bsm_remediate.domain.alert import Alert
from bsm_remediate.domain.bundle import Bundle, Settings
from bsm_remediate.domain.cause_ranking import root_causes as rank_causes
from bsm_remediate.domain.causes import Failing, symptoms
from bsm_remediate.domain.evaluation import Evaluator
from bsm_remediate.domain.ids import NodeId
from bsm_remediate.domain.impact import RootCause
from bsm_remediate.domain.rollup import RollUp
from bsm_remediate.domain.service_map import ServiceMap
from bsm_remediate.domain.signal import Signal
from bsm_remediate.domain.state import State
from bsm_remediate.testing.builders import alert, bundle, component, service, service_map, situation

GOALS = {"petshop": 0.60, "nezha": 0.84, "itbench": 0.72}
EPOCH = datetime(2026, 1, 5, tzinfo=UTC)
USERS = "users"
Ranking = Sequence[str]


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


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--data", type=Path, default=Path(__file__).parents[2] / "shared" / "data")
    arguments.add_argument("--worse", action="store_true")
    arguments.add_argument("--misses", choices=sorted(GOALS))
    arguments.add_argument("--constants", action="store_true")
    chosen = arguments.parse_args()
    sets = {name: list(cases(chosen.data / "rca" / name)) for name in GOALS}
    if chosen.misses is not None:
        misses(sets[chosen.misses])
        return
    if chosen.constants:
        cause_constants.report({name: partial(top1, known) for name, known in sets.items()})
        return
    print(f"{'':9}{'':31}{'top-1':>7}{'top-3':>7}{'MRR':>7}")
    for name, known in sets.items():
        rows = {"ours": ours, **RULES}
        figures = {row: measured(known, rank) for row, rank in rows.items()}
        figures["ours, without the trigger"] = measured(known, untriggered)
        for row, found in figures.items():
            print(f"{name:9}{row:31}" + "".join(f"{one:7.3f}" for one in found))
        rule, published = best_published(chosen.data / "rca" / name)
        print(f"{name:9}{rule:31}{published:7.3f}")
        best = max(published, *(figures[rule][0] for rule in RULES))
        ours_first = figures["ours"][0]
        measured_as = f"{ours_first:.2f} (best simple rule {best:.2f}) of {len(known)}"
        goals.told(
            f"cause named first, {name}", measured_as, f"at least {GOALS[name]:.2f}", met=top1 >= GOALS[name] - 0.005
        )
    if chosen.worse:
        for name, known in sets.items():
            for what, worsened in WORSE.items():
                seeds = (measured(worsened(known, seed), ours) for seed in range(5))
                means = map(fmean, zip(*seeds, strict=True))
                print(f"{name:9}{what:31}" + "".join(f"{one:7.3f}" for one in means))
    speed()


# --- the outages ------------------------------------------------------------------------------------------------------


def cases(folder: Path) -> Iterator[Case]:
    """The outages of one set."""
    maps = {}
    for file in sorted(folder.glob("topology*.json")):
        topology = json.loads(file.read_text())
        maps[topology["id"]] = topology
    answers = json.loads((folder / "answers.json").read_text())
    for line in (folder / "incidents.jsonl").read_text().splitlines():
        incident = json.loads(line)
        topology = maps[incident["topology"]]
        requires: dict[str, dict[str, None]] = {node: {} for node in topology["nodes"]}
        for dependent, dependency in topology["edges"]:
            requires[dependent][dependency] = None
        needed = {one for below in requires.values() for one in below}
        entry = topology.get("entry_point")
        signs = [
            Sign(component=one["component"], name=one["signal"], at_s=one.get("first_seen", 0), score=one.get("score"))
            for one in incident["alerts"]
        ]
        trigger = incident.get("trigger")
        if trigger is not None:
            signs.append(Sign(component=trigger["component"], name=trigger["signal"], at_s=trigger["at"], score=None))
        yield Case(
            name=incident["id"],
            requires={node: tuple(below) for node, below in requires.items()},
            entries=(entry,) if entry else tuple(node for node in requires if node not in needed),
            signs=tuple(signs),
            causes=frozenset(answers[incident["id"]]["root_cause"]),
        )


def best_published(folder: Path) -> tuple[str, float]:
    """The best rule that the set's own `baseline.json` reports, and its top-1; some know more than the alerts say."""
    baseline = json.loads((folder / "baseline.json").read_text())
    rules = {name: found["top1"] for name, found in baseline.items() if isinstance(found, dict)}
    best = max(rules, key=lambda name: rules[name])
    return "best rule of its baseline.json", rules[best]


def measured(known: Sequence[Case], rank: Callable[[Case], Ranking]) -> tuple[float, float, float]:
    """Top-1, top-3 and mean reciprocal rank of the first of the true causes."""
    places = [place(case, rank(case)) for case in known]
    found = [one for one in places if one]
    number = len(places)
    return (
        sum(one == 1 for one in found) / number,
        sum(one <= 3 for one in found) / number,
        sum(1 / one for one in found) / number,
    )


def top1(known: Sequence[Case]) -> float:
    return measured(known, ours)[0]


def place(case: Case, ranking: Ranking) -> int:
    """From 1; 0 when none of the true causes is in it."""
    return next((number for number, one in enumerate(ranking, 1) if one in case.causes), 0)


# --- ours -------------------------------------------------------------------------------------------------------------


def ours(case: Case) -> Ranking:
    return [str(cause.component) for cause in root_causes(case)]


def untriggered(case: Case) -> Ranking:
    return ours(replace(case, signs=tuple(sign for sign in case.signs if sign.score is not None or not sign.at_s)))


def root_causes(case: Case) -> Sequence[RootCause]:
    last = max((sign.at_s for sign in case.signs), default=0.0)
    now = situation(*map(as_alert, case.signs), at=EPOCH + timedelta(seconds=last + 1))
    return Evaluator(as_bundle(case)).evaluate(now).impact.root_causes


def as_bundle(case: Case) -> Bundle:
    return bundle(
        *(component(node, requires=below or None) for node, below in case.requires.items()),
        service(USERS, requires=case.entries),
        settings=Settings(state_from_severity=True),
    )


def as_alert(sign: Sign) -> Alert:
    found = alert(sign.name, component=sign.component, since=EPOCH + timedelta(seconds=sign.at_s))
    return found if sign.score is None else replace(found, annotations={"score": str(sign.score)})


def misses(known: Sequence[Case]) -> None:
    for case in known:
        found = root_causes(case)
        at = place(case, [str(one.component) for one in found])
        if at != 1:
            print(f"{case.name}: {', '.join(sorted(case.causes))} is number {at or '-'} of {len(found)}")
            for one in found[:4]:
                print(f"    {one.score:.3f} {one.component}: {one.reason}")


# --- simple rules -----------------------------------------------------------------------------------------------------


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


# --- worse alerts -----------------------------------------------------------------------------------------------------


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


WORSE = {
    "ours, a tenth of alerts missing": worsened(missing),
    "ours, a fifth a minute late": worsened(late),
    "ours, a tenth more, at random": worsened(extra),
    "ours, clocks 10 s off either way": worsened(skewed),
    "ours, no scores": worsened(lambda _, case: [replace(sign, score=None) for sign in case.signs]),
}


# --- speed ------------------------------------------------------------------------------------------------------------


def speed() -> None:
    """What the ranking costs in a storm: a core switch fails, and everything above it signals."""
    for racks in (5, 50, 500):
        failing, rollup = storm(racks)
        took, found = min((ranked(rollup, failing) for _ in range(3)), key=lambda one: one[0])
        size = f"{len(failing.own):7} components signal, {len(failing.states):7} nodes fail"
        print(f"{size}: ranked in {took * 1000:7.1f} ms, first {found[0].component}")


def ranked(rollup: RollUp, failing: Failing) -> tuple[float, Sequence[RootCause]]:
    begin = time.perf_counter()
    found = rank_causes(rollup, failing, symptoms(rollup, failing), skew=timedelta(seconds=30))
    return time.perf_counter() - begin, found


def storm(racks: int) -> tuple[Failing, RollUp]:
    """Racks of 20 hosts with an application each; a service for every rack. Seconds pass from layer to layer."""
    nodes = as_map(racks)
    rollup = RollUp(nodes)
    own = dict.fromkeys(nodes.components, State.DOWN)
    lag_s = {"core": 0, "rack": 5, "host": 15, "app": 40}
    signals = {node: (as_signal(node, lag_s[node.partition("-")[0]] + number % 7),) for number, node in enumerate(own)}
    return (
        Failing(
            own=own,
            states=rollup.states(own),
            signals=signals,
            loss=dict.fromkeys(nodes.services, 1.0),
            blame=rollup.blame(own),
        ),
        rollup,
    )


def as_map(racks: int) -> ServiceMap:
    hosts = [(f"host-{number}", f"rack-{number // 20}") for number in range(20 * racks)]
    return service_map(
        component("core"),
        *(component(f"rack-{number}", requires=["core"]) for number in range(racks)),
        *(component(host, requires=[rack]) for host, rack in hosts),
        *(component(f"app-{number}", requires=[host]) for number, (host, _) in enumerate(hosts)),
        *(
            service(f"service-{number}", requires=[f"app-{20 * number + place}" for place in range(20)])
            for number in range(racks)
        ),
    )


def as_signal(node: str, at_s: float) -> Signal:
    said = as_alert(Sign(component=node, name="HostUnreachable", at_s=at_s, score=None))
    return Signal(
        alert=said,
        name=said.name,
        component=NodeId(node),
        how="",
        since=said.starts_at,
        policies=(),
        sets=State.DOWN,
    )


if __name__ == "__main__":
    main()
