"""PromQL with facts in it: a fact is part of a text in quotes and can never become anything else.

Where each `{{ … }}` stands is found once, when the bundle is read: within quotes its value is escaped, as the operand
of `=~` and `!~` as a literal of the regular expression too. Elsewhere only a number can stand.
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import StrEnum
from functools import cache

from jinja2 import nodes

from bsm_remediate.config.expression import ComponentTemplate, filled, parsed_component_template
from bsm_remediate.errors import InvalidExpression

_NUMBERS = frozenset({"int", "float", "round", "length", "abs"})
"""Filters whose result is a number, whatever goes in."""
_META = frozenset("\\.+*?()|[]{}^$")


class _Where(StrEnum):
    """What the text around a fact is."""

    OUTSIDE = "outside"
    TEXT = "text"
    PATTERN = "pattern"
    RAW = "raw"
    COMMENT = "comment"


_FILTER = {_Where.TEXT: "promql_text", _Where.PATTERN: "promql_pattern"}


@cache
def compile_promql(source: str) -> ComponentTemplate:
    """The expression that `source` means, over `component`. Raises `InvalidExpression`."""
    tree = parsed_component_template(source)
    reader = _Reader()
    for output in tree.body:
        pieces = getattr(output, "nodes", [])
        for number, piece in enumerate(pieces):
            if isinstance(piece, nodes.TemplateData):
                reader.read(piece.data)
            else:
                pieces[number] = _guarded(piece, reader.where, source)
    if reader.where not in {_Where.OUTSIDE, _Where.COMMENT}:
        raise InvalidExpression(f"'{source}': a quote isn't closed")
    return filled(source, tree, {"promql_text": text_literal, "promql_pattern": pattern_literal})


def text_literal(value: object) -> str:
    """`value` as it stands within the quotes of a text, whichever quotes these are.

    By code, since Go takes an escaped quote only within quotes of that kind.
    """
    return "".join(_escaped(char) for char in str(value))


def pattern_literal(value: object) -> str:
    """`value` as it stands in a regular expression that only it fits, within quotes."""
    return text_literal("".join(f"\\{char}" if char in _META else char for char in str(value)))


def _escaped(char: str) -> str:
    if char in "\"'`\\" or not char.isprintable():
        return "\\uFFFD" if "\ud800" <= char <= "\udfff" else f"\\U{ord(char):08X}"
    return char


def _guarded(piece: nodes.Expr, where: _Where, source: str) -> nodes.Expr:
    """`piece` so that it can't mean more than it should. Raises `InvalidExpression` where it could."""
    if where in _FILTER:
        return nodes.Filter(piece, _FILTER[where], [], [], None, None, lineno=piece.lineno)
    if where is _Where.OUTSIDE and isinstance(piece, nodes.Filter) and piece.name in _NUMBERS:
        return piece
    raise InvalidExpression(
        f"'{source}': a fact can stand only in a text between \" or ', or as a number (| float); not {_PLACES[where]}"
    )


_PLACES = {
    _Where.OUTSIDE: "outside of quotes, where it would be part of the query",
    _Where.RAW: "between `, where nothing can be escaped",
    _Where.COMMENT: "in a comment",
}


class _Reader:
    """PromQL read piece by piece, only as far as quotes and comments go."""

    def __init__(self) -> None:
        self.where = _Where.OUTSIDE
        self._quote = ""
        self._before = ""
        """The last two characters that are no space, outside of texts."""

    def read(self, text: str) -> None:
        chars = iter(text)
        for char in chars:
            if self.where is _Where.OUTSIDE:
                self._outside(char)
            elif self.where is _Where.COMMENT:
                self.where = _Where.OUTSIDE if char == "\n" else _Where.COMMENT
            else:
                self._within(char, chars)

    def _outside(self, char: str) -> None:
        if char in "\"'`":
            is_pattern = self._before in {"=~", "!~"}
            self._quote = char
            self.where = _Where.RAW if char == "`" else _Where.PATTERN if is_pattern else _Where.TEXT
        elif char == "#":
            self.where = _Where.COMMENT
        elif not char.isspace():
            self._before = (self._before + char)[-2:]

    def _within(self, char: str, rest: Iterator[str]) -> None:
        if char == "\\" and self.where is not _Where.RAW:
            if next(rest, None) is None:
                raise InvalidExpression("a backslash right before a fact would change what the fact is")
        elif char == self._quote:
            self.where = _Where.OUTSIDE
            self._before = ""
