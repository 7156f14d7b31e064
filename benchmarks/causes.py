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
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from statistics import fmean

import cause_constants
import cause_storm
import goals
from cause_cases import WORSE, Case, Sign
from cause_rules import RULES, Ranking

from bsm_remediate.domain.alert import Alert
from bsm_remediate.domain.bundle import Bundle, Settings
from bsm_remediate.domain.evaluation import Evaluator
from bsm_remediate.domain.impact import RootCause
from bsm_remediate.testing.builders import alert, bundle, component, service, situation

GOALS = {"petshop": 0.60, "nezha": 0.84, "itbench": 0.72}
EPOCH = datetime(2026, 1, 5, tzinfo=UTC)
USERS = "users"
EVERYWHERE = "ours, everything a service"


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
        ours_first, goal = figures["ours"][0], GOALS[name]
        goals.told(
            f"cause named first, {name}",
            f"{ours_first:.2f} (best simple rule {best:.2f}) of {len(known)}",
            f"at least {goal:.2f}",
            met=round(ours_first, 2) >= goal,
        )
    if chosen.worse:
        for name, known in sets.items():
            print(f"{name:9}{EVERYWHERE:31}" + "".join(f"{one:7.3f}" for one in measured(known, served_everywhere)))
            for what, worsened in WORSE.items():
                seeds = (measured(worsened(known, seed), ours) for seed in range(5))
                means = map(fmean, zip(*seeds, strict=True))
                print(f"{name:9}{what:31}" + "".join(f"{one:7.3f}" for one in means))
    cause_storm.report()


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


def served_everywhere(case: Case) -> Ranking:
    everywhere = as_bundle(case, services={f"{USERS} of {node}": [node] for node in case.requires})
    return [str(cause.component) for cause in root_causes(case, everywhere)]


def root_causes(case: Case, net: Bundle | None = None) -> Sequence[RootCause]:
    last = max((sign.at_s for sign in case.signs), default=0.0)
    now = situation(*map(as_alert, case.signs), at=EPOCH + timedelta(seconds=last + 1))
    net = net if net is not None else as_bundle(case, services={USERS: case.entries})
    return Evaluator(net).evaluate(now).impact.root_causes


def as_bundle(case: Case, *, services: Mapping[str, Sequence[str]]) -> Bundle:
    return bundle(
        *(component(node, requires=below or None) for node, below in case.requires.items()),
        *(service(name, requires=below) for name, below in services.items()),
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


if __name__ == "__main__":
    main()
