"""Which variables a policy may give to a playbook: a name of Ansible's own acts, however inert its value is.

The same two questions are asked when a bundle is read and, as the last safeguard, when a run's file is written.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping

DEEPEST = 8
"""Levels of lists and mappings in the whole file; Ansible's decoder gives up (and reads YAML) on very deep ones."""
_LARGEST = 1 << 63
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]*", re.ASCII)
_PREFIXES = ("ansible_", "inventory_")
RESERVED = frozenset(  # as a text, since one name a line would fill a page
    """
    action always any_errors_fatal args async async_val become become_exe become_flags become_method become_user block
    bsm changed_when check_mode collections connection cycler debugger delay delegate_facts delegate_to dict diff
    environment fact_path failed_when force_handlers gather_facts gather_subset gather_timeout group_names groups
    handlers hosts hostvars ignore_errors ignore_unreachable include_role include_tasks item joiner lipsum listen
    local_action lookup loop loop_control loop_with max_fail_percentage module_defaults name namespace no_log notify now
    omit order play_hosts playbook_dir poll port post_tasks pre_tasks q query range register remote_user rescue retries
    role_name role_names role_path role_uuid roles run_once self serial strategy tags tasks throttle timeout undef until
    user vars vars_files vars_prompt when with_ True False None true false none
    """.split()  # noqa: SIM905
)
"""Names that Ansible or its templates give a meaning to (`ansible.vars.reserved`, magic variables), and ours."""


def is_reserved(name: str) -> bool:
    return name in RESERVED or name.startswith(_PREFIXES)


def objection_to_name(name: str) -> str | None:
    """Why a policy may not set a variable of this name; None when it may."""
    if name == "bsm":
        return "'bsm' is reserved: bsm-remediate sets it itself"
    if is_reserved(name):
        return f"'{name}' is reserved: it would change what Ansible does, not what the playbook reads"
    if _NAME.fullmatch(name) is None:
        return f"{name!r} is no name of a variable: letters, digits and _ after a letter"
    return None


def objection_to_value(value: object, *, depth: int = 2) -> str | None:
    """Why a policy's variable may not hold this; None when it may. `depth` is the level in the file, its root is 1.

    Texts, templates and anything else that becomes a text may always stand there.
    """
    if depth > DEEPEST:
        return f"it is nested deeper than {DEEPEST - 2} levels"
    if isinstance(value, float) and not math.isfinite(value):
        return f"{value} is no number that a playbook could be given"
    if isinstance(value, int) and not -_LARGEST <= value < _LARGEST:
        return "a number of more than 64 bits; write it in quotes"
    if isinstance(value, Mapping):
        for key in value:
            if not isinstance(key, str):
                return f"the key {key!r:.40} is no text; write it in quotes"
            if key.startswith("__"):
                return f"the key '{key}' begins with two underscores, as Ansible's own marks do"
    members = value.values() if isinstance(value, Mapping) else value if isinstance(value, list | tuple) else ()
    objections = (objection_to_value(one, depth=depth + 1) for one in members)
    return next((one for one in objections if one is not None), None)
