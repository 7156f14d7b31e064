"""Expressions (`when`) and templates: compiled once, evaluated on values, never on text that came from outside.

Jinja2's sandbox alone is not enough: it folds constants while compiling, so `10**(10**10)` hangs. An allow-list of node
types is walked before anything is compiled.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from jinja2 import StrictUndefined, TemplateError, Undefined, nodes
from jinja2.sandbox import ImmutableSandboxedEnvironment

from bsm_remediate.domain.facts import Facts
from bsm_remediate.domain.service_map import Component
from bsm_remediate.errors import InvalidExpression

_LONGEST = 1_000
_MOST_NODES, _DEEPEST, _MOST_BRACKETS = 200, 30, 30
_LARGEST_NUMBER = 1e15
_LONGEST_RESULT = 10_000

_FILTERS = frozenset({"lower", "upper", "trim", "int", "float", "length", "default", "abs", "round", "first", "last"})
_TESTS = frozenset({"defined", "undefined", "none", "in", "string", "number"})
_ALLOWED = (
    nodes.And,
    nodes.Or,
    nodes.Not,
    nodes.Compare,
    nodes.Operand,
    nodes.Name,
    nodes.Const,
    nodes.TemplateData,
    nodes.Getattr,
    nodes.Getitem,
    nodes.Filter,
    nodes.Test,
    nodes.Add,
    nodes.Sub,
    nodes.Mul,
    nodes.Div,
    nodes.FloorDiv,
    nodes.Neg,
    nodes.Pos,
    nodes.List,
    nodes.Tuple,
    nodes.CondExpr,
    nodes.Keyword,
    nodes.Output,
    nodes.Template,
)
_ARITHMETIC = (nodes.Add, nodes.Sub, nodes.Mul, nodes.Div, nodes.FloorDiv)
_BINARY: dict[str, Callable[[Any, Any], Any]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": operator.truediv,
    "//": operator.floordiv,
}
_Names = Mapping[str, frozenset[str] | None]
_FACTS: _Names = {
    "alert": frozenset({"name", "severity", "labels", "annotations", "starts_at"}),
    "signal": frozenset({"age", "value"}),
    "component": frozenset({"id", "host", "labels"}),
    "impact": frozenset({"loss_per_minute", "services"}),
    "now": None,
}
"""The names of a `when`, and what each has; None: anything."""
_COMPONENT: _Names = {"component": frozenset({"id", "host", "address", "labels"})}
_LABELS: _Names = {"labels": None, "alert": frozenset({"labels"})}
_MOST_DIGITS = 15


class _Environment(ImmutableSandboxedEnvironment):
    """Items before attributes (`labels.items` is the label of that name), small numbers only."""

    intercepted_binops = frozenset(_BINARY)

    def getattr(self, obj: Any, attribute: str) -> Any:
        if isinstance(obj, Mapping):
            return obj[attribute] if attribute in obj else self.undefined(obj=obj, name=attribute)
        return self.undefined(obj=obj, name=attribute)

    def getitem(self, obj: Any, argument: Any) -> Any:
        try:
            return obj[argument]
        except (TypeError, LookupError):
            return self.undefined(obj=obj, name=str(argument))

    def call_binop(self, context: Any, operator: str, left: Any, right: Any) -> Any:  # noqa: ARG002 - Jinja2's signature
        for value in (left, right):
            if isinstance(value, bool) or not isinstance(value, int | float) or abs(value) > _LARGEST_NUMBER:
                raise InvalidExpression(f"'{operator}' takes numbers, not {value!r:.40}")
        return _BINARY[operator](left, right)


def _round(value: Any, precision: Any = 0) -> float:
    """Jinja2's own takes any precision, and then computes ten to the power of it: for hours."""
    if not isinstance(precision, int) or abs(precision) > _MOST_DIGITS:
        raise InvalidExpression(f"round takes at most {_MOST_DIGITS} digits, not {precision!r:.40}")
    if isinstance(value, bool) or not isinstance(value, int | float) or abs(value) > _LARGEST_NUMBER:
        raise InvalidExpression(f"round takes numbers, not {value!r:.40}")
    return round(float(value), precision)


class _Missing(Undefined):
    """A label that isn't there: equal to nothing, neither below nor above anything. Alerts differ in their labels."""

    __slots__ = ()

    def _is_false(self, other: object) -> bool:  # noqa: ARG002 - an operator's signature
        return False

    __lt__ = __le__ = __gt__ = __ge__ = _is_false  # type: ignore[assignment]  # Jinja2's never return


@cache
def _environment(undefined: type[Undefined] = StrictUndefined) -> _Environment:
    environment = _Environment(undefined=undefined, autoescape=False)
    environment.globals.clear()
    environment.filters = {**{name: environment.filters[name] for name in _FILTERS}, "round": _round}
    environment.tests = {
        **{name: environment.tests[name] for name in _TESTS},
        **{name: test for name, test in environment.tests.items() if not name.isalpha()},
    }
    return environment


@dataclass(frozen=True, slots=True)
class Expression:
    """A compiled `when`. Implements `Condition`."""

    source: str
    _compiled: Callable[..., Any] = field(repr=False, compare=False)

    def __call__(self, facts: Facts) -> bool:
        """Whether it holds; a label that isn't there makes a comparison false."""
        try:
            found = self._compiled(**facts.as_mapping())
        except (TemplateError, ArithmeticError, TypeError, ValueError) as error:
            raise InvalidExpression(f"'{self.source}': {error}") from error
        if isinstance(found, Undefined):
            return False
        if not isinstance(found, bool):
            raise InvalidExpression(f"'{self.source}' is {type(found).__name__}, not true or false")
        return found


@dataclass(frozen=True, slots=True)
class ComponentTemplate:
    """A compiled text over component facts. Implements `Template`."""

    source: str
    _render: Callable[..., str] = field(repr=False, compare=False)

    def __call__(self, component: Component) -> str:
        facts = {
            "id": component.id,
            "host": component.host,
            "address": component.address or component.host,
            "labels": component.labels,
        }
        return _rendered(self.source, self._render, {"component": facts})


@dataclass(frozen=True, slots=True)
class LabelText:
    """A compiled text over alert labels; its result must be an existing id. Implements `LabelTemplate`."""

    source: str
    _render: Callable[..., str] = field(repr=False, compare=False)

    def __call__(self, labels: Mapping[str, str]) -> str:
        try:
            return _rendered(self.source, self._render, {"labels": labels, "alert": {"labels": labels}})
        except InvalidExpression:
            return ""


def _rendered(source: str, render: Callable[..., str], names: Mapping[str, object]) -> str:
    try:
        text = render(names)
    except (TemplateError, ArithmeticError, TypeError, ValueError) as error:
        raise InvalidExpression(f"'{source}': {error}") from error
    if len(text) > _LONGEST_RESULT:
        raise InvalidExpression(f"'{source}' gives more than {_LONGEST_RESULT} characters")
    return text


@cache
def compile_condition(source: str) -> Expression:
    """The condition that `source` means. Raises `InvalidExpression`."""
    tree = _check(f"{{{{ ({source}\n) }}}}", _FACTS, shown=source)
    if not all(_may_be_a_truth(node) for output in tree.body for node in getattr(output, "nodes", ())):
        raise InvalidExpression(f"'{source}' is never true or false; compare it with something")
    try:
        return Expression(source, _environment(_Missing).compile_expression(source, undefined_to_none=False))
    except TemplateError as error:
        raise InvalidExpression(f"'{source}': {error}") from error


@cache
def compile_component_template(source: str) -> ComponentTemplate:
    """The template over `component` that `source` means. Raises `InvalidExpression`."""
    return filled(source, parsed_component_template(source))


def parsed_component_template(source: str) -> nodes.Template:
    """What `source` consists of, all of it allowed. Raises `InvalidExpression`."""
    return _check(source, _COMPONENT, shown=source)


def filled(
    source: str, tree: nodes.Template, filters: Mapping[str, Callable[..., Any]] | None = None
) -> ComponentTemplate:
    """The template that `tree`, made of `source`, means; it may call `filters`, which no author can name."""
    environment = _environment().overlay()
    environment.filters = {**environment.filters, **(filters or {})}
    return ComponentTemplate(source, environment.from_string(tree).render)


@cache
def compile_label_template(source: str) -> LabelText:
    """The template over `labels` that `source` means. Raises `InvalidExpression`."""
    _check(source, _LABELS, shown=source)
    return LabelText(source, _environment().from_string(source).render)


def _may_be_a_truth(node: nodes.Node) -> bool:
    """Whether it can be true or false; facts and what is computed from them never are."""
    if isinstance(node, nodes.And | nodes.Or):
        return _may_be_a_truth(node.left) and _may_be_a_truth(node.right)
    if isinstance(node, nodes.CondExpr):
        return _may_be_a_truth(node.expr1) and (node.expr2 is None or _may_be_a_truth(node.expr2))
    if isinstance(node, nodes.Filter):
        return node.name in {"default", "first", "last"}
    if isinstance(node, nodes.Const):
        return isinstance(node.value, bool)
    return isinstance(node, nodes.Compare | nodes.Not | nodes.Test | nodes.TemplateData)


def _check(template: str, names: _Names, *, shown: str) -> nodes.Template:
    """Refuse everything outside the allow-list before Jinja2 compiles (and so folds constants of) it."""
    if len(shown) > _LONGEST:
        raise InvalidExpression(f"longer than {_LONGEST} characters")
    if sum(shown.count(bracket) for bracket in "([{") > _MOST_BRACKETS * 2:
        raise InvalidExpression(f"'{shown[:60]}…' has too many brackets")
    try:
        tree = _environment().parse(template)
    except (TemplateError, RecursionError) as error:
        raise InvalidExpression(f"'{shown}': {error}") from error
    waiting: list[tuple[nodes.Node, int]] = [(tree, 0)]
    seen = 0
    while waiting:
        node, depth = waiting.pop()
        seen += 1
        if seen > _MOST_NODES or depth > _DEEPEST:
            raise InvalidExpression(f"'{shown[:60]}…' is too long or too deeply nested")
        _check_node(node, names, shown)
        waiting.extend((child, depth + 1) for child in node.iter_child_nodes())
    return tree


def _is_no_number(node: nodes.Node) -> bool:
    return isinstance(node, nodes.List | nodes.Tuple) or (isinstance(node, nodes.Const) and isinstance(node.value, str))


def _check_fact(node: nodes.Node, names: _Names, shown: str) -> None:
    """Refuse a fact that isn't there: it would be undefined for ever, and nobody would hear of it."""
    if isinstance(node, nodes.Name) and node.name not in names:
        raise InvalidExpression(f"'{shown}': there is no '{node.name}' here, only {', '.join(sorted(names))}")
    if not isinstance(node, nodes.Getattr | nodes.Getitem) or not isinstance(node.node, nodes.Name):
        return
    known = names.get(node.node.name)
    if isinstance(node, nodes.Getattr):
        wanted: object = node.attr
    else:
        wanted = node.arg.value if isinstance(node.arg, nodes.Const) else None
    if known is not None and wanted not in known:
        name = node.node.name
        has = ", ".join(f"{name}.{one}" for one in sorted(known))
        raise InvalidExpression(f"'{shown}': there is no '{name}.{wanted}' here, only {has}")


def _check_node(node: nodes.Node, names: _Names, shown: str) -> None:
    kind = type(node).__name__.lower()
    if not isinstance(node, _ALLOWED):
        raise InvalidExpression(f"'{shown}': {kind} is not part of an expression")
    _check_fact(node, names, shown)
    if isinstance(node, nodes.Filter) and node.name not in _FILTERS:
        raise InvalidExpression(f"'{shown}': there is no filter '{node.name}', only {', '.join(sorted(_FILTERS))}")
    if isinstance(node, nodes.Test) and node.name not in _TESTS:
        raise InvalidExpression(f"'{shown}': there is no test '{node.name}', only {', '.join(sorted(_TESTS))}")
    if isinstance(node, nodes.Getattr) and node.attr.startswith("_"):
        raise InvalidExpression(f"'{shown}': '{node.attr}' is out of reach")
    if isinstance(node, _ARITHMETIC) and any(_is_no_number(side) for side in (node.left, node.right)):
        raise InvalidExpression(f"'{shown}': '{node.operator}' takes numbers only")
    if isinstance(node, nodes.Const) and isinstance(node.value, int | float):
        number = float(node.value) if abs(node.value) < _LARGEST_NUMBER else math.inf
        if not math.isfinite(number):
            raise InvalidExpression(f"'{shown}': a number is too large")
