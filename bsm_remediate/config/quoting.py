"""Texts of others as YAML: always inside double quotes, where nothing of them can end the quotes."""

from __future__ import annotations

_OWN = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\t": "\\t"}


def quoted(text: str) -> str:
    """`text` as one YAML scalar on one line; reading it gives `text` again.

    Half a surrogate pair is no character, and becomes a replacement character.
    """
    return '"' + "".join(_OWN.get(char) or _written(char) for char in text) + '"'


def _written(char: str) -> str:
    if char.isprintable():
        return char
    return "\\uFFFD" if "\ud800" <= char <= "\udfff" else f"\\U{ord(char):08X}"


def plain_text(text: str, *, longest: int) -> str:
    """`text` on one line without what is a template anywhere: each `{{ … }}` is an ellipsis."""
    whole = []
    rest = text
    while rest:
        before, begin, rest = rest.partition("{{")
        whole.append(before)
        if begin:
            whole.append("…")
            inner, end, after = rest.partition("}}")
            rest = after if end else inner
    harmless = "".join(whole).replace("{%", "{ %").replace("{#", "{ #").replace("{{", "{ {")
    line = " ".join(harmless.split())
    return line if len(line) <= longest else line[: longest - 1] + "…"
