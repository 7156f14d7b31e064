"""Pieces of tables that several commands share: states in colour, money, durations."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from bsm_remediate.domain.duration import format_duration

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.table import Table

STATE_STYLES = {
    "ok": "green",
    "degraded": "yellow",
    "down": "bold red",
    "unknown": "magenta",
    "maintenance": "blue",
    "run": "green",
    "succeeded": "green",
    "failed": "red",
    "escalated": "bold red",
    "running": "cyan",
    "verifying": "cyan",
    "queued": "cyan",
    "awaiting_approval": "yellow",
    "await_approval": "yellow",
    "storm": "yellow",
}


def state_text(state: str) -> str:
    """A state or verdict with its colour, as rich markup."""
    style = STATE_STYLES.get(state)
    return f"[{style}]{state}[/]" if style else state


def plain(text: str) -> str:
    """`text` for a table: nothing in it is markup."""
    from rich.markup import escape

    return escape("".join(char if char.isprintable() else "�" for char in text))


def seconds_text(seconds: float) -> str:
    return format_duration(timedelta(seconds=round(seconds, 1)))


def simple_table(*columns: str, right: tuple[str, ...] = ()) -> Table:
    """A table with a thin head line; the columns in `right` are numbers."""
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    for column in columns:
        table.add_column(column, justify="right" if column in right else "left", overflow="fold")
    return table


def loss_text(loss: float, ends: Sequence[float]) -> str:
    """Money per minute; both ends while it isn't known."""
    return f"{loss:,.2f}" if ends[0] == ends[-1] else f"{ends[0]:,.2f} to {ends[-1]:,.2f}"
