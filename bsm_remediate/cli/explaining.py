"""Why a component, a service, a policy or a run is as it is, in words."""

from __future__ import annotations

import difflib
from collections.abc import Callable

from bsm_remediate.cli.cap import cap_text
from bsm_remediate.cli.live import Picture, Row
from bsm_remediate.cli.runs import told
from bsm_remediate.errors import UnknownId


def explained(picture: Picture, name: str) -> tuple[list[str], Row]:
    services = {row["id"]: row for row in picture.rows("services")}
    components = {row["id"]: row for row in picture.rows("components")}
    plan = picture.plan()
    cap = [cap_text(plan["max_mode"])] if cap_text(plan["max_mode"]) else []
    if name in services:
        return _service(services[name], plan) + cap, {"kind": "service", **services[name]}
    if name in components:
        return _component(components[name], plan) + cap, {"kind": "component", **components[name]}
    if any(name == one["policy"] for one in _spoken(plan)):
        return _policy(name, plan) + cap, {"kind": "policy", "id": name}
    runs = {row["id"] for row in picture.rows("runs")}
    if name in runs:
        run, events = picture.run(name)
        return _run(run, events) + cap, {"kind": "run", **run}
    policies = [one["policy"] for one in _spoken(plan) if one["policy"]]
    near = difflib.get_close_matches(name, [*services, *components, *policies, *runs], 1)
    raise UnknownId(f"nothing is called '{name}'", hint=f"did you mean '{near[0]}'?" if near else None)


def _service(row: Row, plan: Row) -> list[str]:
    lines = [f"{row['id']} is {row['state']} and costs {row['loss_per_minute']:,.2f} {plan['currency']}/min now"]
    for cause in plan["root_causes"]:
        if cause["component"] in row["causes"]:
            kind = "a suspect" if cause["suspect"] else f"a cause (score {cause['score']:.2f})"
            lines.append(f"{cause['component']} is {kind}: it {cause['reason']}")
    lines += [
        f"step {step['order']} restores it: {step['playbook']} on {step['component']}, {step['reason']}"
        for step in plan["steps"]
        if row["id"] in step["restores"]
    ]
    lines += [
        f"{held['policy'] or 'no policy'} on {held['component']}: {held['verdict']}, {held['reason']}"
        for held in plan["held"]
        if held["component"] in {row["id"], *row["causes"]}
    ]
    if row["at_risk"]:
        lines.append(f"one more failure of {', '.join(row['at_risk'])} would take it down")
    return lines


def _component(row: Row, plan: Row) -> list[str]:
    lines = [f"{row['id']} on host {row['host']} is {row['state']}"]
    lines.extend(
        f"alert {signal['alert']} since {signal['since']} says {signal['sets']} (found by {signal['how']})"
        for signal in row["signals"]
    )
    for one in plan["root_causes"]:
        if one["component"] == row["id"]:
            sureness = "may be" if one["suspect"] or one["symptom"] else "is"
            lines.append(f"it {sureness} a cause (score {one['score']:.2f}): it {one['reason']}")
    return lines + _said(plan, lambda one: bool(one["component"] == row["id"]))


def _policy(name: str, plan: Row) -> list[str]:
    number = sum(one["policy"] == name for one in _spoken(plan))
    about = f"{number} component{'' if number == 1 else 's'}"
    return [f"{name} speaks about {about} now", *_said(plan, lambda one: bool(one["policy"] == name))]


def _spoken(plan: Row) -> list[Row]:
    """All that was decided: steps, shadow ones, and what is held."""
    return [*plan["steps"], *plan["shadow"], *plan["held"]]


def _said(plan: Row, is_meant: Callable[[Row], bool]) -> list[str]:
    """What was decided, and why each step has its place."""
    lines = []
    for step in filter(is_meant, plan["steps"]):
        lines.append(
            f"step {step['order']} of the plan: {step['playbook']} on {step['component']}, verdict {step['verdict']},"
            f" {step['reason']}"
        )
        if step["before_next"]:
            lines.append(f"before step {step['order'] + 1}: {step['before_next']}")
        if step["flips"]:
            lines.append(step["flips"])
    lines += [
        f"{one['policy'] or 'no policy'} on {one['component']}: {one['verdict']}, {one['reason']}"
        for one in filter(is_meant, [*plan["shadow"], *plan["held"]])
    ]
    return lines


def _run(run: Row, events: list[Row]) -> list[str]:
    lines = [f"{run['playbook']} was chosen for {run['component']}: {run['reason']}"]
    if run["approved_by"]:
        lines.append(f"approved by {run['approved_by']}")
    if run["outcome"]:
        lines.append(f"it is {run['state']}: {run['outcome']}")
    lines.extend(f"{event['at']} {event['kind']}: {told(event)}" for event in events if event["kind"] != "run.task")
    return lines
