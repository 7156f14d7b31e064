"""Formulas as they are written under `requires` (DESIGN 5.1) → gates."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction

from bsm_remediate.config.draft import Draft, Entry
from bsm_remediate.config.fields import shown
from bsm_remediate.domain.event import Json
from bsm_remediate.domain.formula import (
    AS_IT_IS,
    CAPPED,
    SHOWN_ONLY,
    Edge,
    Gate,
    Impact,
    Quantity,
    all_of,
    any_of,
    at_least,
    more_than,
)
from bsm_remediate.domain.ids import NodeId

_COUNTED = frozenset({"of", "weights", "comfortable", "counting", "impact"})
_BESIDE: Mapping[str, frozenset[str]] = {
    "id": frozenset({"impact"}),
    "all": frozenset({"impact"}),
    "any": frozenset({"impact", "counting"}),
    "at_least": _COUNTED,
    "more_than": _COUNTED,
}
"""Which keys mean something beside each kind."""
_KEYS = frozenset({*_BESIDE, *_COUNTED})
_LEVELS = {"ok": 0, "degraded": 1, "down": 2}
_DEEPEST = 20
_ONE = Fraction(1)


@dataclass(kw_only=True)
class FormulaReader:
    """Reads the formulas of one entry; sets stand for their members."""

    draft: Draft
    entry: Entry
    nodes: Mapping[str, object]
    """Ids of components and services."""
    sets: Mapping[str, Sequence[NodeId]]
    placeholder: str | None = None
    """The host that `{host}` stands for, in a component set."""
    names: list[str] = field(default_factory=list)
    """Everything that may be named, for hints."""

    def read(self, written: Json, *path: str | int) -> Gate | None:
        """The gate that `written` means; None, with findings, when it means none."""
        edges = self._edges(written, path, 0)
        if edges is None:
            return None
        if len(edges) == 1 and isinstance(edges[0].child, Gate) and edges[0].impact == AS_IT_IS:
            return edges[0].child
        return self._made("all", edges, {}, path)

    def _edges(self, written: Json, path: tuple[str | int, ...], depth: int) -> list[Edge] | None:
        """The children that one written thing stands for: a set gives several."""
        if depth > _DEEPEST:
            self._wrong(path, f"a formula is nested more than {_DEEPEST} levels deep")
            return None
        if isinstance(written, str):
            return self._named(written, path, AS_IT_IS)
        if isinstance(written, list):
            gate = self._gate("all", written, {}, path, depth)
            return None if gate is None else [Edge(child=gate)]
        if isinstance(written, dict):
            return self._mapping(written, path, depth)
        self._wrong(path, f"{shown(written)} is no formula: an id, a list, or any, all, at_least, more_than")
        return None

    def _mapping(self, written: dict[str, Json], path: tuple[str | int, ...], depth: int) -> list[Edge] | None:
        unknown = [key for key in written if key not in _KEYS]
        for key in unknown:
            place = self.entry.place(*path, key, of_key=True)
            self.draft.known(place, key, _KEYS, "key")
        impact = self._impact(written.get("impact"), (*path, "impact")) if "impact" in written else AS_IT_IS
        if unknown or impact is None:
            return None
        kinds = [kind for kind in _BESIDE if kind in written]
        if len(kinds) != 1:
            self._wrong(path, f"a formula needs exactly one of {', '.join(_BESIDE)}")
            return None
        kind = kinds[0]
        beside = [key for key in written if key != kind and key not in _BESIDE[kind]]
        for key in beside:
            place = self.entry.place(*path, key, of_key=True)
            self.draft.add(place.error("bad-formula", f"'{key}' means nothing beside '{kind}'"))
        if beside:
            return None
        if kind == "id":
            named = written["id"]
            if not isinstance(named, str):
                self._wrong((*path, "id"), f"{shown(named)} is no id")
                return None
            return self._named(named, (*path, "id"), impact)
        counted = kind in {"at_least", "more_than"}
        children = written.get("of") if counted else written[kind]
        where = (*path, "of" if counted else kind)
        if counted and "of" not in written:
            self._wrong(path, f"'{kind}' needs 'of' with its children")
            return None
        gate = self._gate(kind, children, written, where, depth, path)
        return None if gate is None else [Edge(child=gate, impact=impact)]

    def _gate(
        self,
        kind: str,
        children: Json,
        written: dict[str, Json],
        where: tuple[str | int, ...],
        depth: int,
        path: tuple[str | int, ...] | None = None,
    ) -> Gate | None:
        listed = children if isinstance(children, list) else [children]
        if not listed or children is None:
            self._wrong(where, "an empty formula would always be ok")
            return None
        edges: list[Edge] = []
        complete = True
        weights = self._weights(written.get("weights"), listed, (*(path or where), "weights"))
        self._warn_of_repeated(listed, where)
        for number, child in enumerate(listed):
            step = (*where, number) if isinstance(children, list) else where
            found = self._edges(child, step, depth + 1)
            if found is None:
                complete = False
                continue
            weight = weights.get(_name(child), _ONE) if weights else _ONE
            edges.extend(found if weight == _ONE else [replace(edge, weight=weight) for edge in found])
        if not complete or weights is None:
            return None
        return self._made(kind, edges, written, path or where)

    def _made(
        self, kind: str, edges: Sequence[Edge], written: dict[str, Json], path: tuple[str | int, ...]
    ) -> Gate | None:
        strict = self._counting_ok(written, path)
        try:
            if kind == "all":
                return all_of(edges)
            if kind == "any":
                self._warn_of_soft_children(edges, path)
                return any_of(edges, counting_ok=strict)
            self._warn_of_soft_children(edges, path)
            number = Quantity.parse(_number(written[kind]))
            self._warn_of_nothing(number, edges, (*path, kind))
            comfortable = Quantity.parse(_number(written["comfortable"])) if "comfortable" in written else None
            if kind == "more_than" and number.value < 0:
                raise ValueError(f"{written[kind]} is no share: more_than takes numbers above 0")
            make = at_least if kind == "at_least" else more_than
            return make(number, edges, comfortable=comfortable, counting_ok=strict)
        except ValueError as error:
            step = (kind,) if kind in written else ()
            self._wrong((*path, *step), str(error))
            return None

    def _counting_ok(self, written: dict[str, Json], path: tuple[str | int, ...]) -> bool:
        if "counting" not in written:
            return False
        if written["counting"] != "ok":
            self._wrong((*path, "counting"), f"{shown(written['counting'])} can't be counted; only `ok`")
        return True

    def _warn_of_nothing(self, number: Quantity, edges: Sequence[Edge], path: tuple[str | int, ...]) -> None:
        total = sum((edge.weight for edge in edges if edge.impact != SHOWN_ONLY), Fraction(0))
        if number.of(total) < 1:
            self.draft.add(self.entry.place(*path).warning("below-one", f"of {total} that is less than 1; 1 is meant"))

    def _warn_of_repeated(self, listed: Sequence[Json], path: tuple[str | int, ...]) -> None:
        names = [_name(child) for child in listed]
        for number, name in enumerate(names):
            if name is not None and name in names[:number]:
                place = self.entry.place(*path, number)
                self.draft.add(place.warning("repeated-child", f"'{name}' is listed twice, and so counted twice"))

    def _warn_of_soft_children(self, edges: Sequence[Edge], path: tuple[str | int, ...]) -> None:
        if any(edge.impact == CAPPED for edge in edges):
            message = "a child with `impact: degraded` can never be down here: it always counts as up"
            self.draft.add(self.entry.place(*path).warning("soft-child", message))

    def _weights(
        self, written: Json, listed: Sequence[Json], path: tuple[str | int, ...]
    ) -> dict[str | None, Fraction] | None:
        if written is None:
            return {}
        if not isinstance(written, dict):
            self._wrong(path, "weights are a mapping of children to numbers")
            return None
        found: dict[str | None, Fraction] = {}
        children = [name for child in listed if (name := _name(child)) is not None]
        for name, weight in written.items():
            self.draft.known(self.entry.place(*path, name, of_key=True), name, children, "child")
            if isinstance(weight, bool) or not isinstance(weight, int | float) or weight <= 0:
                self._wrong((*path, name), f"{shown(weight)} is no weight above 0")
                return None
            found[name] = Fraction(str(weight))
        return found

    def _impact(self, written: Json, path: tuple[str | int, ...]) -> Impact | None:
        if written == "degraded":
            return CAPPED
        if written == "none":
            return SHOWN_ONLY
        if isinstance(written, dict) and set(written) <= {"degraded", "down"}:
            seen = {state: _LEVELS.get(str(level)) for state, level in written.items()}
            degraded, down = seen.get("degraded", 1), seen.get("down", 2)
            if degraded is not None and down is not None and degraded <= down:
                return Impact(degraded=degraded, down=down)
        self._wrong(path, "impact is `degraded`, `none`, or a map like {degraded: ok, down: degraded}")
        return None

    def _named(self, name: str, path: tuple[str | int, ...], impact: Impact) -> list[Edge] | None:
        resolved = name if self.placeholder is None else name.replace("{host}", self.placeholder)
        if resolved in self.nodes:
            return [Edge(child=NodeId(resolved), impact=impact)]
        if resolved in self.sets:
            return [Edge(child=member, impact=impact) for member in self.sets[resolved]]
        self.draft.known(self.entry.place(*path), resolved, self.names, "component or service")
        return None

    def _wrong(self, path: tuple[str | int, ...], message: str) -> None:
        self.draft.add(self.entry.place(*path).error("bad-formula", message))


def _name(child: Json) -> str | None:
    """What a child is called, unless it is a formula of its own."""
    named = child.get("id") if isinstance(child, dict) else child
    return named if isinstance(named, str) else None


def _number(value: Json) -> str | float:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise ValueError(f"{shown(value)} is no number like 2 or -1 and no percentage like 60%")
    return value
