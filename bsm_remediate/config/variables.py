"""Variables that a policy hands to its playbooks: names that are safe, values with their templates compiled."""

from __future__ import annotations

import re
from collections.abc import Mapping

from bsm_remediate.config.draft import Draft, Entry
from bsm_remediate.config.expression import compile_component_template
from bsm_remediate.domain.policy import Value

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]*", re.ASCII)
RESERVED_VARS = frozenset(
    [
        "action",
        "args",
        "async",
        "become",
        "bsm",
        "check_mode",
        "collections",
        "connection",
        "debugger",
        "delegate_to",
        "diff",
        "environment",
        "fact_path",
        "force_handlers",
        "gather_facts",
        "group_names",
        "groups",
        "handlers",
        "hosts",
        "hostvars",
        "ignore_errors",
        "local_action",
        "loop",
        "max_fail_percentage",
        "module_defaults",
        "name",
        "no_log",
        "omit",
        "order",
        "play_hosts",
        "playbook_dir",
        "poll",
        "port",
        "post_tasks",
        "pre_tasks",
        "register",
        "remote_user",
        "role_name",
        "role_names",
        "role_path",
        "roles",
        "run_once",
        "self",
        "serial",
        "strategy",
        "tags",
        "tasks",
        "timeout",
        "user",
        "vars",
        "vars_files",
        "vars_prompt",
        "when",
        "True",
        "False",
        "None",
        "true",
        "false",
        "none",
    ]
)
"""Names that mean something to Ansible or Python; a variable of that name would act, however its value is wrapped."""


def read_vars(
    draft: Draft, written: Mapping[str, object], entry: Entry, path: tuple[str | int, ...]
) -> dict[str, Value]:
    """The variables at `path` of `entry`, with findings for what can't be one."""
    for name in written:
        if not _NAME.fullmatch(name):
            message = f"'{name}' is no name of a variable: letters, digits and _ after a letter"
            draft.add(entry.place(*path, name, of_key=True).error("bad-variable", message))
        elif name.startswith(("ansible_", "inventory_")) or name in RESERVED_VARS:
            message = f"'{name}' is reserved: it would change what Ansible does, not what the playbook reads"
            draft.add(entry.place(*path, name, of_key=True).error("reserved-variable", message))
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
