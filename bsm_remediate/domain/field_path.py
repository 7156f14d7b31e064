"""Places in a JSON document, as people write them: `data.events`, `targets.0.name`, `matches.*.tags`."""

from __future__ import annotations

import re
from typing import Any

FieldPath = tuple[str, ...]
"""The steps from a value to one inside it."""

EVERY = "*"
"""The step to all members of a list: what they agree on counts, and nothing where they differ."""

_STEP = re.compile(r'"([^"]+)"|([^.\s"]+)')
_LONGEST = 200


def parse_field_path(text: str) -> FieldPath:
    """The steps of `text`; a name that has dots itself stands in quotes. Raises `ValueError`.

    >>> parse_field_path('data."check.name".0')
    ('data', 'check.name', '0')
    """
    steps: list[str] = []
    position = 0
    while len(text) <= _LONGEST and (found := _STEP.match(text, position)) is not None:
        steps.append(found[1] or found[2])
        position = found.end()
        if position == len(text):
            return tuple(steps)
        if text[position] != ".":
            break
        position += 1
    raise ValueError(f"'{text[:80]}' is no path like data.events, targets.0.name or \"check.name\".state")


def find(value: Any, path: FieldPath) -> Any:
    """What stands at `path` inside `value`; None where there is nothing.

    >>> find({"targets": [{"name": "db-1"}, {"name": "db-1"}]}, ("targets", "*", "name"))
    'db-1'
    """
    for number, step in enumerate(path):
        if step == EVERY:
            rest = path[number + 1 :]
            return _agreed([find(one, rest) for one in value]) if isinstance(value, list) else None
        if isinstance(value, dict):
            value = value.get(step)
        elif isinstance(value, list) and step.isdecimal() and int(step) < len(value):
            value = value[int(step)]
        else:
            return None
    return value


def _agreed(values: list[Any]) -> Any:
    """What all `values` have in common: the value itself, of objects the equal members."""
    if not values:
        return None
    first, others = values[0], values[1:]
    if isinstance(first, dict):
        return {name: one for name, one in first.items() if all(_same(one, _member(other, name)) for other in others)}
    return first if all(_same(first, other) for other in others) else None


def _member(value: Any, name: str) -> Any:
    return value.get(name) if isinstance(value, dict) else None


def _same(one: Any, other: Any) -> bool:
    # Only plain values: comparing what is nested a thousand deep would exhaust the stack.
    return type(one) is type(other) and isinstance(one, str | int | float) and bool(one == other)
