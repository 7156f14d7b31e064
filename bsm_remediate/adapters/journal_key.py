"""The file with the keys of the journal's seal."""

from __future__ import annotations

import os
import secrets
from contextlib import suppress
from pathlib import Path

from bsm_remediate.domain.seal import SHORTEST_KEY, Keyring
from bsm_remediate.errors import WrongUsage

_HINT = f"one key a line, of {SHORTEST_KEY} characters or more: openssl rand -hex 32"


def read_keys(file: Path) -> Keyring:
    """The keys in `file`. Raises `WrongUsage`."""
    try:
        return Keyring.of(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise WrongUsage(
            f"the journal's key {file} cannot be read: {error.strerror}", hint="set BSM_JOURNAL_KEY_FILE"
        ) from error
    except ValueError as error:
        raise WrongUsage(f"the journal's key {file}: {error}", hint=_HINT) from error


def make_key(file: Path) -> None:
    """A new key in `file`, which only its owner can read; nothing where there is one. Raises `WrongUsage`.

    It is there whole or not at all, and after a power loss as well: without it nothing sealed could be verified.
    """
    if file.exists():
        return
    draft = file.with_name(f"{file.name}.{secrets.token_hex(4)}")
    try:
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "w", encoding="ascii") as opened:
            opened.write(f"{secrets.token_hex(32)}\n")
            opened.flush()
            os.fsync(opened.fileno())
        with suppress(FileExistsError):  # another process was faster: its key counts
            os.link(draft, file)
        draft.unlink()
        folder = os.open(file.parent, os.O_RDONLY | os.O_CLOEXEC)
        os.fsync(folder)
        os.close(folder)
    except OSError as error:
        raise WrongUsage(f"the journal's key {file} cannot be made: {error.strerror}") from error
