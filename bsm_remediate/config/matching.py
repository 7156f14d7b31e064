"""`match` of policies and components: a map of labels that must be equal, or a list of matchers."""

from __future__ import annotations

from functools import partial

from bsm_remediate.config.draft import Draft, Entry
from bsm_remediate.config.patterns import make_matcher, parse_matcher
from bsm_remediate.domain.matcher import Matcher, MatchOperator


def read_matchers(
    draft: Draft, entry: Entry, written: dict[str, str] | list[str], *path: str | int
) -> tuple[Matcher, ...] | None:
    """The matchers that `written` means; None, with findings, when some can't be read or there are none."""
    if not written:
        draft.add(entry.place(*path).error("bad-matcher", "without matchers it would match nothing"))
        return None
    if isinstance(written, dict):
        return tuple(make_matcher(label, MatchOperator.EQUAL, value) for label, value in written.items())
    found = [
        draft.attempt(entry.place(*path, number), "bad-matcher", partial(parse_matcher, text))
        for number, text in enumerate(written)
    ]
    return tuple(one for one in found if one is not None) if all(found) else None
