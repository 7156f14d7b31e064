"""Gaps of coverage: what no policy takes care of, the worst first, with what to add."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from bsm_remediate.domain.alert_rule import AlertRule
from bsm_remediate.domain.classify import Reading
from bsm_remediate.domain.ids import NodeId
from bsm_remediate.domain.state import State

_WITHOUT = {"no_policy": 1, "no_playbook": 1, "shadow": 2}
"""Cover that leaves a gap → its rank among the gaps."""
_UNMAPPED_DOWN, _UNMAPPED, _RULE, _UNSEEN = 0, 3, 4, 5
_SHOWN = 3


@dataclass(frozen=True, kw_only=True, slots=True)
class Gap:
    """Something to be done."""

    kind: str
    """`unmapped`, `no_policy`, `no_playbook`, `shadow`, `rule_without_policy`, or `unseen`."""
    name: str
    """The alert's, or the service's with `unseen`."""
    count: int
    """Alerts of that name."""
    loss_per_minute: float | None
    """What the services that stand on its components can lose; None where nobody knows."""
    about: str
    hint: str


_Read = tuple[Reading, str, State, tuple[NodeId, ...]]
"""An alert, what would be done about it, what it says, and the services that it concerns."""


def gaps_of(
    alerts: Iterable[_Read],
    rules: Iterable[tuple[AlertRule, bool]],
    *,
    rates: Mapping[NodeId, float],
    foundation: Mapping[NodeId, Sequence[NodeId]],
) -> tuple[Gap, ...]:
    """What is critical and about nothing known first, then by loss; last what no alert is about.

    `rules` come with whether they have no policy at all; `foundation` are the components that a service stands on.
    """
    unmapped: dict[tuple[str, bool], list[Reading]] = defaultdict(list)
    uncovered: dict[tuple[str, str], list[_Read]] = defaultdict(list)
    heard: set[NodeId] = set()
    for read in alerts:
        reading, cover, state, services = read
        heard.update(services)
        if state is State.OK:
            continue
        if reading.mapped.reason:
            unmapped[reading.alert.name, state is State.DOWN].append(reading)
        elif cover in _WITHOUT:
            uncovered[cover, reading.alert.name].append(read)
    found = [
        (_UNMAPPED_DOWN if is_down else _UNMAPPED, _unmapped(name, all_)) for (name, is_down), all_ in unmapped.items()
    ]
    found += [(_WITHOUT[cover], _uncovered(cover, name, all_, rates)) for (cover, name), all_ in uncovered.items()]
    fired = {name for _, name in uncovered} | {name for name, _ in unmapped}
    bare = {rule.name for rule, is_bare in rules if is_bare and rule.sets is not State.OK and rule.name not in fired}
    found += [(_RULE, _bare_rule(name)) for name in sorted(bare)]
    found += [
        (_UNSEEN, _unseen(service, rate, foundation.get(service, ())))
        for service, rate in rates.items()
        if service not in heard and rate > 0
    ]
    found.sort(key=lambda one: (one[0], -(one[1].loss_per_minute or 0.0), -one[1].count, one[1].name))
    return tuple(gap for _, gap in found)


def _unmapped(name: str, readings: Sequence[Reading]) -> Gap:
    reason = readings[0].mapped.reason
    if reason.startswith("ambiguous"):
        hint = "mark one of the components of that host `host_level: true`"
    elif reason.startswith("policy"):
        hint = "correct `component:` of that policy"
    elif reason.startswith("nothing"):
        hint = "add that name to the `aliases` of its component, or the component itself; `why --alert` shows each step"
    else:
        hint = "give its policy a `component:`, or add the label that says where to `settings: component_labels`"
    return Gap(kind="unmapped", name=name, count=len(readings), loss_per_minute=None, about=reason, hint=hint)


def _uncovered(cover: str, name: str, read: Sequence[_Read], rates: Mapping[NodeId, float]) -> Gap:
    services = {service for _, _, _, concerned in read for service in concerned}
    nodes = dict.fromkeys(target.node for reading, *_ in read for target in reading.mapped.components)
    policies = dict.fromkeys(policy.id for reading, *_ in read for policy in reading.policies)
    named = _listed(list(policies))
    hint = {
        "no_policy": f"add a policy with match: {{alertname: {name}}}",
        "no_playbook": f"give {named} a playbook: `do: [{{playbook: …}}]`",
        "shadow": f"when `report --shadow` shows that it is right, give {named} `mode: approve`",
    }[cover]
    return Gap(
        kind=cover,
        name=name,
        count=len(read),
        loss_per_minute=sum(rates[one] for one in services),
        about=_listed(list(nodes)) or _listed(sorted(services)),
        hint=hint,
    )


def _bare_rule(name: str) -> Gap:
    hint = f"add a policy with match: {{alertname: {name}}}"
    return Gap(kind="rule_without_policy", name=name, count=0, loss_per_minute=None, about="", hint=hint)


def _unseen(service: NodeId, rate: float, parts: Sequence[NodeId]) -> Gap:
    return Gap(
        kind="unseen",
        name=service,
        count=0,
        loss_per_minute=rate,
        about=_listed(parts),
        hint="no alert here is about what it stands on: let one fire, or look whether it is monitored",
    )


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more
