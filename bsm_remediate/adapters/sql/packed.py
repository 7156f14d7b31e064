"""Labels and annotations as the database keeps them, unpacked only where somebody looks: in a storm most are held, and
few are read again.
"""

from __future__ import annotations

from collections.abc import ItemsView, Iterator, Mapping

import orjson


def packed(texts: Mapping[str, str]) -> str:
    """`texts` as the database keeps them."""
    return texts.packed if isinstance(texts, PackedTexts) else orjson.dumps(texts).decode()


class PackedTexts(Mapping[str, str]):
    """A mapping of text to text, held as JSON. Immutable."""

    __slots__ = ("packed",)

    def __init__(self, packed: str) -> None:
        self.packed = packed

    def _unpacked(self) -> dict[str, str]:
        found: dict[str, str] = orjson.loads(self.packed)
        return found

    def __getitem__(self, name: str) -> str:
        return self._unpacked()[name]

    def __contains__(self, name: object) -> bool:
        # A name that isn't in the text is no key; most that are asked for aren't.
        return isinstance(name, str) and name in self.packed and name in self._unpacked()

    def __iter__(self) -> Iterator[str]:
        return iter(self._unpacked())

    def __len__(self) -> int:
        return len(self._unpacked())

    def items(self) -> ItemsView[str, str]:
        return self._unpacked().items()

    def __repr__(self) -> str:
        return repr(self._unpacked())
