"""YAML with places: plain values, and for every path in them the line where it is written.

A resolver of our own: only `true`/`false`, decimal numbers and null are typed, all else is text (`off`, `no`, `18:00`
and `2026-01-05` stay what they are). Tags, duplicate keys and the like are findings, never exceptions.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import yaml

from bsm_remediate.domain.event import Json
from bsm_remediate.domain.finding import Finding, Severity

_NUMBER = re.compile(r"[-+]?(?:0|[1-9]\d{0,14})(?:\.\d{1,15})?", re.ASCII)
_WORDS: dict[str, Json] = {"true": True, "false": False, "null": None, "~": None, "": None}
_DEEPEST = 40
_LARGEST_BYTES = 64 * 1024 * 1024
_MOST_ALIASES = 1_000


class _Loader(yaml.CSafeLoader):
    """Composes only; resolving is ours. A node's tag is empty unless somebody wrote one.

    Composing recurses in C: without a limit, deep nesting ends the whole process.
    """

    depth = 0

    def resolve(self, kind: type[yaml.Node], value: str | None, implicit: object) -> str:  # noqa: ARG002 - PyYAML's
        return ""

    def descend_resolver(self, current_node: yaml.Node | None, current_index: object) -> None:  # noqa: ARG002
        """Called by PyYAML before each node within `current_node`."""
        self.depth += 1
        if self.depth > _DEEPEST and current_node is not None:
            raise yaml.MarkedYAMLError(
                problem=f"nested more than {_DEEPEST} levels deep", problem_mark=current_node.start_mark
            )

    def ascend_resolver(self) -> None:
        self.depth -= 1


@dataclass(frozen=True, kw_only=True, slots=True)
class Place:
    """Where something is written; line and column count from 1."""

    file: str
    line: int = 0
    column: int = 0

    def error(self, code: str, message: str, hint: str = "") -> Finding:
        return self._finding(Severity.ERROR, code, message, hint)

    def warning(self, code: str, message: str, hint: str = "") -> Finding:
        return self._finding(Severity.WARNING, code, message, hint)

    def _finding(self, severity: Severity, code: str, message: str, hint: str) -> Finding:
        return Finding(
            file=self.file,
            line=self.line,
            column=self.column,
            severity=severity,
            code=code,
            message=message,
            hint=hint,
        )


@dataclass(kw_only=True)
class Document:
    """One file: its plain value and the nodes behind it."""

    file: str
    value: Json = None
    findings: list[Finding] = field(default_factory=list)
    root: yaml.Node | None = None
    _children: dict[int, dict[str, tuple[yaml.Node | None, yaml.Node]]] = field(default_factory=dict)
    """Mapping node (by identity) → key → its two nodes, made when first asked for."""

    def place(self, path: Sequence[str | int], *, of_key: bool = False) -> Place:
        """Where the value at `path` is written (or its key), else the nearest thing above it that is."""
        node, key = self.root, None
        for step in path:
            found = self._child(node, step)
            if found is not None:  # steps that stand for nothing written (kinds of a union) are passed over
                key, node = found
        marked = key if of_key and key is not None else node
        return self._at(marked)

    def _child(self, node: yaml.Node | None, step: str | int) -> tuple[yaml.Node | None, yaml.Node] | None:
        if isinstance(node, yaml.MappingNode):
            children = self._children.get(id(node))
            if children is None:
                children = self._children[id(node)] = {
                    key.value: (key, value) for key, value in reversed(node.value) if isinstance(key, yaml.ScalarNode)
                }
            return children.get(str(step))
        if isinstance(node, yaml.SequenceNode) and isinstance(step, int) and step < len(node.value):
            return None, node.value[step]
        return None

    def _at(self, node: yaml.Node | None) -> Place:
        if node is None:
            return Place(file=self.file)
        return Place(file=self.file, line=node.start_mark.line + 1, column=node.start_mark.column + 1)


def read(file: Path, name: str) -> Document:
    """The document in `file`, called `name` in findings; unreadable ones come with a finding and no value."""
    document = Document(file=name)
    try:
        raw = file.read_bytes()
        if len(raw) > _LARGEST_BYTES:
            raise ValueError(f"larger than {_LARGEST_BYTES // 1024 // 1024} MiB")
        text = raw.decode("utf-8")
    except (OSError, ValueError) as error:
        document.findings.append(Place(file=name).error("unreadable", f"cannot be read: {error}"))
        return document
    return read_text(text, document)


def read_text(text: str, document: Document) -> Document:
    """Fill `document` from YAML `text`."""
    try:
        document.root = yaml.compose(text, Loader=_Loader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = Place(file=document.file, line=mark.line + 1, column=mark.column + 1) if mark else _top(document)
        said = " ".join(str(part).rstrip(",") for part in (error.context, error.problem) if part)
        document.findings.append(place.error("not-yaml", said or "no valid YAML"))
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        document.findings.append(_top(document).error("not-yaml", f"no valid YAML: {str(error).splitlines()[0][:200]}"))
    if document.root is not None:
        document.value = _Builder(document).build(document.root, 0)
    return document


def _top(document: Document) -> Place:
    return Place(file=document.file, line=1, column=1)


class _Builder:
    """Turns nodes into plain values."""

    def __init__(self, document: Document) -> None:
        self._document = document
        self._file = document.file
        self._seen: set[int] = set()
        self._aliases = 0

    def build(self, node: yaml.Node, depth: int) -> Json:
        if isinstance(node, yaml.ScalarNode):
            return self._scalar(node)
        if depth > _DEEPEST:
            self._complain(node, "too-deep", f"nested more than {_DEEPEST} levels deep")
            return None
        if id(node) in self._seen:
            self._aliases += 1
            if self._aliases > _MOST_ALIASES:
                if self._aliases == _MOST_ALIASES + 1:
                    self._complain(node, "too-many-aliases", f"more than {_MOST_ALIASES} aliases")
                return None
        self._seen.add(id(node))
        self._refuse_tag(node)
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, depth)
        return [self.build(child, depth + 1) for child in node.value]

    def _mapping(self, node: yaml.MappingNode, depth: int) -> Json:
        found: dict[str, Json] = {}
        marks: dict[str, yaml.Node] = {}
        for key_node, value_node in node.value:
            if not isinstance(key_node, yaml.ScalarNode):
                self._complain(key_node, "key-no-text", "a key must be text")
                continue
            key = key_node.value
            if key == "<<" and not key_node.style:
                self._complain(key_node, "merge-key", "merge keys are not part of a bundle", "write the keys out")
                continue
            if key in found:
                first = marks[key].start_mark
                where = f"it is first at line {first.line + 1}, column {first.column + 1}"
                self._complain(key_node, "duplicate-key", f"'{key}' is written twice", where)
                continue
            marks[key] = key_node
            found[key] = self.build(value_node, depth + 1)
        return found

    def _scalar(self, node: yaml.ScalarNode) -> Json:
        self._refuse_tag(node)
        text: str = node.value
        if node.style:
            return text
        if text in _WORDS:
            return _WORDS[text]
        if _NUMBER.fullmatch(text):
            return float(text) if "." in text else int(text)
        return text

    def _refuse_tag(self, node: yaml.Node) -> None:
        if node.tag:
            shown = node.tag.replace("tag:yaml.org,2002:", "!!")
            self._complain(node, "yaml-tag", f"YAML tags are not part of a bundle: {shown}", "remove the tag")

    def _complain(self, node: yaml.Node, code: str, message: str, hint: str = "") -> None:
        place = Place(file=self._file, line=node.start_mark.line + 1, column=node.start_mark.column + 1)
        self._document.findings.append(place.error(code, message, hint))


def bundle_files(policies: Path) -> Iterator[Path]:
    """The YAML files of a bundle: those directly in its folder, sorted; or the one file that `policies` is."""
    if policies.is_file():
        yield policies
        return
    yield from sorted(file for file in policies.iterdir() if file.suffix in {".yml", ".yaml"} and file.is_file())
