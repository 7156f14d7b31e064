"""What keeps the engine from acting, as a table for people."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from bsm_remediate.cli.tables import plain, simple_table

if TYPE_CHECKING:
    from rich.console import Console

Row = dict[str, Any]


def show_brakes(console: Console, guards: Row) -> None:
    """Nothing where nothing is in force."""
    rows = list(_rows(guards))
    if not rows:
        return
    table = simple_table("in force", "on", "by", "until", "because")
    for row in rows:
        table.add_row(*(plain(cell) for cell in row))
    console.print()
    console.print(table)


def show_maintenance(console: Console, windows: list[Row]) -> None:
    if not windows:
        console.print("Nothing is in maintenance.")
        return
    table = simple_table("window", "target", "state", "from", "until", "by", "because")
    for one in windows:
        state = "in force" if one["in_force"] else "not now"
        since, until = one["since"], _until(one)
        table.add_row(*(plain(cell) for cell in (one["id"], one["target"], state, since, until, one["who"], _why(one))))
    console.print(table)


def _rows(guards: Row) -> Iterator[tuple[str, str, str, str, str]]:
    for one in guards["pauses"]:
        yield "pause", one["scope"] or "everything", one["who"], one["until"] or "resumed", one["reason"]
    for one in guards["holds"]:
        yield "hold", one["target"], one["who"], one["until"] or "released", one["reason"]
    for one in guards["maintenance"]:
        since = "" if one["in_force"] or one["calendar"] else f" (from {one['since']})"
        yield "maintenance", f"{one['target']}{since}", one["who"], _until(one), _why(one)
    for name in guards["freezes"]:
        yield "change freeze", "policies with `freeze: hold`", "", "", f"calendar {name}"
    if guards["storm"]:
        yield "storm", "everything", "", "", f"{guards['storm']}: a person approves"
    for name, seen in guards["storms"].items():
        yield "storm", name, "", "", f"{seen}: a person approves"
    if guards["doubt"]:
        yield "doubt", "everything", "", "", f"{guards['doubt']}: a person approves"
    for one in guards["breakers"]:
        trying = f"; run {one['trying']} tries" if one["trying"] else ""
        failed = f"{one['failures']} runs failed in a row{trying} (`release {one['policy']}` closes it)"
        yield f"breaker {one['state'].replace('_', ' ')}", one["policy"], "", one["rests_until"], failed
    for name in ("flapping", "quarantined"):
        for one in guards[name]:
            yield name, one["component"], "", "released", one["reason"]
    for one in guards["approvals"]:
        if one["escalated_at"] is not None and one["approved_by"] is None:
            who = ", ".join(one["approvers"]) or "an approver"
            what = f"{one['playbook']} on {one['component']}: nobody has answered since {one['since']}"
            yield "unanswered", f"run {one['run']}", who, "", what


def _until(window: Row) -> str:
    return str(window["until"] or "ended")


def _why(window: Row) -> str:
    return f"{window['reason']} (while {window['calendar']} is in force)" if window["calendar"] else window["reason"]
