"""Which signed webhooks were taken lately, for all replicas."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection, text

from bsm_remediate.records import Delivered

_KEPT_S = 660.0
"""A little longer than a signature counts: up to five minutes before its time, and five after it."""
# What is in it already stays as it is.
_REMEMBER = text(
    "INSERT INTO bsm_delivery (source, id, received_at) VALUES (:source, :id, :received_at)"
    " ON CONFLICT (source, id) DO NOTHING"
)
_FORGET = text("DELETE FROM bsm_delivery WHERE received_at < :before")
_KNOWN = text("SELECT 1 FROM bsm_delivery WHERE source = :source AND id = :id")


def remember(connection: Connection, deliveries: Sequence[Delivered]) -> None:
    """In the caller's transaction; those that no longer matter go."""
    latest = max(one.received_at.timestamp() for one in deliveries)
    connection.execute(_FORGET, {"before": latest - _KEPT_S})
    connection.execute(
        _REMEMBER,
        [{"source": one.source, "id": one.id, "received_at": one.received_at.timestamp()} for one in deliveries],
    )


def is_known(connection: Connection, source: str, delivery: str) -> bool:
    return connection.execute(_KNOWN, {"source": source, "id": delivery}).first() is not None
