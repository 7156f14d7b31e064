"""The journal's seal: every entry has its final place and an HMAC over itself and the entry before (DESIGN 8).

Whoever lacks the key can neither change, delete, insert nor move an entry unseen; where the tail was cut is seen by a
mark that was noted elsewhere.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

SHORTEST_KEY = 32
"""Characters."""
_KEY_ID_LENGTH = 8


class Entry(NamedTuple):
    """One sealed entry, exactly as it is stored; what was tampered with may hold anything."""

    position: int
    """Its final place, from 1, without gaps."""
    row: int
    """Number of its row, in the order of writing."""
    at: float
    """Unix seconds."""
    kind: str
    subject: str
    actor: str
    facts: str
    """The JSON text."""
    link: str
    """`KEY:HMAC`, both in hex; KEY is the id of the key."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Mark:
    """A place in the chain: an entry's position and link. 0 is before the first entry."""

    position: int = 0
    link: str = ""

    def __str__(self) -> str:
        return f"{self.position}:{self.link}"

    @classmethod
    def of(cls, text: str) -> Mark:
        """What `str` made of one. Raises `ValueError`."""
        position, _, link = text.strip().partition(":")
        key, _, code = link.partition(":")
        if not position.isdecimal() or int(position) < 1 or len(key) != _KEY_ID_LENGTH or len(code) != 64:
            raise ValueError(f"'{text}' is no mark of the journal, like 4711:1f0c…:9a3e…")
        return cls(position=int(position), link=link)


@dataclass(frozen=True, kw_only=True, slots=True)
class Seals:
    """How far the journal is sealed, and from where on it is kept."""

    begin: Mark
    """The last entry that retention has dropped."""
    begin_proof: str
    """By whoever dropped it: nobody else can move the begin."""
    head: Mark
    """The last sealed entry."""
    waiting: int
    """How many entries are written but not sealed yet."""


_CANONICAL = json.JSONEncoder(ensure_ascii=False, sort_keys=True, separators=(",", ":"), default=repr)


def canonical(entry: Entry, previous: str) -> bytes:
    """What is sealed: JSON with sorted keys and without spaces, the facts as the text that is stored. `entry.link` has
    no part in it.
    """
    content = {
        "actor": entry.actor,
        "at": entry.at,
        "facts": entry.facts,
        "kind": entry.kind,
        "position": entry.position,
        "previous": previous,
        "row": entry.row,
        "subject": entry.subject,
    }
    return _CANONICAL.encode(content).encode("utf-8", "surrogatepass")


class SealKey:
    """A secret that seals. Shows only its id, which says nothing about it."""

    __slots__ = ("_secret", "id")

    def __init__(self, secret: str) -> None:
        """Raises `ValueError` when it is too short to be one."""
        if len(secret) < SHORTEST_KEY:
            raise ValueError(f"a key has at least {SHORTEST_KEY} characters, this one has {len(secret)}")
        self._secret = secret.encode()
        self.id = hmac.new(self._secret, b"bsm-remediate journal key", hashlib.sha256).hexdigest()[:_KEY_ID_LENGTH]

    def __repr__(self) -> str:
        return f"SealKey({self.id})"

    def link(self, entry: Entry, previous: str) -> str:
        """The link of `entry` after the one whose link is `previous`."""
        return f"{self.id}:{hmac.digest(self._secret, canonical(entry, previous), 'sha256').hex()}"

    def proof(self, begin: Mark) -> str:
        """Shows that whoever made `begin` the begin of the journal had the key."""
        text = _CANONICAL.encode({"dropped_through": begin.position, "link": begin.link})
        return f"{self.id}:{hmac.digest(self._secret, text.encode(), 'sha256').hex()}"


class Keyring:
    """The key in use and those that were."""

    def __init__(self, keys: Iterable[SealKey]) -> None:
        """The first one seals, all verify. Raises `ValueError` without any."""
        found = tuple(keys)
        if not found:
            raise ValueError("there is no key")
        self.current = found[0]
        self._keys: Mapping[str, SealKey] = {key.id: key for key in found}

    @classmethod
    def of(cls, text: str) -> Keyring:
        """One key a line; empty lines and those that begin with # don't count. Raises `ValueError`."""
        lines = (line.strip() for line in text.splitlines())
        return cls(SealKey(line) for line in lines if line and not line.startswith("#"))

    def of_link(self, link: str) -> SealKey | None:
        """The key that made `link`, by its own word."""
        return self._keys.get(link.partition(":")[0])

    def vouches(self, begin: Mark, proof: str) -> bool:
        """Whether the journal may begin after `begin`."""
        if begin == Mark():
            return True
        key = self.of_link(proof)
        return key is not None and is_same(key.proof(begin), proof)


def is_same(one: str, other: object) -> bool:
    """In constant time; false for what is no text."""
    return isinstance(other, str) and hmac.compare_digest(one.encode(), other.encode("utf-8", "surrogatepass"))
