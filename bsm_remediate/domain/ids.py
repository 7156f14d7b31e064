"""Names that are not interchangeable though all are text."""

from __future__ import annotations

from datetime import datetime
from typing import NewType

NodeId = NewType("NodeId", str)
"""Id of a component, a service or a component set; the three share one namespace (DESIGN 4)."""
PolicyId = NewType("PolicyId", str)
RunId = NewType("RunId", str)
ChangeId = NewType("ChangeId", str)
"""Of one planned change that was proposed; its name in the bundle is text."""
Fingerprint = NewType("Fingerprint", str)
Digest = NewType("Digest", str)
"""sha256 of what it stands for, as `sha256:<64 hex digits>`."""


def aware(moment: datetime, what: str = "time") -> datetime:
    """`moment` itself; raises `ValueError` without a time zone, since naive times mean something else each summer."""
    if moment.tzinfo is None:
        raise ValueError(f"{what} {moment.isoformat()} has no time zone")
    return moment
