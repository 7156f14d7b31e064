"""Planned changes, for people."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bsm_remediate.cli.tables import plain, seconds_text, simple_table, state_text

if TYPE_CHECKING:
    from rich.console import Console

Row = dict[str, Any]
_ALIKE = 1e-6


def show_windows(console: Console, document: Row) -> None:
    """Each window, and why that one."""
    hit = ", ".join(f"{one['id']} ({one['state']})" for one in document["services"]) or "no service"
    takes = seconds_text(document["expected_duration_s"])
    console.print(f"{plain(_titled(document['change'], document['title']))}: {plain(hit)} for {takes}")
    if not document["windows"]:
        console.print("No window: its calendars leave none before its latest end, or a change freeze covers them.")
        return
    money = document["currency"]
    table = simple_table("window", "best begin", money, "of it risk", "objectives", "", right=(money, "of it risk"))
    for one in document["windows"]:
        is_cost = one["expected_cost"] is not None
        table.add_row(
            f"{_short(one['from'])} to {_short(one['until'])}",
            _short(one["begin"]) if one["begin"] else "",
            f"{one['expected_cost']:,.2f}" if is_cost else "",
            f"{one['risk_cost']:,.2f}" if is_cost else "",
            plain("; ".join(_left(budget) for budget in one["objectives"])),
            _judged(document, one),
        )
    console.print(table)
    console.print(plain(_why(document)))


def _judged(document: Row, window: Row) -> str:
    if window["begin"] is not None and window["begin"] == document["chosen"]:
        return "[green]picked[/]"
    return f"[red]refused[/]: {plain(window['refusal'])}" if window["refusal"] else ""


def _why(document: Row) -> str:
    chosen = next((one for one in document["windows"] if one["begin"] and one["begin"] == document["chosen"]), None)
    if chosen is None:
        return "No window will do."
    others = [one for one in document["windows"] if not one["refusal"] and one is not chosen]
    alike = [one for one in others if one["weighted_cost"] - chosen["weighted_cost"] < _ALIKE]
    if not others:
        why = "the only one that will do"
    elif alike:
        why = f"the earliest of {len(alike) + 1} that lose least"
    else:
        more = min(one["expected_cost"] for one in others) - chosen["expected_cost"]
        why = f"it loses least, {more:,.2f} {document['currency']} less than the next"
    return f"Picked {_short(chosen['begin'])} UTC: {why}."


def _left(budget: Row) -> str:
    left = seconds_text(round(abs(budget["left_s"])))
    name = f"{budget['service']} {budget['objective']:g}%"
    return f"{name}: {left} left" if budget["kept"] else f"{name}: {left} too much"


def show_changes(console: Console, rows: list[Row]) -> None:
    if not rows:
        console.print("No change was proposed yet.")
        return
    table = simple_table("change", "name", "state", "window", "cost", "by", "approved by", "waits for")
    for one in rows:
        window = one["window"]
        table.add_row(
            one["id"],
            plain(one["name"]),
            state_text(one["state"]),
            _short(window["begin"]) if window else "none",
            f"{window['expected_cost']:,.2f} {one['currency']}" if window else "",
            plain(one["proposed"]["who"]),
            plain(one["approved"]["who"]) if one["approved"] else "",
            plain(one["waits"] or _next_step(one)),
        )
    console.print(table)


_NEXT = {
    "proposed": "a dry run",
    "dry_run_ok": "an approval",
    "dry_run_failed": "a dry run that works",
    "scheduled": "its window",
    "awaiting_review": "a review",
}


def _next_step(change: Row) -> str:
    return "" if change["is_over"] else _NEXT.get(change["state"], "")


def show_change(console: Console, change: Row) -> None:
    """What its approver and its reviewer must know."""
    console.print(f"Change {change['id']}: {plain(_titled(change['name'], change['title']))}")
    outcome = f"  {change['result']['outcome']}" if change["result"] else ""
    console.print(f"  {state_text(change['state'])}{outcome}  {plain(change['waits'] or _next_step(change))}")
    console.print(f"  what is approved is {change['digest']}")
    for what in ("proposed", "approved", "closed"):
        word = change[what]
        if word is not None:
            name = change["state"] if what == "closed" else what
            why = f": {word['reason']}" if word["reason"] else ""
            console.print(f"  {name} by {plain(word['who'])} at {_short(word['at'])}{plain(why)}")
    if change["dry_run"] is not None:
        console.print(f"  dry run: {plain(change['dry_run']['detail'])}")
    _show_plan(console, change)
    console.print()
    for event in change.get("events", ()):
        if event["kind"].startswith("change."):
            facts = event["facts"]
            said = next((str(facts[name]) for name in ("detail", "reason", "waits") if facts.get(name)), "")
            console.print(
                f"{event['at'][:19].replace('T', ' ')}  {event['kind']:24}  {plain(event['actor']):10}  {plain(said)}"
            )


def _show_plan(console: Console, change: Row) -> None:
    window, result = change["window"], change["result"]
    if window is None:
        return
    table = simple_table("", "planned", *(("actual",) if result else ()))
    rows = [
        ("begin", _short(window["begin"]), _short(result["started_at"] or "") if result else ""),
        ("took", seconds_text(window["expected_duration_s"]), seconds_text(result["took_s"]) if result else ""),
        (
            f"cost ({change['currency']})",
            f"{window['planned_cost']:,.2f} + {window['risk_cost']:,.2f} risk",
            f"{result['cost']:,.2f}" if result else "",
        ),
        ("disturbs", ", ".join(window["services"]) or "no service", ""),
        ("objectives", "; ".join(window["objectives"]) or "none", ""),
        ("checks", "all hold", result["detail"] if result else ""),
    ]
    for name, planned, actual in rows:
        table.add_row(name, plain(planned), *((plain(actual),) if result else ()))
    console.print()
    console.print(table)


def _titled(name: str, title: str) -> str:
    return f"{name}, {title}" if title else name


def _short(moment: str) -> str:
    """Without seconds, in UTC."""
    return moment[:16].replace("T", " ")
