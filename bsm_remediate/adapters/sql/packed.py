"""Labels and annotations as the database keeps them, unpacked only where somebody looks: in a storm most are held, and
few are read again.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import ItemsView, Iterator, Mapping

import orjson


def packed(texts: Mapping[str, str]) -> str:
    """`texts` as the database keeps them."""
    return texts.packed if isinstance(texts, Texts) else orjson.dumps(texts).decode()


class Texts(Mapping[str, str]):
    """A mapping of text to text that is JSON somewhere. Immutable."""

    __slots__ = ()

    @property
    @abstractmethod
    def packed(self) -> str:
        """All of it as JSON."""

    def _unpacked(self) -> dict[str, str]:
        found: dict[str, str] = orjson.loads(self.packed)
        return found

    def __getitem__(self, name: str) -> str:
        return self._unpacked()[name]

    def __contains__(self, name: object) -> bool:
        if isinstance(name, str) and name.isidentifier() and name not in self.packed:
            return False  # as most that are asked for: no need to unpack
        return name in self._unpacked()

    def __iter__(self) -> Iterator[str]:
        return iter(self._unpacked())

    def __len__(self) -> int:
        return len(self._unpacked())

    def items(self) -> ItemsView[str, str]:
        return self._unpacked().items()

    def __repr__(self) -> str:
        return repr(self._unpacked())


class PackedTexts(Texts):
    """Held in memory."""

    __slots__ = ("_packed",)

    def __init__(self, packed: str) -> None:
        self._packed = packed

    @property
    def packed(self) -> str:
        return self._packed
