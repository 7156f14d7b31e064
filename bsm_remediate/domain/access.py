"""Who may do what: roles, and the tokens that show them (DESIGN 7)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from bsm_remediate.domain.ids import aware


class Role(StrEnum):
    """From the least to the most. Of people each may do what the one before may; `webhook` is for senders."""

    WEBHOOK = "webhook"
    VIEWER = "viewer"
    OPERATOR = "operator"
    APPROVER = "approver"
    ADMIN = "admin"


POST_ALERTS = frozenset({Role.WEBHOOK, Role.ADMIN})
"""Not everybody above `webhook`: who may look at alerts should not be able to make them up."""
READ = frozenset({Role.VIEWER, Role.OPERATOR, Role.APPROVER, Role.ADMIN})
OPERATE = READ - {Role.VIEWER}
APPROVE = OPERATE - {Role.OPERATOR}
ADMINISTER = frozenset({Role.ADMIN})


@dataclass(frozen=True, kw_only=True, slots=True)
class Identity:
    """Who asks, as a token shows it."""

    name: str
    role: Role
    sources: frozenset[str] = frozenset()
    """Whose webhooks it may post; empty: all."""
    token: str = ""
    """Id of the issued token; empty for those of the settings."""

    def may_post(self, source: str) -> bool:
        return self.role in POST_ALERTS and (not self.sources or source in self.sources)


@dataclass(frozen=True, kw_only=True, slots=True)
class IssuedToken:
    """A token of `token create`; the secret itself is known to its holder only."""

    id: str
    name: str
    role: Role
    sources: frozenset[str] = frozenset()
    created_at: datetime
    created_by: str
    last_used_at: datetime | None = None
    """To the minute."""
    expires_at: datetime | None = None
    """None: it holds until it is revoked."""
    revoked_at: datetime | None = None

    def __post_init__(self) -> None:
        for moment in (self.created_at, self.last_used_at, self.expires_at, self.revoked_at):
            if moment is not None:
                aware(moment)

    def holds(self, now: datetime) -> bool:
        return self.revoked_at is None and (self.expires_at is None or now < self.expires_at)

    def state(self, now: datetime) -> str:
        """`valid`, `expired` or `revoked`."""
        return "revoked" if self.revoked_at is not None else "valid" if self.holds(now) else "expired"

    @property
    def identity(self) -> Identity:
        return Identity(name=self.name, role=self.role, sources=self.sources, token=self.id)


TokensByDigest = Mapping[str, IssuedToken]
"""By the SHA-256 of the secret, in hexadecimal digits."""
