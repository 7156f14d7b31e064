"""Labels and annotations that stay in the database until somebody looks: in a storm very many alerts are held, and few
are read again. Rows of changes never change, so that what is read later is what was there.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import orjson

from bsm_remediate.adapters.sql.database import Database
from bsm_remediate.adapters.sql.packed import Texts
from bsm_remediate.errors import StoreUnavailable

_BLOCK = 128
"""Positions read together: who reads alerts one after the other, as they came, pays little for each."""
_MOST_BLOCKS = 16
"""Blocks that are remembered; then it begins anew, so memory stays flat."""
_MOST_FRESH = 5_000
"""Rows that are remembered from when they were found to have changed: who holds them will look right away."""
_QUERIES = {
    "sqlite": "SELECT json_group_array(json_array(position, labels, annotations)) FROM bsm_alert_change"
    " WHERE position >= ? AND position < ?",
    "postgresql": "SELECT coalesce(json_agg(json_build_array(position, labels, annotations)), '[]')::text"
    " FROM bsm_alert_change WHERE position >= ? AND position < ?",
}
"""One row: for each the driver lets other threads run, and in a storm those are in no hurry to hand back."""

_Row = tuple[str, str]
"""Labels and annotations as JSON."""


class StoredTexts(Texts):
    """Read when looked at. Raises `StoreUnavailable` then."""

    __slots__ = ("_position", "_read")

    def __init__(self, read: Callable[[int], str], position: int) -> None:
        self._read = read
        self._position = position

    @property
    def packed(self) -> str:
        return self._read(self._position)


class TextReader:
    """The texts of changes by their positions. Safe to use from any thread."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._fresh: dict[int, _Row] = {}
        self._blocks: dict[int, dict[int, _Row]] = {}

    def at(self, position: int) -> tuple[Texts, Texts]:
        """Labels and annotations of that change."""
        return StoredTexts(self._labels, position), StoredTexts(self._annotations, position)

    def _labels(self, position: int) -> str:
        return self._row(position)[0]

    def _annotations(self, position: int) -> str:
        return self._row(position)[1]

    def remember(self, rows: Mapping[int, _Row]) -> None:
        """Rows that were read anyway, by position."""
        kept = self._fresh if len(self._fresh) + len(rows) <= _MOST_FRESH else {}
        self._fresh = {**kept, **rows}

    def _row(self, position: int) -> _Row:
        number = position // _BLOCK
        row = self._fresh.get(position) or self._blocks.get(number, {}).get(position)
        if row is None:  # not read yet, or written since
            block = self._block(number)
            if len(self._blocks) >= _MOST_BLOCKS:
                self._blocks.clear()
            self._blocks[number] = block
            row = block.get(position)
        if row is None:
            raise StoreUnavailable(f"change {position} of an alert is no longer in the database")
        return row

    def _block(self, number: int) -> dict[int, _Row]:
        first = number * _BLOCK
        with self._database.read() as connection:
            query = _QUERIES[connection.dialect.name]
            rows = connection.exec_driver_sql(query, (first, first + _BLOCK)).scalar_one()
        return {position: (labels, annotations) for position, labels, annotations in orjson.loads(rows)}
