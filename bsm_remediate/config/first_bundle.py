"""A first bundle for a team that has an Ansible inventory and alert rules: what can be known, and what to fill in.

Names of the inventory and texts of rules are written inside quotes only; comments are ours alone.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from bsm_remediate.config.quoting import plain_text, quoted
from bsm_remediate.domain.alert_rule import AlertRule
from bsm_remediate.domain.inventory import Inventory

_WORDS = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_PLAIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,60}", re.ASCII)
_HEARTBEATS = ("Watchdog", "DeadMansSwitch")
_OTHERS = "other-hosts"
_SCHEMA_LINE = "# yaml-language-server: $schema=bundle.schema.json\n#\n"


@dataclass(frozen=True, kw_only=True, slots=True)
class HostSet:
    """Hosts that become one component set."""

    name: str
    """An id."""
    group: str | None
    """The group that it is, whatever hosts that will have; None: exactly these hosts."""
    hosts: tuple[str, ...]


def first_bundle(inventory: Inventory, rules: Iterable[AlertRule]) -> Mapping[str, str]:
    """File name → text. The bundle passes `check`."""
    sets, unused = host_sets(inventory)
    known = tuple(rules)
    files = {
        "services.yml": _services(sets),
        "components.yml": _components(sets, unused, inventory),
        "settings.yml": _settings(known),
    }
    return {**files, "alerts.yml": _policies(known)} if known else files


# --- hosts -----------------------------------------------------------------------------------------------------------


def host_sets(inventory: Inventory) -> tuple[list[HostSet], list[str]]:
    """Each host in exactly one set, so that an alert that names a host has one component; and the groups left over.

    A group made of other groups is left to them; of groups that overlap the larger is taken.
    """
    groups = {
        name: tuple(host for host in hosts if host not in inventory.groups)  # such a host can't be a limit
        for name, hosts in sorted(inventory.groups.items())
        if name not in {"all", "ungrouped"}
    }
    groups = {name: hosts for name, hosts in groups.items() if hosts}
    taken: set[str] = set()
    found: list[HostSet] = []
    names: set[str] = set()
    for name in sorted(groups, key=lambda one: (_is_made_of_others(one, groups), -len(groups[one]), one)):
        if taken.isdisjoint(groups[name]):
            is_whole = len(groups[name]) == len(inventory.groups[name])
            found.append(HostSet(name=_free_id(name, names), group=name if is_whole else None, hosts=groups[name]))
            taken.update(groups[name])
    rest = tuple(host for host in inventory.addresses if host not in taken and host not in inventory.groups)
    if rest:
        found.append(HostSet(name=_free_id(_OTHERS, names), group=None, hosts=rest))
    used = {one.group for one in found}
    return sorted(found, key=lambda one: one.name), [name for name in groups if name not in used]


def _is_made_of_others(name: str, groups: Mapping[str, Sequence[str]]) -> bool:
    """Whether smaller groups hold most of its hosts."""
    own = set(groups[name])
    within: set[str] = set()
    for other, hosts in groups.items():
        if other != name and len(hosts) < len(own) and own.issuperset(hosts):
            within.update(hosts)
    return 2 * len(within) > len(own)


def _components(sets: Sequence[HostSet], unused: Sequence[str], inventory: Inventory) -> str:
    addresses = Counter(inventory.addresses.values())
    lines = [
        _SCHEMA_LINE,
        "# What can fail and be restored: one component for each host of a group, called GROUP@HOST.\n",
        '#\n# FILL IN `requires:` where one needs another: requires: [database]  or  requires: ["net@{host}"].\n',
        "# A host that runs several things may have several components: mark one `host_level: true`.\n",
        '# `aliases` are other names in alerts: "{host}:9113", or "{address}" for the ansible_host.\n',
    ]
    named = [one for one in unused if _PLAIN.fullmatch(one)]
    if unused:
        lines.append("# Groups that aren't used here, since their hosts are in others:\n")
        lines += [f"#   {name}\n" for name in named[:50]]
        if len(unused) > len(named[:50]):
            lines.append(f"#   and {len(unused) - len(named[:50])} more\n")
    lines.append("components:\n" if sets else "components: {}\n")
    for one in sets:
        own = [inventory.addresses[host] for host in one.hosts]
        differs = any(address != host for address, host in zip(own, one.hosts, strict=True))
        is_telling = all(addresses[address] == 1 for address in own)
        aliases = '\n    aliases: ["{address}"]' if differs and is_telling else ""
        hosts = quoted(one.group) if one.group is not None else f"[{', '.join(quoted(host) for host in one.hosts)}]"
        lines.append(f"  {one.name}:\n    hosts: {hosts}{aliases}\n")
    return "".join(lines)


# --- services --------------------------------------------------------------------------------------------------------


def _services(sets: Sequence[HostSet]) -> str:
    lines = [
        _SCHEMA_LINE,
        "# What the business values. These are placeholders, one for each component set.\n",
        "# FILL IN what customers or staff would miss, and name the service after that: checkout, not web-service.\n",
        "# FILL IN what a minute without it costs: `tier` (critical, high, medium, low: each ten times the next),\n",
        "# or `loss_per_minute: 300` for all of them, with `currency: EUR` at the top of a file.\n",
        "# FILL IN `requires`: [a, b] needs all of them, {any: web} one member, {at_least: 60%, of: web} that many.\n",
        "services:\n" if sets else "services: {}\n",
    ]
    names = {one.name for one in sets}
    for one in sets:
        requires = f"[{{any: {quoted(one.name)}}}]" if len(one.hosts) > 1 else f"[{quoted(one.name)}]"
        told = "one of several is enough?" if len(one.hosts) > 1 else "what else?"
        tier = "low" if one.name == _OTHERS else "medium"
        lines += [
            f"  {_free_id(f'{one.name}-service', names)}:\n",
            f"    title: {quoted(f'FILL IN: who misses what without {one.name}?')}\n",
            f"    tier: {tier}  # FILL IN\n",
            f"    requires: {requires}  # FILL IN: {told}\n",
        ]
    return "".join(lines)


def _settings(rules: Sequence[AlertRule]) -> str:
    lines = [
        _SCHEMA_LINE,
        "# These labels of an alert are looked at in this order: for the id of a component, an alias, a host.\n",
        "settings:\n",
        "  component_labels: [component, instance, host, hostname, node, pod, service]\n",
        "  # FILL IN exporters that run elsewhere, whose `instance` isn't what the alert is about:\n",
        "  # not_about: {job: [blackbox]}\n",
    ]
    for name in _HEARTBEATS:
        if any(rule.name == name for rule in rules):
            lines.append(
                "  # Your rules have a heartbeat. Once it is routed here, nothing runs while monitoring is broken:\n"
            )
            lines.append(f"  # watchdog: {{alertname: {name}}}\n")
    return "".join(lines)


# --- policies --------------------------------------------------------------------------------------------------------


def _policies(rules: Sequence[AlertRule]) -> str:
    lines = [
        _SCHEMA_LINE,
        "# One policy for each alert rule, in shadow: `sets` says what the alert means for its component.\n",
        "# FILL IN, for the alerts that a playbook can mend:\n",
        "#   do: [{playbook: restart_service.yml, vars: {service_name: nginx}, expect: {duration: 20s}}]\n",
        '#   verify: [{tcp: "{{ component.address }}:80", within: 30s}]\n',
        "#   evidence: direct                  # where the component is broken itself, and it is no symptom\n",
        "# and, when `report --shadow` has shown that it would have done right, `mode: approve`, later `mode: auto`.\n",
        "# FILL IN `sets: ok` for alerts that don't say whether the component serves (backups, certificates).\n",
        "policies:\n",
    ]
    names: set[str] = set()
    alike = {frozenset(rule.all_labels.items()): rule for rule in reversed(rules)}  # the first of those that look alike
    several = Counter(rule.name for rule in alike.values())
    for rule in reversed(alike.values()):
        severity = rule.labels.get("severity", "") if several[rule.name] > 1 else ""
        name = _free_id(f"{rule.name} {severity}", names)
        matched = {"alertname": rule.name, **dict(sorted(rule.labels.items()))}
        lines += [
            f"  {name}:\n",
            f"    description: {quoted(_description(rule))}\n",
            f"    match: {{{', '.join(f'{quoted(label)}: {quoted(value)}' for label, value in matched.items())}}}\n",
            f"    sets: {rule.sets.value}\n",
            "    mode: shadow\n",
        ]
    return "".join(lines)


def _description(rule: AlertRule) -> str:
    summary = plain_text(rule.summary, longest=300) or plain_text(rule.name, longest=100)
    return f"{summary} (runbook: {plain_text(rule.runbook, longest=500)})" if rule.runbook else summary


def _free_id(text: str, taken: set[str]) -> str:
    """An id made of the words of `text` that isn't in `taken`, and now is."""
    words = (
        text
        if _PLAIN.fullmatch(text) and text.islower()
        else "-".join(re.findall(r"[a-z0-9]+", _WORDS.sub("-", text).lower()))[:100].strip("-") or "unnamed"
    )
    name, number = words, 1
    while name in taken:
        number += 1
        name = f"{words}-{number}"
    taken.add(name)
    return name
