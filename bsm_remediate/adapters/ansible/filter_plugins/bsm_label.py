"""The filter `bsm_label`: one label of an alert or component, by name.

    {{ bsm.alert | bsm_label('unit') }}
    {{ bsm.alert.annotations | bsm_label('runbook', 'none') }}

Labels come as a list of names and values, since no name from outside may become a key of a variable.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from ansible.errors import AnsibleFilterError

_REQUIRED = object()


def bsm_label(source: Any, name: str, default: Any = _REQUIRED) -> Any:
    """The value of the label `name`; `default` when there is none, or an error when no default is given."""
    pairs: Iterable[Mapping[str, Any]] = source["labels"] if isinstance(source, Mapping) else source
    for pair in pairs:
        if pair["name"] == name:
            return pair["value"]
    if default is _REQUIRED:
        raise AnsibleFilterError(f"there is no label '{name}', and bsm_label was given no default")
    return default


class FilterModule:
    """What Ansible looks for."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"bsm_label": bsm_label}
