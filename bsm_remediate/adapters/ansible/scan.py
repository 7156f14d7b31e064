"""A look at playbooks before they run: plays that reach no host, and alert text handed to what interprets it.

Alert text arrives inert, but a playbook's author can still give it to a shell, a file name or a host pattern. This
finds the plain cases in the playbook's own tasks and the task files it names; it follows neither roles nor variables.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

import yaml
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from bsm_remediate.domain.finding import Finding, Severity
from bsm_remediate.domain.inventory import Inventory

_ALERT = re.compile(r"\bbsm\s*(?:\.\s*alerts?\b|\[\s*['\"]alerts?['\"]\s*\])")
_QUOTED = re.compile(r"\|\s*(?:ansible\.builtin\.)?quote\b")
_PIPE = re.compile(r"\b(?:lookup|query|q)\s*\(\s*['\"](?:ansible\.builtin\.)?(?:pipe|url|file|template)['\"]")
_EXPRESSION = re.compile(r"\{\{(.*?)\}\}|\{%(.*?)%\}", re.DOTALL)
_BUILTIN = ("ansible.builtin.", "ansible.legacy.")
_SHELLS = {"shell", "raw", "script", "expect"}
_INCLUDES = {
    "include_tasks",
    "import_tasks",
    "include_role",
    "import_role",
    "include_vars",
    "import_playbook",
    "include",
}
_HOST_WORDS = {"delegate_to", "hosts", "add_host", "group_by"}
_TASK_LISTS = ("pre_tasks", "tasks", "post_tasks", "handlers", "block", "rescue", "always")
_LONGEST = 1 << 20
_WHOLE = (0, 0)
"""The place of a finding about the file as a whole."""


def scan_playbooks(paths: Iterable[Path], *, inventory: Inventory | None = None) -> list[Finding]:
    """Findings of all `paths`, in order of place; with an inventory also plays whose `hosts` can match none of it."""
    found: set[Finding] = set()
    seen: set[Path] = set()
    waiting = [path.absolute() for path in paths]
    shown = {path.absolute(): str(path) for path in paths}
    while waiting:
        path = waiting.pop()
        if path in seen:
            continue
        seen.add(path)
        scan = _Scan(path, shown.get(path, str(path)), inventory)
        found.update(scan.findings())
        waiting += scan.further
    return sorted(found)


class _Scan:
    """One file."""

    def __init__(self, path: Path, shown: str, inventory: Inventory | None) -> None:
        self._path = path
        self._shown = shown
        self._inventory = inventory
        self._visited: set[int] = set()
        self.further: list[Path] = []
        """Task files and playbooks that it names."""

    def findings(self) -> Iterator[Finding]:
        try:
            text = self._path.read_text(encoding="utf-8")
            if len(text) > _LONGEST:
                raise ValueError(f"is larger than {_LONGEST} characters")
            root = yaml.compose(text, Loader=yaml.SafeLoader)
        except yaml.MarkedYAMLError as error:
            mark = error.problem_mark
            place = (mark.line + 1, mark.column + 1) if mark is not None else _WHOLE
            yield self._at(place, Severity.ERROR, "playbook-unreadable", f"not YAML: {error.problem}")
        except (OSError, ValueError, RecursionError, yaml.YAMLError) as error:
            yield self._at(_WHOLE, Severity.ERROR, "playbook-unreadable", f"can't be read: {error}")
        else:
            yield from self._in_document(root)

    def _in_document(self, root: Node | None) -> Iterator[Finding]:
        if not isinstance(root, SequenceNode):
            yield self._at(_place(root), Severity.ERROR, "playbook-unreadable", "a playbook is a list of plays")
            return
        for play in root.value:
            if isinstance(play, MappingNode):
                yield from self._in_play_or_task(play)

    def _in_play_or_task(self, node: MappingNode) -> Iterator[Finding]:
        if id(node) in self._visited:
            return
        self._visited.add(id(node))
        for key, value in _members(node):
            word = _short(key)
            if key in _TASK_LISTS and isinstance(value, SequenceNode):
                for task in value.value:
                    if isinstance(task, MappingNode):
                        yield from self._in_play_or_task(task)
                continue
            if word == "hosts":
                yield from self._hosts(value)
            if word in _INCLUDES:
                self._follow(word, value)
            for use in _uses(value):
                yield from self._judge(word, use)

    def _judge(self, word: str, use: _Use) -> Iterator[Finding]:
        node = use.node
        if word in _SHELLS and not _QUOTED.search(use.expression):
            hint = "use ansible.builtin.command with argv, or at least the filter quote"
            yield self._warn(node, "alert-in-shell", f"text of an alert becomes part of a command line of {word}", hint)
        elif word in _INCLUDES:
            hint = "choose the file by a condition on known values"
            yield self._warn(node, "alert-in-include", f"text of an alert chooses the file of {word}", hint)
        elif word in _HOST_WORDS:
            hint = "use inventory names only; the run is limited to its own hosts"
            yield self._warn(node, "alert-in-hosts", f"text of an alert chooses hosts in {word}", hint)
        elif word.startswith("become"):
            yield self._warn(
                node, "alert-in-become", f"text of an alert decides about privileges in {word}", "write it out"
            )
        if _PIPE.search(use.expression):
            hint = "a lookup of that kind runs, reads or fetches what it is given"
            yield self._warn(node, "alert-in-lookup", "text of an alert is given to a lookup that acts on it", hint)

    def _hosts(self, value: Node) -> Iterator[Finding]:
        words = [one.value for one in value.value] if isinstance(value, SequenceNode) else [value.value]
        if self._inventory is None or not all(isinstance(word, str) for word in words):
            return
        patterns = [part.strip() for word in words for part in re.split(r"[,:](?![^\[]*\])", word) if part.strip()]
        names = {*self._inventory.addresses, *self._inventory.groups}
        if patterns and not any(_may_match(pattern, names) for pattern in patterns):
            said = ", ".join(patterns)
            hint = "write `hosts: all`; each run is limited to its own hosts anyway"
            yield self._warn(
                value, "play-without-hosts", f"no host or group of the inventory fits 'hosts: {said}'", hint
            )

    def _follow(self, word: str, value: Node) -> None:
        if word not in {"include_tasks", "import_tasks", "import_playbook", "include"}:
            return
        named = dict(_members(value)).get("file", value) if isinstance(value, MappingNode) else value
        if isinstance(named, ScalarNode) and "{" not in named.value:
            path = self._path.parent / named.value
            if path.is_file():
                self.further.append(path.absolute())

    def _warn(self, node: Node, code: str, message: str, hint: str) -> Finding:
        return self._at(_place(node), Severity.WARNING, code, message, hint=hint)

    def _at(self, place: tuple[int, int], severity: Severity, code: str, message: str, *, hint: str = "") -> Finding:
        line, column = place
        return Finding(
            file=self._shown, line=line, column=column, severity=severity, code=code, message=message, hint=hint
        )


@dataclass(frozen=True, slots=True)
class _Use:
    """An expression that mentions an alert, in a scalar."""

    node: ScalarNode
    expression: str


def _uses(value: Node) -> Iterator[_Use]:
    waiting: list[Node] = [value]
    seen: set[int] = set()  # an alias may stand for a node above itself
    while waiting:
        node = waiting.pop()
        if id(node) in seen:
            continue
        seen.add(id(node))
        if isinstance(node, ScalarNode):
            for found in _EXPRESSION.finditer(node.value):
                expression = found[1] or found[2] or ""
                if _ALERT.search(expression):
                    yield _Use(node, expression)
        elif isinstance(node, SequenceNode):
            waiting += node.value
        elif isinstance(node, MappingNode):
            waiting += [part for pair in node.value for part in pair]


def _members(node: MappingNode) -> Iterator[tuple[str, Node]]:
    for key, value in node.value:
        if isinstance(key, ScalarNode):
            yield key.value, value


def _short(key: str) -> str:
    for prefix in _BUILTIN:
        key = key.removeprefix(prefix)
    return key


def _may_match(pattern: str, names: Iterable[str]) -> bool:
    """Whether `pattern` could reach something: only what is surely nothing counts as a miss."""
    if pattern in {"all", "*", "localhost"} or pattern[0] in "~!&" or any(sign in pattern for sign in "{}["):
        return True
    return any(fnmatchcase(name, pattern) for name in names)


def _place(node: Node | None) -> tuple[int, int]:
    return (node.start_mark.line + 1, node.start_mark.column + 1) if node is not None else _WHOLE
