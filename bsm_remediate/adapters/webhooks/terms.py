"""On what terms a source's webhooks are taken: what they may say of their content, and what shows who sent them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

Signature = Callable[[Sequence[str], Mapping[bytes, bytes], bytes], bool]
"""Secrets, headers (names in small letters) and body of a request → whether it is signed with one of the secrets."""


@dataclass(frozen=True, kw_only=True)
class Terms:
    """Of one source."""

    content_types: frozenset[bytes] = frozenset({b"application/json"})
    is_signed: Callable[[Mapping[bytes, bytes], bytes], bool] | None = None
    """Says of headers and body whether they are signed, which is the credential then; None: a token is."""

    def signed(self, signature: Signature, secrets: Sequence[str]) -> Terms:
        """The same, but the sender signs with one of `secrets`."""
        return replace(self, is_signed=lambda headers, body: signature(secrets, headers, body))


USUAL = Terms()
