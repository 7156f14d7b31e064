"""What ranking causes costs in a storm: a core switch fails, and everything above it signals."""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import timedelta

from bsm_remediate.domain.bundle import Bundle, Settings
from bsm_remediate.domain.cause_ranking import root_causes
from bsm_remediate.domain.causes import Failing, symptoms
from bsm_remediate.domain.classify import Classifier
from bsm_remediate.domain.ids import NodeId
from bsm_remediate.domain.impact import RootCause
from bsm_remediate.domain.rollup import RollUp
from bsm_remediate.domain.signal import Signal
from bsm_remediate.domain.state import State
from bsm_remediate.testing.builders import NINE, alert, bundle, component, service

LAG_S = {"core": 0, "rack": 5, "host": 15, "app": 40}


def report() -> None:
    """A line for each of three sizes."""
    for racks in (5, 50, 500):
        net = switched(racks)
        rollup = RollUp(net.service_map)
        failing = everything_fails(net, rollup)
        took, found = min((ranked(rollup, failing) for _ in range(3)), key=lambda one: one[0])
        size = f"{len(failing.own):7} components signal, {len(failing.states):7} nodes fail"
        print(f"{size}: ranked in {took * 1000:7.1f} ms, first {found[0].component}")


def ranked(rollup: RollUp, failing: Failing) -> tuple[float, Sequence[RootCause]]:
    begin = time.perf_counter()
    found = root_causes(rollup, failing, symptoms(rollup, failing), skew=timedelta(seconds=30))
    return time.perf_counter() - begin, found


def switched(racks: int) -> Bundle:
    """Racks of 20 hosts with an application each, and a service for every rack."""
    hosts = [(f"host-{number}", f"rack-{number // 20}") for number in range(20 * racks)]
    return bundle(
        component("core"),
        *(component(f"rack-{number}", requires=["core"]) for number in range(racks)),
        *(component(host, requires=[rack]) for host, rack in hosts),
        *(component(f"app-{number}", requires=[host]) for number, (host, _) in enumerate(hosts)),
        *(
            service(f"service-{number}", requires=[f"app-{20 * number + place}" for place in range(20)])
            for number in range(racks)
        ),
        settings=Settings(state_from_severity=True),
    )


def everything_fails(net: Bundle, rollup: RollUp) -> Failing:
    """All components signal, with seconds from layer to layer."""
    own = dict.fromkeys(net.service_map.components, State.DOWN)
    classifier = Classifier(net)
    return Failing(
        own=own,
        states=rollup.states(own),
        signals={node: signals(classifier, node, number % 7) for number, node in enumerate(own)},
        loss=dict.fromkeys(net.service_map.services, 1.0),
        blame=rollup.blame(own),
    )


def signals(classifier: Classifier, node: NodeId, jitter_s: float) -> Sequence[Signal]:
    after = timedelta(seconds=LAG_S[node.partition("-")[0]] + jitter_s)
    return classifier.read(alert("HostUnreachable", component=node, since=NINE + after)).signals()
