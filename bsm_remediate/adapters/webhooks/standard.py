"""Signatures by Standard Webhooks, for every source that has no scheme of its own.

Source: https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
"""

from __future__ import annotations

import base64
import binascii
import hmac
import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from hashlib import sha256

from bsm_remediate.adapters.webhooks.terms import Signed

ID, TIMESTAMP, SIGNATURE = b"webhook-id", b"webhook-timestamp", b"webhook-signature"
TOLERANCE_S = 300
_PREFIX = "whsec_"
_SHORTEST, _LONGEST = 24, 64
_MOST_SIGNATURES = 20
# Without a dot, which would make the signed text ambiguous.
_ID_FORM = re.compile(rb"[!-\-/-~]{1,256}")
_TIMESTAMP_FORM = re.compile(rb"[0-9]{1,12}")


class StandardWebhooks:
    """Implements `Signature` with secrets like `whsec_…`, several while they are exchanged."""

    def __init__(self, secrets: Sequence[str]) -> None:
        """Raises `ValueError` for a secret that is none."""
        self._keys = [_key(secret) for secret in secrets]

    def is_claimed(self, headers: Mapping[bytes, bytes], now: datetime) -> bool:
        timestamp = headers.get(TIMESTAMP, b"")
        if not _TIMESTAMP_FORM.fullmatch(timestamp) or not _ID_FORM.fullmatch(headers.get(ID, b"")):
            return False
        return SIGNATURE in headers and abs(now.timestamp() - int(timestamp)) <= TOLERANCE_S

    def verify(self, headers: Mapping[bytes, bytes], body: bytes, now: datetime) -> Signed | None:
        if not self.is_claimed(headers, now):
            return None
        delivery = headers[ID]
        text = b".".join((delivery, headers[TIMESTAMP], body))
        wanted = [b"v1," + base64.b64encode(hmac.new(key, text, sha256).digest()) for key in self._keys]
        given = headers[SIGNATURE].split()[:_MOST_SIGNATURES]
        # All are compared, so that the time it takes doesn't tell which was the right one.
        fits = sum(hmac.compare_digest(one, other) for one in given for other in wanted)
        return Signed(delivery.decode("ascii")) if fits else None


def _key(secret: str) -> bytes:
    try:
        key = base64.b64decode(secret.removeprefix(_PREFIX), validate=True)
    except (binascii.Error, ValueError):
        raise ValueError(f"must be {_PREFIX} and base64") from None
    if not _SHORTEST <= len(key) <= _LONGEST:
        raise ValueError(f"must hold {_SHORTEST} to {_LONGEST} bytes, not {len(key)}: `openssl rand -base64 32`")
    return key
