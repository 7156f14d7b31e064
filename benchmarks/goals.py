"""How the benchmarks say what was measured beside what is wanted; `all.py` gathers these lines."""

from __future__ import annotations

MARK = "=>"


def told(what: str, measured: str, goal: str, *, met: bool) -> None:
    """One line: what, the figure, the goal, and whether it is met."""
    print(f"{MARK} {what} | {measured} | {goal} | {'met' if met else 'not met'}")
