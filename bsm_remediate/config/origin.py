"""The settings in force and where each comes from, for people; secrets show only that they are there."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bsm_remediate.config.settings import DEFAULT_CONFIG, Options, Settings, read_file

_HIDDEN = "(set)"
_VARIABLES = {
    "policies": "BSM_POLICIES",
    "inventory": "BSM_INVENTORY",
    "playbooks": "BSM_PLAYBOOKS",
    "database": "BSM_DATABASE",
    "host": "BSM_HOST",
    "port": "BSM_PORT",
    "url": "BSM_URL",
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Effective:
    """One setting."""

    key: str
    value: str
    origin: str
    """`option`, the variable, the file, or `default`."""


def effective(settings: Settings, options: Options, environment: Mapping[str, str] = os.environ) -> list[Effective]:
    """All of them. Raises `WrongUsage` for a file that can't be read."""
    file = read_file(options.config)
    path = str(options.config or DEFAULT_CONFIG)
    written = {*file.model_fields_set, *file.server.model_fields_set}
    found = []
    for key, variable in _VARIABLES.items():
        value = _shown(getattr(settings, key))
        found.append(
            Effective(key=key, value=value, origin=_origin(key, variable, options, environment, written, path))
        )
    found.append(
        Effective(key="state_dir", value=str(settings.state_dir), origin=_state_origin(environment, written, path))
    )
    key_from = "BSM_JOURNAL_KEY_FILE" if environment.get("BSM_JOURNAL_KEY_FILE") else path
    key_from = key_from if settings.journal_key_is_given else "default"
    found.append(Effective(key="journal.key_file", value=str(settings.journal_key_file), origin=key_from))
    for token in settings.tokens:
        name, role = token.identity.name, token.identity.role
        origin = "BSM_TOKEN" if name == "BSM_TOKEN" else path
        found.append(Effective(key=f"tokens.{name}", value=f"{_HIDDEN} role {role}", origin=origin))
    for section in ("ansible", "journal", "sources"):
        dumped = getattr(file, section)
        values = dumped if section == "sources" else dumped.model_dump(exclude_defaults=True, exclude={"key_file"})
        for key, value in _flat(values, section):
            found.append(Effective(key=key, value=value, origin=path))
    return found


_SECRET_FILES = ("BSM_TOKEN_FILE", "BSM_DATABASE_FILE", "BSM_JOURNAL_KEY_FILE")


def secret_files(options: Options, environment: Mapping[str, str] = os.environ) -> list[Path]:
    """Files with secrets that the settings name."""
    file = read_file(options.config)
    named = [one.file for one in file.tokens if one.file is not None]
    named += [Path(environment[name]) for name in _SECRET_FILES if environment.get(name)]
    for section in (file.ansible, *file.ansible.profiles.values()):
        named += [section.private_key] if section.private_key is not None else []
        named += [path for path in (Path(one.rpartition("@")[2]) for one in section.vault_ids) if path.is_file()]
    named += [file.journal.key_file] if file.journal.key_file is not None else []
    for source in file.sources.values():
        written = {name: path for name, path in source if name.endswith("_file") and name != "ca_file"}
        named += [path for path in written.values() if isinstance(path, Path)]
        named += source.secret_files
    return named


def _origin(
    key: str, variable: str, options: Options, environment: Mapping[str, str], written: set[str], path: str
) -> str:
    if getattr(options, key, None):
        return "option"
    for name in (f"{variable}_FILE", variable):
        if environment.get(name):
            return name
    return path if key in written else "default"


def _state_origin(environment: Mapping[str, str], written: set[str], path: str) -> str:
    named = next((name for name in ("BSM_STATE_DIR", "STATE_DIRECTORY") if environment.get(name)), None)
    return named or (
        path if "state_dir" in written else "XDG_STATE_HOME" if environment.get("XDG_STATE_HOME") else "default"
    )


def _flat(value: Any, key: str) -> Iterator[tuple[str, str]]:
    if hasattr(value, "model_dump"):
        value = value.model_dump(exclude_defaults=True)
    if isinstance(value, Mapping) and value:
        for name, one in value.items():
            yield from _flat(one, f"{key}.{name}")
    elif value not in ({}, [], None):
        yield key, _shown(value)


def _shown(value: Any) -> str:
    if isinstance(value, list | tuple):
        return ", ".join(str(one) for one in value)
    text = "" if value is None else str(value)
    # postgresql://user:password@host
    before, at, after = text.partition("@") if "://" in text else (text, "", "")
    return f"{before.rpartition(':')[0]}:***@{after}" if at and before.count(":") > 1 else text
