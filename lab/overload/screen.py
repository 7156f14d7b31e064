"""How the overload is shown: a picture that moves on a terminal, plain lines elsewhere."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from lab.overload.customers import FAILED, TURNED_AWAY
from lab.overload.scenario import GOOD, MOST, TIDE, WEBS
from lab.overload.watching import Moment, Server

_LINES = 12
_BAR = 24
_PLAIN_EVERY_S = 5.0


class Plain:
    """Lines, for pipes and logs."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._next_s = 0.0

    def say(self, text: str, *, at: float | None = None, style: str = "") -> None:  # noqa: ARG002 - colours are for terminals
        self._console.print(_line(text, at), soft_wrap=True, markup=False)

    def show(self, moments: Mapping[str, Moment]) -> None:
        """A line for each shop now and then."""
        at_s = max(moment.at_s for moment in moments.values())
        if at_s < self._next_s:
            return
        self._next_s = at_s + _PLAIN_EVERY_S
        for name, moment in moments.items():
            loads = "  ".join(f"{web} {_load(one)}" for web, one in moment.servers.items())
            self.say(f"{name}: requests/s {loads}; losing {moment.loss_per_minute:.0f} EUR/min", at=at_s)

    def close(self) -> None:
        return

    def table(self, table: Table) -> None:
        self._console.print(table)


class Moving:
    """Both shops side by side, drawn anew twice a second, with what happened below."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._all: list[Text] = []
        self._lines: deque[Text] = deque(maxlen=_LINES)
        self._moments: Mapping[str, Moment] = {}
        self._live: Live | None = None

    def say(self, text: str, *, at: float | None = None, style: str = "") -> None:
        line = Text(_line(text, at), style=style, overflow="ellipsis", no_wrap=True)
        if self._live is None:
            self._console.print(line)
            return
        self._lines.append(line)
        self._all.append(line)

    def show(self, moments: Mapping[str, Moment]) -> None:
        self._moments = moments
        if self._live is None:
            self._live = Live(console=self._console, auto_refresh=False, transient=True)
            self._live.start()
        self._live.update(Group(_head(moments), _servers(moments), _services(moments), *self._lines))
        self._live.refresh()

    def close(self) -> None:
        if self._live is None:
            return
        self._live.stop()
        self._live = None
        for line in self._all:
            self._console.print(line)

    def table(self, table: Table) -> None:
        self._console.print(table)


def screen_for(console: Console) -> Plain | Moving:
    """What suits `console`."""
    return Moving(console) if console.is_terminal else Plain(console)


def _line(text: str, at: float | None) -> str:
    return f"[{at:5.1f}s] {text}" if at is not None else text


def _load(server: Server) -> str:
    waiting = f" +{server.queue} wait" if server.queue else ""
    return f"{server.rate:.0f}{waiting}" if server.is_alive else "dead"


def _head(moments: Mapping[str, Moment]) -> Text:
    at_s = max(moment.at_s for moment in moments.values())
    wanted = ", ".join(f"{TIDE.rate(service, at_s):.0f} {service}" for service in TIDE.services)
    limits = f"each web server serves {GOOD} well and {MOST:.0f} at most"
    return Text(f"{at_s:5.1f} s   requests a second: {wanted}; {limits}", style="bold")


def _servers(moments: Mapping[str, Moment]) -> Table:
    table = Table(box=None, padding=(0, 2))
    table.add_column("")
    for name in moments:
        table.add_column(name, min_width=_BAR + 14)
        table.add_column("weight", justify="right")
    for web in WEBS:
        cells: list[Text | str] = [web]
        for moment in moments.values():
            server = moment.servers[web]
            cells += [_bar(server), f"{server.weight:.0%}"]
        table.add_row(*cells)
    return table


def _bar(server: Server) -> Text:
    if not server.is_alive:
        return Text("has fallen over", style="bold red")
    share = server.rate / MOST
    colour = "red" if share > 1 else "yellow" if server.rate > GOOD else "green"
    full = min(round(share * _BAR), _BAR)
    return Text.assemble(("█" * full, colour), ("░" * (_BAR - full), "dim"), f" {_load(server)}")


def _services(moments: Mapping[str, Moment]) -> Table:
    table = Table(box=None, padding=(0, 2))
    table.add_column("")
    for _ in moments:
        table.add_column("failed", justify="right", min_width=10)
        table.add_column("turned away", justify="right", min_width=10)
        table.add_column("EUR/min", justify="right", min_width=10)
    for number, service in enumerate(TIDE.services):
        cells: list[Text | str] = [service]
        for moment in moments.values():
            counts = moment.customers[service]
            loss = f"{moment.loss_per_minute:.0f}" if number == 0 else ""
            cells += [Text(str(counts[FAILED]), style="bold red" if counts[FAILED] else "green")]
            cells += [str(counts[TURNED_AWAY]), loss]
        table.add_row(*cells)
    return table
