# ruff: noqa: INP001 - a script, no package
"""Writes docs/reference from the bundle's schema; with `--check` only says whether it is current."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from bsm_remediate.config.schema import LATER, json_schema

FOLDER = Path(__file__).parent.parent / "docs" / "reference"
EXAMPLE = Path(__file__).parent.parent / "bsm_remediate" / "cli" / "example" / "policies"
_INTRODUCTION = """\
# Bundle reference

<!-- Written by scripts/reference.py from the schema; changes belong there. -->

A bundle is a folder of YAML files, merged (files in its subfolders are not part of it), or one file. A key may be
defined once, in whichever file; services, components and component sets share one namespace. Only `true`, `false`,
decimal numbers and null are typed, all else is text: `off`, `no`, `18:00` and `2026-01-05` stay what they are. Unknown
keys, keys written twice, YAML tags and merge keys are errors. `bsm-remediate check` shows all of them at once, each
with its place and what to do.

The same for editors is in [bundle.schema.json](bundle.schema.json); `bsm-remediate schema` prints it, and this first
line of a file points a YAML language server at it:

```yaml
# yaml-language-server: $schema=bundle.schema.json
```
"""
_VALUES = """
## Values

| kind | written as |
|---|---|
| duration | `30s`, `5m`, `1h30m`, `2d`, `500ms` |
| money | per minute: `300`, or with its unit: `18000/h`, `2M/y`, `12k/d` |
| share | `0.25` or `25%` |
| rate | `3/1h`: at most 3 within an hour |
| id | letters, digits and `. _ - @` after the first |
| matcher | `alertname="Down"`, `job!="node"`, `instance=~"web-.*"`, `severity!~"info\\|none"`; RE2, anchored |
| template | `{{ component.address }}:5432`: text over `component.id`, `.host`, `.address` and `.labels`, nothing else |
| expression | `component.labels.tier == "data" and signal.age > 30`: over `alert`, `signal`, `component`, `impact` |
"""
_COLUMNS = "| key | written as | default | meaning |\n|---|---|---|---|\n"


def page(schema: Mapping[str, Any]) -> str:
    """The page of the reference."""
    definitions = schema["$defs"]
    parts = [_INTRODUCTION, "\n## Sections\n\n", _table(schema)]
    for name in _in_order(schema, definitions):
        section = definitions[name]
        parts += [f"\n## {_title(name)}\n\n", f"{section['description']}\n\n", _table(section)]
    parts += ["\n## Formula\n\n", _formulas(definitions["Formula"]), _VALUES, _example(), _later()]
    return "".join(parts)


def _in_order(schema: Mapping[str, Any], definitions: Mapping[str, Any]) -> Iterator[str]:
    """Names of the definitions, each after the first that mentions it."""
    waiting, seen = [schema], {"Formula"}
    while waiting:
        for name in _mentioned(waiting.pop(0).get("properties", {})):
            if name not in seen:
                seen.add(name)
                waiting.append(definitions[name])
                yield name


def _mentioned(value: object) -> Iterator[str]:
    if isinstance(value, Mapping):
        for key, one in value.items():
            if key == "$ref":
                yield str(one).rsplit("/", 1)[-1]
            else:
                yield from _mentioned(one)
    elif isinstance(value, list):
        for one in value:
            yield from _mentioned(one)


def _table(section: Mapping[str, Any]) -> str:
    required = section.get("required", ())
    rows = []
    for key, value in section["properties"].items():
        default = "**required**" if key in required else _default(value)
        kind = f"map of id → {_link(value)}" if _is_map_of_sections(value) else _kind(value)
        rows.append(f"| `{key}` | {kind} | {default} | {_cell(value.get('description', ''))} |\n")
    return _COLUMNS + "".join(rows)


def _is_map_of_sections(value: Mapping[str, Any]) -> bool:
    return isinstance(value.get("additionalProperties"), dict) and "$ref" in value["additionalProperties"]


def _link(value: Mapping[str, Any]) -> str:
    return _kind(value["additionalProperties"])


def _default(value: Mapping[str, Any]) -> str:
    default = value.get("default")
    return "" if default in (None, "", [], {}) or isinstance(default, list | dict) else f"`{json.dumps(default)}`"


def _kind(value: Mapping[str, Any]) -> str:
    if "$ref" in value:
        title = _title(value["$ref"].rsplit("/", 1)[-1])
        return f"[{title.lower()}](#{title.lower().replace(' ', '-')})"
    if "anyOf" in value:
        return " or ".join(dict.fromkeys(_kind(one) for one in value["anyOf"] if one.get("type") != "null"))
    if "const" in value:
        return f"`{value['const']}`"
    if "enum" in value:
        return ", ".join(f"`{one}`" for one in value["enum"])
    if "examples" in value:
        return "like " + ", ".join(f"`{one if isinstance(one, str) else json.dumps(one)}`" for one in value["examples"])
    return _plain_kind(value)


def _plain_kind(value: Mapping[str, Any]) -> str:
    kind = value.get("type")
    if kind == "array":
        return f"list of {_kind(value['items'])}".replace("of like", "of values like")
    if kind == "object":
        of = value.get("additionalProperties")
        return f"map of {_kind(of)}".replace("of like", "of values like") if isinstance(of, dict) else "map"
    names = {"integer": "whole number", "number": "number", "boolean": "`true` or `false`"}
    return names.get(kind, "text") if isinstance(kind, str) else "text" if isinstance(kind, list) else "anything"


def _formulas(formula: Mapping[str, Any]) -> str:
    """Each form as it is written, and what it means."""
    rows = []
    for form in formula["anyOf"]:
        written = {"string": "id", "array": "[…]"}.get(form["type"]) or "{" + ", ".join(
            f"{key}: …" for key in form["required"]
        ) + "}"
        beside = [key for key in form.get("properties", {}) if key not in form["required"]]
        rows.append(f"| `{written}` | {', '.join(f'`{key}`' for key in beside)} | {_cell(form['description'])} |\n")
    keys: dict[str, str] = {}
    for form in formula["anyOf"]:
        for key, value in form.get("properties", {}).items():
            if key not in form["required"]:
                keys[key] = _cell(value["description"])
    return (
        "| form | may have | state |\n|---|---|---|\n"
        + "".join(rows)
        + "\n| key | meaning |\n|---|---|\n"
        + "".join(f"| `{key}` | {meaning} |\n" for key, meaning in keys.items())
    )


def _example() -> str:
    """The bundle that `init` writes."""
    parts = ["\n## Example\n\nThis is what `bsm-remediate init` writes (FOLDER is the folder it is written to).\n"]
    for file in sorted(EXAMPLE.glob("*.yml"), reverse=True):
        text = file.read_text(encoding="utf-8")
        parts.append(f"\n`policies/{file.name}`:\n\n```yaml\n{text}```\n")
    return "".join(parts)


def _later() -> str:
    keys = LATER
    listed = ", ".join(f"`{key}` ({meaning})" for key, meaning in sorted(keys.items()))
    return f"\n## Not yet\n\nRefused with a finding of their own until a later version knows them: {listed}.\n"


def _title(name: str) -> str:
    words = "".join(f" {letter}" if letter.isupper() else letter for letter in name.removesuffix("Section")).split()
    return " ".join(words).capitalize()


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def main(arguments: list[str]) -> int:
    schema = json_schema()
    written = {
        FOLDER / "bundle.md": page(schema),
        FOLDER / "bundle.schema.json": json.dumps(schema, indent=2, ensure_ascii=False) + "\n",
    }
    if "--check" in arguments:
        stale = [file for file, text in written.items() if not file.exists() or file.read_text("utf-8") != text]
        for file in stale:
            sys.stderr.write(f"{file} is not current: run scripts/reference.py\n")
        return bool(stale)
    FOLDER.mkdir(parents=True, exist_ok=True)
    for file, text in written.items():
        file.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
