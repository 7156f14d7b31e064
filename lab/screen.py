"""How the demo is shown: a live picture on a terminal, plain lines elsewhere."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from lab.customers import Outage

_LINES = 14
_STYLE_OF_STATE = {"ok": "green", "degraded": "yellow", "down": "bold red"}


@dataclass(slots=True)
class Picture:
    """One moment of the demo."""

    elapsed_s: float = 0.0
    currency: str = "EUR"
    goal: str = "default"
    loss_per_minute: float = 0.0
    lost: float = 0.0
    """Money lost since the break, by what customers met."""
    services: Sequence[Mapping[str, Any]] = ()
    """Rows of the engine's `/services`."""
    steps: Sequence[Mapping[str, Any]] = ()
    """Steps of the engine's plan that haven't begun."""
    running: Mapping[str, str] = field(default_factory=dict)
    """By component: what its run does now."""
    customers: Mapping[str, Outage] = field(default_factory=dict)


class Screen(Protocol):
    """Where the demo is told."""

    def say(self, text: str, *, at: float | None = None, style: str = "") -> None:
        """One line for something that happened, `at` seconds after the start."""

    def show(self, picture: Picture) -> None:
        """The state of things."""

    def close(self) -> None:
        """Nothing moves any more."""

    def table(self, table: Table) -> None:
        """A result."""


class Plain:
    """Lines, for pipes and logs."""

    def __init__(self, console: Console) -> None:
        self._console = console

    def say(self, text: str, *, at: float | None = None, style: str = "") -> None:  # noqa: ARG002 - colours are for terminals
        self._console.print(_line(text, at), soft_wrap=True)

    def show(self, picture: Picture) -> None:
        """Lines have told it already."""

    def close(self) -> None:
        return

    def table(self, table: Table) -> None:
        self._console.print(table)


class Moving:
    """A picture that is drawn anew four times a second, with the latest lines below it."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._lines: deque[Text] = deque(maxlen=_LINES)
        self._all: list[Text] = []
        self._picture = Picture()
        self._live: Live | None = None

    def say(self, text: str, *, at: float | None = None, style: str = "") -> None:
        line = Text(_line(text, at), style=style, overflow="ellipsis", no_wrap=True)
        if self._live is None:
            self._console.print(line)
        self._lines.append(line)
        self._all.append(line)
        self._draw()

    def show(self, picture: Picture) -> None:
        self._picture = picture
        if self._live is None:
            self._live = Live(console=self._console, auto_refresh=False, transient=True)
            self._live.start()
            self._lines.clear()
            self._all.clear()
        self._draw()

    def close(self) -> None:
        if self._live is None:
            return
        self._live.stop()
        self._live = None
        for line in self._all:
            self._console.print(line)

    def table(self, table: Table) -> None:
        self._console.print(table)

    def _draw(self) -> None:
        if self._live is not None:
            self._live.update(Group(_head(self._picture), _services(self._picture), _plan(self._picture), *self._lines))
            self._live.refresh()


def screen_for(console: Console) -> Screen:
    """What suits `console`."""
    return Moving(console) if console.is_terminal else Plain(console)


def _line(text: str, at: float | None) -> str:
    return f"[{at:5.1f}s] {text}" if at is not None else text


def _head(picture: Picture) -> Text:
    bad = picture.loss_per_minute > 0
    return Text.assemble(
        (f"{picture.elapsed_s:5.1f} s  ", "bold"),
        (f"{picture.loss_per_minute:8.2f} {picture.currency}/min now  ", "bold red" if bad else "green"),
        (f"{picture.lost:7.2f} {picture.currency} lost so far  ", "bold"),
        (f"goal {picture.goal}", "cyan"),
    )


def _services(picture: Picture) -> Table:
    table = Table(box=None, padding=(0, 2))
    for title in ("service", "state", "loss/min", "causes", "customers"):
        table.add_column(title, justify="right" if title == "loss/min" else "left")
    for row in sorted(picture.services, key=lambda one: str(one["id"])):
        outage = picture.customers.get(row["id"], Outage())
        table.add_row(
            row["id"],
            Text(row["state"], style=_STYLE_OF_STATE.get(row["state"], "")),
            f"{row['loss_per_minute']:.2f}",
            ", ".join(row["causes"]),
            _customers(outage),
        )
    return table


def _customers(outage: Outage) -> Text:
    if outage.is_served:
        return Text("served", style="green")
    return Text(f"turned away: {outage.error}"[:60], style="red")


def _plan(picture: Picture) -> Table:
    table = Table(box=None, padding=(0, 2), expand=False)
    for title in ("", "component", "playbook", "why"):
        table.add_column(title, overflow="ellipsis", no_wrap=title != "why")
    for component, doing in picture.running.items():
        table.add_row("▶", Text(component, style="bold yellow"), doing, "")
    for step in picture.steps:
        table.add_row(str(step["order"]), step["component"], step["playbook"], step["reason"])
    return table
