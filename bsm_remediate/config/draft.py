"""A bundle while it is being read: the raw sections of all files, where each entry is written, and what was found."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Collection, Iterable, Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from typing import TypeAlias, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from bsm_remediate.config.fields import shown
from bsm_remediate.config.reader import Document, Place
from bsm_remediate.config.schema import LATER
from bsm_remediate.domain.event import Json
from bsm_remediate.domain.finding import Finding
from bsm_remediate.errors import InvalidExpression

_ROUNDS = 6
"""How often an entry is read again without its errors."""
_FEW = 8
_KINDS = {
    "bool_type": "neither true nor false",
    "dict_type": "no mapping of keys to values",
    "finite_number": "no number",
    "float_type": "no number",
    "int_type": "no whole number",
    "list_type": "no list",
    "model_type": "no mapping of keys to values",
}
"""What a value of the wrong kind is not, in words for people."""
_MOST_COMPARED = 300_000
"""Names compared for hints, about 2 s of them: a set that was renamed can have thousands of wrong references."""

_Path: TypeAlias = tuple[str | int, ...]
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
    _findings: dict[Finding, None] = field(default_factory=dict)
    _compared: int = 0

    @property
    def findings(self) -> Collection[Finding]:
        """In the order found, each once."""
        return self._findings.keys()

    def names(self, section: str) -> Collection[str]:
        return self.named.get(section, {}).keys()

    def entries(self, section: str) -> Iterable[tuple[str, Entry]]:
        return self.named.get(section, {}).items()

    def validated(self, model: type[Model], entry: Entry) -> Model | None:
        """`entry` as `model`, with findings for what is wrong in it.

        What is wrong is left out and the rest read, so that one error never hides another; None when that can't be.
        """
        value, left_out = entry.value, set[_Path]()
        for _ in range(_ROUNDS):
            try:
                return model.model_validate(value)
            except ValidationError as error:
                wrong = _distinct(error, value, left_out)
                for one, path in wrong:
                    self.add(_explain(one, path, entry, model))
                paths = [path for _, path in wrong] or [_written(value, one) for one in error.errors()]
                left_out.update(paths)
                value = _without(value, paths)
        return None

    def add(self, finding: Finding) -> None:
        self._findings[finding] = None

    def nearest(self, name: str, among: Collection[str]) -> str:
        """A hint with the nearest right name, if there is one; none any more when too much has been compared."""
        self._compared += len(among)
        return nearest(name, among) if self._compared <= _MOST_COMPARED else ""

    def attempt(self, place: Place, code: str, read: Callable[[], Value], hint: str = "") -> Value | None:
        """What `read` gives; None, with a finding at `place`, when it raises `ValueError`."""
        try:
            return read()
        except ValueError as error:
            self.add(place.error(code, str(error), hint))
            return None

    def compiled(self, place: Place, compile_it: Callable[[], Value]) -> Value | None:
        """What `compile_it` gives; None, with a finding at `place`, when that is no expression."""
        try:
            return compile_it()
        except InvalidExpression as error:
            self.add(place.error("bad-expression", str(error)))
            return None

    def known(self, place: Place, name: str, among: Collection[str], what: str) -> bool:
        """Whether `name` is `among` these; a finding with the nearest right name when it isn't."""
        if name in among:
            return True
        self.add(
            place.error(
                f"unknown-{what.split(maxsplit=1)[0]}", f"there is no {what} '{name}'", self.nearest(name, among)
            )
        )
        return False


def _written(value: Json, error: ErrorDetails) -> _Path:
    """Those steps of pydantic's path that stand for something written, and what is missing; others name union kinds."""
    steps: list[str | int] = []
    current = value
    for step in error["loc"]:
        by_key = isinstance(current, dict) and isinstance(step, str) and step in current
        by_number = isinstance(current, list) and isinstance(step, int) and step < len(current)
        if by_key or by_number:
            current = current[step]  # type: ignore[index]
            steps.append(step)
    return (*steps, error["loc"][-1]) if error["type"] == "missing" else tuple(steps)


def _without(value: Json, wrong: Iterable[_Path]) -> Json:
    """`value` without the parts at the paths `wrong`; what is missing takes what it is missing in with it."""
    copied = deepcopy(value)
    for path in sorted(wrong, key=lambda one: [str(step).zfill(9) for step in one], reverse=True):
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
    """A hint with the nearest right name, else with all of them where they are few."""
    right = list(among)
    near = difflib.get_close_matches(name, right, 1, 0.6)
    if near:
        return f"did you mean '{near[0]}'?"
    return f"there are {', '.join(sorted(right))}" if 0 < len(right) <= _FEW else ""


def _distinct(error: ValidationError, value: Json, left_out: Collection[_Path]) -> list[tuple[ErrorDetails, _Path]]:
    """What is really wrong: a union complains once for each of its kinds, and what was left out before is missing."""
    found = [(one, _written(value, one)) for one in error.errors(include_url=False)]
    causes = {path for _, path in found} | set(left_out)
    unknown = [path for one, path in found if one["type"] == "extra_forbidden"]
    others = {path[:-1] for path in (*unknown, *left_out) if path and _comes_later(path)}
    distinct: dict[tuple[_Path, bool], tuple[ErrorDetails, _Path]] = {}
    for one, path in found:
        within = one["type"] not in {"extra_forbidden", "missing"}
        if (
            path in left_out
            or (one["type"] == "missing" and path[:-1] in others)
            or (within and any(_is_below(cause, path) for cause in causes))
        ):
            continue
        distinct.setdefault((path, within), (one, path))
    return list(distinct.values())


def _is_below(path: _Path, other: _Path) -> bool:
    return len(path) > len(other) and path[: len(other)] == other


def _explain(error: ErrorDetails, path: _Path, entry: Entry, model: type[BaseModel]) -> Finding:
    kind, last = error["type"], str(path[-1]) if path else ""
    if kind == "extra_forbidden":
        place = entry.place(*path, of_key=True)
        later = _comes_later(path)
        if later is not None:
            return place.error("not-supported-yet", f"'{last}' comes with a later version: {later}")
        return place.error("unknown-key", f"'{last}' is no key here", nearest(last, _keys(model, error["loc"][:-1])))
    if kind == "missing":
        return entry.place(*path[:-1]).error("missing-key", f"'{last}' is missing")
    if kind == "literal_error":
        right = error["ctx"]["expected"]
        message = (
            f"{shown(error['input'])} is not {right}"
            if " or " not in right
            else f"{shown(error['input'])} is none of {right}"
        )
        hint = nearest(str(error["input"]), right.split("'")[1::2])
        return entry.place(*path).error("bad-value", message, hint if hint.startswith("did") else "")
    if kind in _KINDS:
        return entry.place(*path).error("bad-value", f"{shown(error['input'])} is {_KINDS[kind]}")
    return entry.place(*path).error("bad-value", _plain(error["msg"]))


def _comes_later(path: _Path) -> str | None:
    return LATER.get(str(path[-1]))


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
