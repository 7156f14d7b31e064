"""Scopes: the part of everything that a pause is about (DESIGN 5.7). As text `component:ID`, `host:NAME`, `policy:ID`
or `team:NAME`; empty means everything.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

from bsm_remediate.domain.bundle import Bundle
from bsm_remediate.domain.case import Case
from bsm_remediate.domain.run import Run


def scope_named(text: str, bundle: Bundle) -> tuple[str, str]:
    """The scope that a person means by `text`, a name with or without its kind; and what is wrong, or nothing."""
    if not text:
        return "", ""
    names = _names(bundle)
    kind, colon, name = text.partition(":")
    if colon and kind in names:
        return (text, "") if name in names[kind] else ("", f"there is no {kind} '{name}'")
    kinds = [one for one, known in names.items() if text in known]
    if kinds[:2] == ["component", "host"]:
        kinds.remove("component")  # a host of the same name: what is on it is meant, to stop too much is the safe side
    if len(kinds) == 1:
        return f"{kinds[0]}:{text}", ""
    if kinds:
        return "", f"'{text}' is more than one thing: say {' or '.join(f'{kind}:{text}' for kind in kinds)}"
    return "", f"'{text}' is no component, host, policy or team"


def scope_of_case(scope: str, case: Case) -> bool:
    """Whether `scope` holds that case. One that nobody understands, from a later version, holds everything."""
    kind, _, name = scope.partition(":")
    within: Mapping[str, Collection[str]] = {
        "component": case.touched | {case.component.id},
        "host": case.places,
        "policy": (case.policy.id,),
        "team": (case.component.owner or "",),
    }
    return name in within.get(kind, (name,))


def scope_of_run(scope: str, run: Run, bundle: Bundle) -> bool:
    """The same for a run that is under way."""
    kind, _, name = scope.partition(":")
    component = bundle.service_map.components.get(run.component)
    within: Mapping[str, Collection[str]] = {
        "component": (run.component, *run.locked("component")),
        "host": (run.host, *run.locked("host")),
        "policy": (run.policy,),
        "team": ((component.owner or "") if component is not None else "",),
    }
    return name in within.get(kind, (name,))


def _names(bundle: Bundle) -> dict[str, Collection[str]]:
    components = bundle.service_map.components
    return {
        "component": components.keys(),
        "host": {one.host for one in components.values()},
        "policy": bundle.policies.keys(),
        "team": bundle.teams.keys(),
    }
