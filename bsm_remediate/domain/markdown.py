"""Text for Markdown documents: what comes from outside stays text, in every place where it can stand."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

_ACTS = re.compile(r"[\\`*\[\]<>|&~!$@{}^=]|(?<![^\W_])_|_(?![^\W_])|:(?=//)|(?<=\bwww)\.", re.IGNORECASE)
"""Characters that mean something within a line: code, emphasis, links and images, HTML, cells of tables, mentions,
formulas, addresses that viewers make links of. An underscore within a word means nothing.
"""
_BEGINS = re.compile(r"(?:#|[-+](?=\s|[-+]|$)|\d{1,9}[.)])")
"""What means something at the begin of a line: headings, lists, rules."""
_LONGEST = 400
"""Characters of one text; what is longer is cut."""


def escaped(text: str, longest: int = _LONGEST) -> str:
    r"""`text` in one line of which every character is shown and none acts, cut where it is very long.

    >>> escaped("# a *b* | <c> at http://d")
    '\\# a \\*b\\* \\| \\<c\\> at http\\://d'
    """
    shown = "".join(char if char.isprintable() else " " if char.isspace() else "�" for char in text[: longest + 1])
    line = " ".join(shown.split())
    if len(text) > longest:
        line = f"{line[: longest - 1]}…"
    begin = _BEGINS.match(line)
    if begin is None:
        return _ACTS.sub(lambda found: f"\\{found[0]}", line)
    head, rest = line[: begin.end()], line[begin.end() :]
    return f"{head[:-1]}\\{head[-1]}" + _ACTS.sub(lambda found: f"\\{found[0]}", rest)


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """Lines of a table; cells are Markdown already. A column whose head begins with `>` is one of numbers."""
    marks = ["--:" if name.startswith(">") else "---" for name in head]
    names = [name.lstrip(">") for name in head]
    return [f"| {' | '.join(names)} |", f"|{'|'.join(marks)}|", *(f"| {' | '.join(row)} |" for row in rows)]
