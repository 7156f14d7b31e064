# ruff: noqa: INP001 - a script, no package
"""Writes docs/reference/playbooks.md from the playbooks' headers; with `--check` only says whether it is current."""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass
from pathlib import Path
from textwrap import dedent

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "docs" / "reference" / "playbooks.md"
_PARTS = ("When to use", "Variables", "What changes", "What it never does", "Idempotence", "Example")
_VARIABLE = re.compile(r"  ((?:[a-z_]+, )*[a-z_]+)(?:  +(.*)|)")
_FIELD = re.compile(r"    ([a-z]+)  +(.*)")
_INTRODUCTION = """\
# The playbooks

<!-- Written by scripts/playbook_pages.py from the headers of the playbooks; changes belong there. -->

What each shipped playbook does, its variables, and an example policy. What they have in common is in
[playbooks](../playbooks.md). `required` stands at what must be given; variables that are the same for all hosts of a
kind belong in the inventory.
"""


@dataclass(frozen=True, kw_only=True)
class Header:
    """What the comment at the top of a playbook says."""

    name: str
    purpose: str
    parts: dict[str, list[str]]
    """Lines of each part, without the comment's sign."""

    def variables(self) -> dict[str, str]:
        """Their meanings; several that are explained together share one entry."""
        found: dict[str, str] = {}
        for line in self.parts["Variables"]:
            variable, field = _VARIABLE.fullmatch(line), _FIELD.fullmatch(line)
            if variable is not None:
                found[variable[1]] = variable[2] or ""
            elif found:
                last = next(reversed(found))
                found[last] += f"; `{field[1]}`: {field[2]}" if field is not None else f" {line.strip()}"
        return {name: _one_line(meaning) for name, meaning in found.items()}

    def example(self) -> str:
        """The example policy, YAML."""
        return dedent("\n".join(self.parts["Example"])) + "\n"

    def text(self, part: str) -> str:
        return _one_line(" ".join(self.parts[part]))


def read(playbook: Path) -> Header:
    """The header of `playbook`. Raises `ValueError` when a part is missing."""
    comment = playbook.read_text(encoding="utf-8").partition("\n- name:")[0].splitlines()[1:]
    lines = [line.removeprefix("#").removeprefix(" ") for line in comment]
    parts: dict[str, list[str]] = {"": []}
    present = ""
    for line in lines:
        named = next((part for part in _PARTS if re.match(rf"{part}(:|$)", line)), None)
        if named is not None:
            present, parts[named] = named, [line.removeprefix(named).removeprefix(":").strip()]
        elif line or present == "Example":
            parts[present].append(line.rstrip())
    missing = [part for part in _PARTS if part not in parts]
    if missing:
        raise ValueError(f"{playbook}: the comment at its top has no '{missing[0]}'")
    parts["Example"] = parts["Example"][1:]
    return Header(name=playbook.name, purpose=_one_line(" ".join(parts[""])), parts=parts)


def headers() -> list[Header]:
    """Of all playbooks, by name."""
    return [read(path) for path in sorted((ROOT / "playbooks").glob("*.yml"))]


def page() -> str:
    """The whole page."""
    return "\n".join([_INTRODUCTION, *(_section(header) for header in headers())])


def _section(header: Header) -> str:
    rows = [
        f"| {', '.join(f'`{name}`' for name in names.split(', '))} | {_cell(meaning)} |"
        for names, meaning in header.variables().items()
    ]
    return "\n".join(
        [
            f"## {header.name}",
            f"{header.purpose}\n",
            f"*When to use:* {header.text('When to use')}\n",
            "| variable | meaning |",
            "|---|---|",
            *rows,
            "",
            f"*What changes:* {header.text('What changes')}\n",
            f"*What it never does:* {header.text('What it never does')}\n",
            f"*Played twice:* {header.text('Idempotence')}\n",
            f"```yaml\n{header.example()}```\n",
        ]
    )


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("<", "&lt;")


def _one_line(text: str) -> str:
    return " ".join(text.split())


def main() -> None:
    written = page()
    if "--check" in sys.argv[1:]:
        if not PAGE.exists() or PAGE.read_text(encoding="utf-8") != written:
            sys.exit(f"{PAGE.relative_to(ROOT)} is not current: run scripts/playbook_pages.py")
    else:
        PAGE.write_text(written, encoding="utf-8")


if __name__ == "__main__":
    main()
