"""Variables that a policy hands to its playbooks: names that are safe, values with their templates compiled."""

from __future__ import annotations

from collections.abc import Mapping

from bsm_remediate.config.draft import Draft, Entry
from bsm_remediate.config.expression import compile_component_template
from bsm_remediate.domain.policy import Value
from bsm_remediate.domain.variable_name import is_reserved, objection_to_name, objection_to_value


def read_vars(
    draft: Draft, written: Mapping[str, object], entry: Entry, path: tuple[str | int, ...]
) -> dict[str, Value]:
    """The variables at `path` of `entry`, with findings for what can't be one."""
    for name, value in written.items():
        about_name, about_value = objection_to_name(name), objection_to_value(value)
        if about_name is not None:
            code = "reserved-variable" if is_reserved(name) else "bad-variable"
            draft.add(entry.place(*path, name, of_key=True).error(code, about_name))
        if about_value is not None:
            draft.add(entry.place(*path, name).error("bad-variable", f"'{name}': {about_value}"))
    return {name: _value(draft, value, entry, (*path, name)) for name, value in written.items()}


def _value(draft: Draft, written: object, entry: Entry, path: tuple[str | int, ...]) -> Value:
    if isinstance(written, str):
        is_template = "{{" in written or "{%" in written
        place = entry.place(*path)
        return draft.compiled(place, lambda: compile_component_template(written)) if is_template else written
    if isinstance(written, list):
        return tuple(_value(draft, one, entry, (*path, number)) for number, one in enumerate(written))
    if isinstance(written, dict):
        return {name: _value(draft, one, entry, (*path, name)) for name, one in written.items()}
    return written if written is None or isinstance(written, int | float | bool) else str(written)
