"""How long restorations took, told beside the part that Prometheus and Alertmanager took."""

from __future__ import annotations

_LINE = "{:<28} {:>9} {:>9} {:>9} {:>9} {:>11}"


class Stopwatch:
    """Collects times, and prints them as a table."""

    def __init__(self) -> None:
        self._rows: list[str] = []

    def note(self, what: str, *, told: float, started: float, serving: float, verified: float) -> None:
        """Seconds since the kill: `told`: the engine had the webhook; `started`: its playbook; `serving`: it works."""
        seconds = [f"{one:.1f}" for one in (told, started, serving, verified)]
        self._rows.append(_LINE.format(what, *seconds, f"{told / serving:.0%}"))

    def table(self) -> list[str]:
        """Lines for people; none when nothing was noted."""
        head = _LINE.format("killed", "told", "started", "serving", "verified", "told/serving")
        return [head, *self._rows] if self._rows else []
