"""Times and goals as options."""

from __future__ import annotations

import difflib
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from bsm_remediate.domain.ids import NodeId
from bsm_remediate.errors import UnknownId, WrongUsage

if TYPE_CHECKING:
    from bsm_remediate.domain.bundle import Bundle


def parse_moment(text: str | None) -> datetime:
    """The moment that `--at` means (RFC 3339; without a zone it is UTC); now without it. Raises `WrongUsage`."""
    if text is None:
        return datetime.now(UTC)
    try:
        moment = datetime.fromisoformat(text)
        return (moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        raise WrongUsage(f"'{text}' is no time", hint="write it like 2026-01-05T09:00:00Z") from None


def known_goal(bundle: Bundle, name: str) -> str:
    """`name`, if the bundle has that goal. Raises `UnknownId`."""
    if name not in bundle.goals:
        raise UnknownId(f"there is no goal '{name}'", hint=f"there are {', '.join(sorted(bundle.goals))}")
    return name


def known_node(bundle: Bundle, name: str) -> NodeId:
    """`name` as the id of a component or service. Raises `UnknownId` with the nearest right name."""
    if name in bundle.service_map:
        return NodeId(name)
    names = [*bundle.service_map.components, *bundle.service_map.services]
    near = difflib.get_close_matches(name, names, 1)
    hint = f"did you mean '{near[0]}'?" if near else None
    raise UnknownId(f"there is no component or service '{name}'", hint=hint)
