"""Matchers as they are written: `label="value"`, `label=~"expression"`, with Alertmanager's meaning.

Expressions are RE2, which takes linear time on any text, and is what Alertmanager itself means.
"""

from __future__ import annotations

import re

import re2

from bsm_remediate.domain.matcher import Matcher, MatchOperator, Pattern

_WRITTEN = re.compile(r'\s*([A-Za-z_][A-Za-z0-9_.:/-]*)\s*(=~|!~|!=|=)\s*(?:"((?:[^"\\]|\\.)*)"|(.*?))\s*', re.DOTALL)
_ESCAPED = re.compile(r"\\(.)")
_LONGEST = 10_000


def compile_pattern(expression: str) -> Pattern:
    """RE2 of `expression`. Raises `ValueError`."""
    options = re2.Options()
    options.log_errors = False
    options.max_mem = 1 << 22
    try:
        compiled: Pattern = re2.compile(expression, options=options)
    except re2.error as error:
        reason = error.args[0] if error.args else "invalid"
        text = reason.decode() if isinstance(reason, bytes) else str(reason)
        raise ValueError(f"'{expression}' is no regular expression (RE2): {text}") from None
    return compiled


def parse_matcher(text: str) -> Matcher:
    """The matcher that `text` means. Raises `ValueError`."""
    found = _WRITTEN.fullmatch(text) if len(text) <= _LONGEST else None
    if found is None:
        raise ValueError(f'{text[:80]!r} is no matcher like alertname="Down" or severity!~"info|none"')
    label, sign, quoted, plain = found.groups()
    value = _ESCAPED.sub(lambda escape: {"n": "\n"}.get(escape[1], escape[1]), quoted) if quoted is not None else plain
    return make_matcher(label, MatchOperator(sign), value)


def make_matcher(label: str, operator: MatchOperator, value: str) -> Matcher:
    """A matcher with its pattern compiled where it has one. Raises `ValueError`."""
    is_pattern = operator in {MatchOperator.REGEX, MatchOperator.NOT_REGEX}
    pattern = compile_pattern(value) if is_pattern else None
    return Matcher(label=label, operator=operator, value=value, pattern=pattern)
