"""On what terms a source's webhooks are taken: what they may say of their content, and what shows who sent them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Signed:
    """A request that is signed with one of our secrets."""

    delivery: str = ""
    """By which its sender knows it, so that a repeat can be told; empty where the scheme has none."""


class Signature(Protocol):
    """How a source signs. Header names are in small letters; comparing takes as long for a wrong as for a right one."""

    def is_claimed(self, headers: Mapping[bytes, bytes], now: datetime) -> bool:
        """Whether it is worth reading the body: a signature is there, and not too old."""

    def verify(self, headers: Mapping[bytes, bytes], body: bytes, now: datetime) -> Signed | None:
        """What it says; None: it is not by one of our secrets."""


@dataclass(frozen=True, kw_only=True)
class Terms:
    """Of one source."""

    content_types: frozenset[bytes] = frozenset({b"application/json"})
    signature: Signature | None = None
    """It is the credential then; None: a token is."""


USUAL = Terms()
