"""Run as a program by `vault`, with Ansible's own code and configuration: prints, as JSON, what stands vaulted in the
files that it is given.

    vault_reader.py --vault-id LABEL@SOURCE … < list of files as JSON
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml
from ansible import constants
from ansible.cli import CLI
from ansible.errors import AnsibleError
from ansible.parsing.dataloader import DataLoader
from ansible.parsing.vault import VaultLib

_WHOLE = b"$ANSIBLE_VAULT;"
_INLINE = re.compile(rb"^([ \t]*)[^\n]*!vault[^\n]*\n((?:\1[ \t]+\S[^\n]*\n?)+)", re.MULTILINE)


def main() -> None:
    options = argparse.ArgumentParser()
    options.add_argument("--vault-id", action="append", default=[])
    chosen = options.parse_args()
    vault = _opened(chosen.vault_id)
    found: set[str] = set()
    unread = 0
    for name in json.load(sys.stdin):
        for text in _vaulted(Path(name).read_bytes()):
            try:
                found.update(_values(vault.decrypt(text).decode(errors="replace")))
            except AnsibleError:
                unread += 1
    json.dump({"values": sorted(found), "unread": unread}, sys.stdout)


def _opened(vault_ids: list[str]) -> VaultLib:
    """As `ansible-playbook` would open it, without asking anybody."""
    loader = DataLoader()
    files = [constants.DEFAULT_VAULT_PASSWORD_FILE] if constants.DEFAULT_VAULT_PASSWORD_FILE else []
    secrets = CLI.setup_vault_secrets(
        loader,
        vault_ids=[*constants.DEFAULT_VAULT_IDENTITY_LIST, *vault_ids],
        vault_password_files=files,
        ask_vault_pass=False,
        auto_prompt=False,
    )
    return VaultLib(secrets)


def _vaulted(content: bytes) -> Iterator[bytes]:
    if content.startswith(_WHOLE):
        yield content
        return
    for block in _INLINE.finditer(content):
        lines = [line.strip() for line in block.group(2).splitlines()]
        if lines and lines[0].startswith(_WHOLE):
            yield b"\n".join(lines)


def _values(plain: str) -> Iterator[str]:
    """The texts of a vaulted file of variables; of anything else the whole. Of long texts each line, too."""
    try:
        content = yaml.load(plain, Loader=_AnyTag)  # noqa: S506 - a SafeLoader that knows no tags
    except yaml.YAMLError:
        content = None
    # YAML would fold the lines of a value that was vaulted by itself.
    for text in _texts(content) if isinstance(content, dict | list) else [plain]:
        yield text
        yield from (line.strip() for line in text.splitlines())


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for one in value.values():
            yield from _texts(one)
    elif isinstance(value, list):
        for one in value:
            yield from _texts(one)
    elif isinstance(value, str):
        yield value


class _AnyTag(yaml.SafeLoader):
    """Takes tagged scalars (`!unsafe`) for their text."""


_AnyTag.add_multi_constructor(
    "!", lambda loader, _suffix, node: loader.construct_scalar(node) if isinstance(node, yaml.ScalarNode) else None
)

if __name__ == "__main__":
    main()
