"""The sections of `report` as tables for people."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bsm_remediate.cli.tables import plain, seconds_text, simple_table, state_text

if TYPE_CHECKING:
    from rich.console import Console

Row = dict[str, Any]
_SHOWN = 20
_NAMED = 5
_NO_CAUSE = "unexplained"


def show_loss(console: Console, report: Row) -> None:
    """What each service lost to whom, the worst first."""
    loss, currency = report["loss"], report["currency"]
    if report["recorded_since"] is None:
        console.print("No ledger was kept in this time: an engine of this version begins one.")
        return
    if not loss["by_service"]:
        console.print("Nothing failed, nothing was lost.")
        return
    table = simple_table("service", "cause", currency, "down", "degraded", right=(currency, "down", "degraded"))
    for one in loss["by_service"][:_SHOWN]:
        minutes = one["minutes"]
        times = [_minutes(minutes.get(state, 0.0)) for state in ("down", "degraded")]
        table.add_row(plain(one["service"]), "", f"{one['lost']:,.2f}", *times)
        for cause in one["causes"][:_SHOWN]:
            table.add_row("", plain(cause["cause"] or _NO_CAUSE), f"{cause['lost']:,.2f}", "", "")
    console.print(table)
    worst = ", ".join(f"{one['cause'] or _NO_CAUSE} {one['lost']:,.2f}" for one in loss["by_cause"][:3])
    console.print(f"Lost {loss['total']:,.2f} {currency} in all. Worst causes: {worst or 'none'}", markup=False)


def show_objectives(console: Console, report: Row) -> None:
    """What was promised, and how it stands at the report's end."""
    if not report["objectives"]:
        console.print("No service has an objective (`objective: {availability: 99.9, window: 30d}`).", markup=False)
        return
    right = ("objective", "available", "budget left", "1h", "6h", "3d")
    table = simple_table("service", "window", *right[:3], "burn 1h", "6h", "3d", "met", right=(*right, "burn 1h"))
    for one in report["objectives"]:
        burns = [_ratio(one["burn_rates"][name]) for name in ("1h", "6h", "3d")]
        met = {True: "[green]met[/]", False: "[red]missed[/]", None: "unknown"}[one["met"]]
        table.add_row(
            plain(one["service"]),
            one["window"],
            f"{one['objective']:g} %",
            _percent(one["availability"]),
            f"{one['budget_left']:.0%}" if one["budget_left"] is not None else "",
            *burns,
            met,
        )
    console.print(table)
    _show_goals(console, report)


def _show_goals(console: Console, report: Row) -> None:
    """The same by goal, each service counting as much as the goal weighs it."""
    measured = [one for one in report["goals"] if one["met"] is not None]
    if not measured:
        return
    console.print()
    right = ("services", "objective", "attained", "weight met")
    table = simple_table("goal", *right, "missed by", right=right)
    for one in measured:
        table.add_row(
            plain(one["goal"]),
            str(len(one["weights"])),
            f"{one['objective']:.3f} %",
            _percent(one["availability"]),
            f"{one['met_share']:.0%}",
            plain(_few(one["missed"])) or "[green]none[/]",
        )
    console.print(table)


def _few(names: list[str]) -> str:
    more = len(names) - _NAMED
    return ", ".join(names[:_NAMED]) + (f" and {more} more" if more > 0 else "")


def show_outages(console: Console, report: Row) -> None:
    """The latest outages of services."""
    outages, currency = report["outages"], report["currency"]
    if not outages:
        console.print("No outage of a service.")
        return
    table = simple_table(
        "began", "service", "worst", "restored after", currency, "avoided", "causes", right=(currency, "avoided")
    )
    for one in outages[-_SHOWN:]:
        states = [part["state"] for part in one["states"]]
        worst = next((state for state in ("down", "degraded", "unknown", "maintenance") if state in states), "")
        after = one["restored_after_s"]
        table.add_row(
            one["began_at"][:19],
            plain(one["service"]),
            state_text(worst),
            seconds_text(after) if after is not None else "not yet",
            f"{one['lost']:,.2f}",
            f"{one['avoided']:,.2f}" if one["avoided"] is not None else "",
            plain(", ".join(one["causes"]) or _NO_CAUSE),
        )
    console.print(table)
    if len(outages) > _SHOWN:
        console.print(f"… and {len(outages) - _SHOWN} earlier ones (all are in -o json)")


def show_response(console: Console, report: Row) -> None:
    """How fast failures were answered."""
    found = report["response"]
    if not found["failures"]:
        console.print("No component failed.")
        return
    console.print(f"{found['failures']} failures of components, {found['answered']} of them answered by a run")
    right = ("mean", "median", "p90", "most")
    table = simple_table("time to", *right, right=right)
    for name in ("detect", "decide", "restore"):
        spread = found[f"{name}_s"]
        if spread is not None:
            table.add_row(name, *(seconds_text(spread[column]) for column in right))
    console.print(table)


def show_avoided(console: Console, report: Row) -> None:
    """Loss avoided, never without what that assumes."""
    found, currency = report["avoided"], report["currency"]
    console.print(
        f"Loss avoided: {found['money']:,.2f} {currency}, {found['minutes']:,.1f} min,"
        f" in {found['outages']} outage{'s' if found['outages'] != 1 else ''}",
        markup=False,
    )
    console.print(f"This assumes: {found['assumption']}.", markup=False)


def show_playbooks(console: Console, report: Row) -> None:
    """Runs by policy and playbook, and what to think about."""
    if not report["playbooks"]:
        console.print("No playbook ran.")
        return
    currency = report["currency"]
    right = ("runs", "restored", "took", "expected", "learned", "avoided")
    table = simple_table("policy", "playbook", *right, right=right)
    for one in report["playbooks"]:
        taken = one["taken_s"]
        table.add_row(
            plain(one["policy"]),
            plain(one["playbook"]),
            str(one["runs"]),
            str(one["restored"]),
            seconds_text(taken["mean"]) if taken is not None else "",
            seconds_text(one["expected_s"]),
            seconds_text(one["learned_s"]) if one["learned_s"] is not None else "",
            f"{one['avoided']:,.2f} {currency}",
        )
    console.print(table)
    for one in report["playbooks"]:
        if one["told"]:
            console.print(f"  • {one['policy']}, {one['playbook']}: {one['told']}", markup=False)


def show_metrics(console: Console, report: Row) -> None:
    """What the figures of metric policies were."""
    if not report["metrics"]:
        console.print("No figures of a metric policy were kept.")
        return
    right = ("series", "min", "mean", "p95", "max", "beyond it")
    table = simple_table("metric of", *right[:-1], "threshold", right[-1], right=right)
    for one in report["metrics"]:
        figures = [f"{one[name]:,.4g}" for name in ("min", "mean", "p95", "max")]
        beyond = _minutes(one["beyond_minutes"])
        table.add_row(plain(one["policy"]), str(one["series"]), *figures, plain(one["threshold"]), beyond)
    console.print(table)


def show_assumptions(console: Console, report: Row) -> None:
    """What all of it assumes."""
    console.print("This assumes:")
    for one in report["assumptions"]:
        console.print(f"  • {one}", markup=False)


def _minutes(minutes: float) -> str:
    return seconds_text(minutes * 60) if minutes else ""


def _percent(percent: float | None) -> str:
    return f"{percent:.3f} %" if percent is not None else ""


def _ratio(rate: float | None) -> str:
    return f"{rate:.1f}" if rate is not None else ""
