"""A bundle while it is being read: the raw sections of all files, where each entry is written, and what was found."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Collection, Iterable, Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from typing import TypeVar

from pydantic import BaseModel, ValidationError

from bsm_remediate.config.reader import Document, Place
from bsm_remediate.config.schema import LATER
from bsm_remediate.domain.event import Json
from bsm_remediate.domain.finding import Finding

_ROUNDS = 6
"""How often an entry is read again without its errors."""

Model = TypeVar("Model", bound=BaseModel)
Value = TypeVar("Value")


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One raw entry: its value, its document and the path to it."""

    document: Document
    path: tuple[str | int, ...]
    value: Json

    def place(self, *steps: str | int, of_key: bool = False) -> Place:
        return self.document.place((*self.path, *steps), of_key=of_key)


@dataclass(kw_only=True)
class Draft:
    """Entries by section and name, and the findings so far."""

    named: dict[str, dict[str, Entry]] = field(default_factory=dict)
    """services, components, … → id → entry."""
    single: dict[str, Entry] = field(default_factory=dict)
    """currency, defaults, settings."""
    findings: list[Finding] = field(default_factory=list)

    def names(self, section: str) -> Collection[str]:
        return self.named.get(section, {}).keys()

    def entries(self, section: str) -> Iterable[tuple[str, Entry]]:
        return self.named.get(section, {}).items()

    def validated(self, model: type[Model], entry: Entry) -> Model | None:
        """`entry` as `model`, with findings for what is wrong in it.

        What is wrong is left out and the rest read, so that one error never hides another; None when that can't be.
        """
        value = entry.value
        for _ in range(_ROUNDS):
            try:
                return model.model_validate(value)
            except ValidationError as error:
                for finding in _explained(error, entry, model):
                    self.add(finding)
                value = _without(value, [one["loc"] for one in error.errors(include_url=False)])
        return None

    def add(self, finding: Finding) -> None:
        if finding not in self.findings:
            self.findings.append(finding)

    def attempt(self, place: Place, code: str, read: Callable[[], Value], hint: str = "") -> Value | None:
        """What `read` gives; None, with a finding at `place`, when it raises `ValueError`."""
        try:
            return read()
        except ValueError as error:
            self.add(place.error(code, str(error), hint))
            return None

    def known(self, place: Place, name: str, among: Collection[str], what: str) -> bool:
        """Whether `name` is `among` these; a finding with the nearest right name when it isn't."""
        if name in among:
            return True
        self.add(
            place.error(f"unknown-{what.split(maxsplit=1)[0]}", f"there is no {what} '{name}'", nearest(name, among))
        )
        return False


def _without(value: Json, wrong: Iterable[Sequence[str | int]]) -> Json:
    """`value` without the parts at the paths `wrong`; a missing key takes what it is missing in with it."""
    copied = deepcopy(value)
    for path in sorted(wrong, key=lambda one: [str(step) for step in one], reverse=True):
        holders: list[tuple[dict[str, Json] | list[Json], str | int]] = []
        current: Json = copied
        for step in path:
            if isinstance(current, dict) and str(step) in current:
                holders.append((current, str(step)))
                current = current[str(step)]
            elif isinstance(current, list) and isinstance(step, int) and step < len(current):
                holders.append((current, step))
                current = current[step]
        if holders:
            holder, step = holders[-1]
            del holder[step]  # type: ignore[arg-type]
    return copied


def nearest(name: str, among: Iterable[str]) -> str:
    """A hint with the nearest right name, if there is one."""
    near = difflib.get_close_matches(name, list(among), 1, 0.6)
    return f"did you mean '{near[0]}'?" if near else ""


def _explained(error: ValidationError, entry: Entry, model: type[BaseModel]) -> Iterable[Finding]:
    seen: set[tuple[int, int]] = set()
    for one in error.errors(include_url=False, include_context=True):
        finding = _explain(one["type"], one["loc"], one["msg"], entry, model)
        if (finding.line, finding.column) in seen and one["type"] not in {"extra_forbidden", "missing"}:
            continue  # a union complains once for each of its kinds
        seen.add((finding.line, finding.column))
        yield finding


def _explain(kind: str, loc: Sequence[str | int], message: str, entry: Entry, model: type[BaseModel]) -> Finding:
    last = str(loc[-1]) if loc else ""
    if kind == "extra_forbidden":
        place = entry.place(*loc, of_key=True)
        if last in LATER:
            return place.error("not-supported-yet", f"'{last}': {LATER[last]} come with a later version")
        return place.error("unknown-key", f"'{last}' is no key here", nearest(last, _keys(model, loc[:-1])))
    if kind == "missing":
        return entry.place(*loc[:-1]).error("missing-key", f"'{last}' is missing")
    return entry.place(*loc).error("bad-value", _plain(message))


def _plain(message: str) -> str:
    text = message.removeprefix("Value error, ")
    return text[0].lower() + text[1:] if text.startswith("Input") else text


def _keys(model: type[BaseModel], loc: Sequence[str | int]) -> list[str]:
    """The keys that are right at `loc` within `model`."""
    current: type[BaseModel] | None = model
    for step in loc:
        if current is None:
            break
        known = current.model_fields.get(str(step))
        current = _model_in(known.annotation) if known is not None else current
    return list(current.model_fields) if current is not None else []


def _model_in(annotation: object) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    for part in getattr(annotation, "__args__", ()):
        found = _model_in(part)
        if found is not None:
            return found
    return None
