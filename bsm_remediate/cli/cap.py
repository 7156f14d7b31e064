"""The cap on an engine (`serve --max-mode`), in words: everything that shows decisions says it first."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console


def cap_text(max_mode: str) -> str:
    """What `max_mode` keeps policies from doing; empty where nothing is capped."""
    if max_mode == "auto":
        return ""
    meaning = "it looks and tells, and never acts" if max_mode == "shadow" else "a person approves every run"
    return f"No policy goes further than {max_mode} on this engine (--max-mode): {meaning}."


def show_cap(console: Console, max_mode: str) -> None:
    """A line of its own, where something is capped."""
    text = cap_text(max_mode)
    if text:
        console.print(f"[yellow]{text}[/]\n")
