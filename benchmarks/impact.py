"""Impact: what fails with one component, with one in a hundred, and with a core switch; beside plain networkx.

    python benchmarks/impact.py [--sizes 1000,10000,100000] [--largest 1000000] [--rounds 5]

The graph: eight layers, three requirements each near the node's own place, two in a hundred far away; the last layer is
services. All formulas are `all` where networkx is the peer, so that its descendants are the right answer too (it is
compared). "Plain" is without the extra `fast`. One figure each for: a component fails, until the affected services are
known (networkx: `descendants`); one in a hundred fail at once; one own state flips in a map whose formulas are half
`any`, with one in a hundred failing already. Each size is measured in a process of its own, by turns.
"""

from __future__ import annotations

import argparse
import gc
import json
import random
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from fractions import Fraction
from itertools import cycle
from pathlib import Path
from typing import Any

import goals
import networkx as nx
import numpy as np

from bsm_remediate.domain.compact import CompactMap
from bsm_remediate.domain.formula import Edge, Gate
from bsm_remediate.domain.ids import NodeId
from bsm_remediate.domain.live_levels import LiveLevels, Wiring
from bsm_remediate.domain.rollup import RollUp
from bsm_remediate.domain.service_map import Component, LossRates, Service, ServiceMap
from bsm_remediate.domain.state import State

LAYERS, REQUIREMENTS, FAR, NEAR = 8, 3, 0.02, 6
ONE_US, P99_MS, PLAIN, COMPILED, ALL_MS = 20.0, 5.0, 15.0, 50.0, 10.0
_ONE = Fraction(1)
_RATE = LossRates(default=60.0)


def layered(number: int, *, share_of_any: float = 0.0, under_core: float = 0.0) -> ServiceMap:
    """The graph; `under_core` is the share of the lowest layer, side by side, that requires the component `core`."""
    chance = random.Random(1)
    width = number // LAYERS
    components: dict[NodeId, Component] = {}
    services: dict[NodeId, Service] = {}
    if under_core:
        components[NodeId("core")] = Component(id=NodeId("core"), host="core")
    names = [NodeId(f"n{place}") for place in range(number)]
    for place, name in enumerate(names):
        layer = min(place // width, LAYERS - 1)
        if not layer:
            gate = formula(["core"], best=False) if place < under_core * width else None
            components[name] = Component(id=name, host=name, requires=gate)
            continue
        below, across = (layer - 1) * width, place - layer * width
        chosen: set[int] = set()
        while len(chosen) < REQUIREMENTS:
            is_far = chance.random() < FAR
            chosen.add(chance.randrange(width) if is_far else (across + chance.randint(-NEAR, NEAR)) % width)
        gate = formula([names[below + one] for one in sorted(chosen)], best=chance.random() < share_of_any)
        if layer == LAYERS - 1:
            services[name] = Service(id=name, loss_per_minute=_RATE, requires=gate)
        else:
            components[name] = Component(id=name, host=name, requires=gate)
    return ServiceMap(components=components, services=services)


def formula(children: Sequence[str], *, best: bool) -> Gate:
    need = _ONE if best else Fraction(len(children))
    return Gate(children=tuple(Edge(child=NodeId(one), weight=_ONE) for one in children), need=need, comfortable=need)


# --- one process ------------------------------------------------------------------------------------------------------


def measured(number: int, rounds: int) -> dict[str, float]:
    """All figures of one size."""
    figures: dict[str, float] = {}
    service_map = layered(number)
    before, began = _resident_mib(), time.perf_counter()
    compact = CompactMap(service_map)
    plain = Wiring(compact, is_compiled=False)
    first = LiveLevels(plain)
    figures |= {"load_s": time.perf_counter() - began, "load_mib": _resident_mib() - before}
    contenders = {"plain": first, "fast": LiveLevels(Wiring(compact, is_compiled=True))}
    graph = service_map.graph().reverse()
    gc.collect()
    gc.freeze()
    _beside_networkx(service_map, compact, contenders, graph, rounds, figures)
    del graph, contenders, first
    mixed = CompactMap(layered(number, share_of_any=0.5))
    for name, is_compiled in (("plain", False), ("fast", True)):
        _flips(mixed, LiveLevels(Wiring(mixed, is_compiled=is_compiled)), name, figures)
    return figures


def _beside_networkx(
    service_map: ServiceMap,
    compact: CompactMap,
    contenders: dict[str, LiveLevels],
    graph: Any,
    rounds: int,
    figures: dict[str, float],
) -> None:
    chance = random.Random(2)
    components, services = list(service_map.components), frozenset(service_map.services)
    is_service = np.fromiter((name in services for name in compact.names), np.bool_)
    number_of = compact.number_of

    def peer(failing: Sequence[NodeId]) -> set[NodeId]:
        if len(failing) == 1:
            return set(services & nx.descendants(graph, failing[0]))
        graph.add_edges_from(("all", one) for one in failing)
        found = nx.descendants(graph, "all")
        graph.remove_node("all")
        return set(services & found)

    def ours(live: LiveLevels) -> Callable[[Sequence[NodeId]], Any]:
        def answer(failing: Sequence[NodeId]) -> Any:
            changed = live.change({number_of[one]: 2 for one in failing})
            return changed[is_service[changed]]

        return answer

    singles = [[chance.choice(components)] for _ in range(60 * rounds)]
    storms = [chance.sample(components, max(1, len(compact) // 100)) for _ in range(3 * rounds)]
    asked = {"networkx": peer, **{name: ours(live) for name, live in contenders.items()}}
    for what, failures in (("one", singles), ("storm", storms)):
        times: dict[str, list[float]] = {name: [] for name in asked}
        hit = []
        for failing in failures:
            answers = []
            for name, answer in asked.items():
                began = time.perf_counter()
                answers.append(answer(failing))
                times[name].append(time.perf_counter() - began)
            for live in contenders.values():
                live.change({number_of[one]: 0 for one in failing})
            hit.append(len(answers[0]))
            if any(set(compact.nodes(found)) != answers[0] for found in answers[1:]):
                raise SystemExit(f"networkx finds {hit[-1]} services, ours {[len(found) for found in answers[1:]]}")
        figures |= {f"{what}_{name}": statistics.median(taken) for name, taken in times.items()}
        figures |= {f"{what}_{name}_ratio": _ratio(times["networkx"], times[name]) for name in contenders}
        figures[f"{what}_hit"] = statistics.median(hit)


def _flips(compact: CompactMap, live: LiveLevels, name: str, figures: dict[str, float]) -> None:
    chance = random.Random(3)
    below = int(compact.order.blocks[-2])
    live.change({vertex: 2 for vertex in range(below) if chance.random() < 0.01})
    times = []
    for _ in range(4_000):
        vertex = chance.randrange(below)
        flipped = {vertex: 0 if live.own[vertex] else 2}
        began = time.perf_counter()
        live.change(flipped)
        times.append(time.perf_counter() - began)
    times.sort()
    figures |= {f"flip_{name}": statistics.median(times), f"flip_{name}_p99": times[len(times) * 99 // 100]}


def outages(number: int, rounds: int) -> dict[str, float]:
    """A thousand failed and a core switch, until all nodes that are not ok are known with their levels; what a tick
    costs when one of those thousand changes; and a chain as long as the map is large.
    """
    chance = random.Random(4)
    figures: dict[str, float] = {}
    rollup = RollUp(layered(number, under_core=0.55))
    live = rollup.live()
    components = list(rollup.service_map.components)
    thousand = dict.fromkeys(chance.sample(components[1:], 1_000), 2)
    for what, own in (("thousand", thousand), ("core", {NodeId("core"): 2})):
        times, hit = [], 0
        for _ in range(rounds):
            live.follow({})
            began = time.perf_counter()
            live.follow(own)
            hit = len(live.not_ok()[0])
            times.append(time.perf_counter() - began)
        figures |= {what: statistics.median(times), f"{what}_hit": hit}
    own_states = dict.fromkeys(thousand, State.DOWN)
    rollup.states(own_states)
    times = []
    for one, state in zip(chance.choices(components, k=20 * rounds), cycle((State.DOWN, State.OK)), strict=False):
        own_states[one] = state
        began = time.perf_counter()
        rollup.states(own_states)
        times.append(time.perf_counter() - began)
    figures["tick"] = statistics.median(times)
    gates = (formula([f"n{place - 1}"], best=False) if place else None for place in range(number))
    chain = {
        (name := NodeId(f"n{place}")): Component(id=name, host=name, requires=gate) for place, gate in enumerate(gates)
    }
    began = time.perf_counter()
    fallen = RollUp(ServiceMap(components=chain, services={})).levels({NodeId("n0"): 2})
    figures |= {"chain": time.perf_counter() - began, "chain_hit": len(fallen)}
    return figures


def _ratio(peer: Sequence[float], ours: Sequence[float]) -> float:
    return statistics.median(theirs / mine for theirs, mine in zip(peer, ours, strict=True))


def _resident_mib() -> float:
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS")) / 1024


# --- all of them ------------------------------------------------------------------------------------------------------


def _apart(*options: str) -> dict[str, float]:
    """The figures of a process of its own."""
    done = subprocess.run([sys.executable, __file__, *options], check=True, stdout=subprocess.PIPE, text=True)
    found: dict[str, float] = json.loads(done.stdout)
    return found


def _show(found: dict[int, dict[str, float]]) -> None:
    print("nodes     | one fails: networkx, plain, fast  | 1 % fail: networkx, plain, fast        | load")
    for number, one in found.items():
        single = [f"{one[f'one_{name}'] * 1e6:7.1f} us" for name in ("networkx", "plain", "fast")]
        storm = [f"{one[f'storm_{name}'] * 1e3:8.2f} ms" for name in ("networkx", "plain", "fast")]
        print(
            f"{number:9,} | {' '.join(single)} | {' '.join(storm)} | {one['load_s']:.1f} s, {one['load_mib']:.0f} MiB"
        )
    print("nodes     | flip, plain: median, p99 | flip, fast: median, p99 | services hit: one, 1 %")
    for number, one in found.items():
        plain, fast = (
            f"{one[f'flip_{name}'] * 1e6:9.1f} us {one[f'flip_{name}_p99'] * 1e6:8.1f} us" for name in ("plain", "fast")
        )
        print(f"{number:9,} | {plain} | {fast} | {one['one_hit']:.0f}, {one['storm_hit']:,.0f}")


def _judge(found: dict[int, dict[str, float]], size: int, largest: int, wide: dict[str, float]) -> bool:
    one = found[size]
    is_met = []

    def told(what: str, measured: str, goal: str, *, met: bool) -> None:
        is_met.append(met)
        goals.told(what, measured, goal, met=met)

    median, p99 = one["flip_plain"] * 1e6, one["flip_plain_p99"] * 1e3
    told(
        f"impact of one change, {size:,} nodes, median",
        f"{median:.1f} us",
        f"at most {ONE_US:g} us",
        met=median <= ONE_US,
    )
    told(f"impact of one change, {size:,} nodes, p99", f"{p99:.2f} ms", f"at most {P99_MS:g} ms", met=p99 <= P99_MS)
    for name, least, words in (("plain", PLAIN, "numpy alone"), ("fast", COMPILED, "with the extra fast")):
        ratio = one[f"storm_{name}_ratio"]
        told(
            f"a 1 % storm against networkx, {size:,} nodes, {words}",
            f"{ratio:.0f} times faster",
            f"at least {least:g} times",
            met=ratio >= least,
        )
    for what, words in (("thousand", "1,000 failed"), ("core", "a core switch")):
        taken = wide[what] * 1e3
        told(
            f"all {wide[f'{what}_hit']:,.0f} nodes not ok of {size:,}, {words}",
            f"{taken:.1f} ms",
            f"at most {ALL_MS:g} ms",
            met=taken <= ALL_MS,
        )
    if largest:
        big = found[largest]
        shown = f"loaded in {big['load_s']:.1f} s, a 1 % storm in {big['storm_plain'] * 1e3:.0f} ms"
        told(f"{largest:,} nodes load and answer", shown, "the same answer as networkx", met=big["storm_hit"] > 0)
    return all(is_met)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", default="1000,10000,100000")
    parser.add_argument("--largest", type=int, default=1_000_000, help="0 leaves it out")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--one", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--outages", type=int, help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.one or chosen.outages:
        figures = measured(chosen.one, chosen.rounds) if chosen.one else outages(chosen.outages, chosen.rounds)
        print(json.dumps(figures))
        return 0
    sizes = [int(one) for one in chosen.sizes.split(",")]
    found = {size: _apart("--one", str(size), "--rounds", str(chosen.rounds)) for size in sizes}
    wide = _apart("--outages", str(sizes[-1]), "--rounds", str(chosen.rounds))
    if chosen.largest:
        found[chosen.largest] = _apart("--one", str(chosen.largest), "--rounds", "3")
    _show(found)
    print(f"a tick in which one of 1,000 failures changed: {wide['tick'] * 1e3:.1f} ms for the states of everything")
    print(f"a chain of {wide['chain_hit']:,.0f} loaded, and fallen from its lowest link: {wide['chain']:.1f} s")
    return 0 if _judge(found, sizes[-1], chosen.largest, wide) else 1


if __name__ == "__main__":
    raise SystemExit(main())
