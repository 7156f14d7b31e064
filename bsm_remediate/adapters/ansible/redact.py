"""Known secret values, taken out of everything that is shown or kept."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

_SHORTEST = 4
"""Shorter values would redact half of every text."""
_INSTEAD = "<redacted>"


class Redactor:
    """Replaces secret values wherever they stand, also escaped inside JSON."""

    def __init__(self, secrets: Iterable[str]) -> None:
        known = {form for secret in secrets if len(secret) >= _SHORTEST for form in _forms(secret)}
        longest_first = sorted(known, key=len, reverse=True)
        self._known = re.compile("|".join(map(re.escape, longest_first))) if known else None

    def __call__(self, text: str) -> str:
        return self._known.sub(_INSTEAD, text) if self._known is not None else text

    def clean_files(self, folder: Path) -> None:
        """Rewrite the files below `folder` that hold a secret."""
        if self._known is None:
            return
        for path in folder.rglob("*"):
            if path.is_symlink() or not path.is_file():
                continue
            text = path.read_text(encoding="utf-8", errors="surrogateescape")
            cleaned = self(text)
            if cleaned != text:
                path.write_text(cleaned, encoding="utf-8", errors="surrogateescape")


def _forms(secret: str) -> Iterator[str]:
    """As it is, and as it looks in JSON, and in JSON that is a text of JSON (Ansible's output inside an event)."""
    for _ in range(3):
        yield secret
        secret = json.dumps(secret)[1:-1]
