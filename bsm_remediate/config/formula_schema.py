"""The JSON Schema of formulas, which their reader checks by itself (DESIGN 5.1)."""

from __future__ import annotations

from typing import Any

from bsm_remediate.domain.event import Json

_REF: dict[str, Json] = {"$ref": "#/$defs/Formula"}
_CHILDREN: Json = {"anyOf": [{"type": "array", "items": _REF, "minItems": 1}, _REF]}
_STATE: Json = {"enum": ["ok", "degraded", "down"]}
_IMPACT: Json = {
    "description": "What the dependant sees: `degraded` caps it, `none` only shows it, or a map of states.",
    "anyOf": [
        {"enum": ["degraded", "none"]},
        {"type": "object", "properties": {"degraded": _STATE, "down": _STATE}, "additionalProperties": False},
    ],
}
_COUNTING: Json = {"const": "ok", "description": "A degraded child counts as down."}
_QUANTITY: dict[str, Json] = {"type": ["number", "string"], "examples": [2, -1, "60%"]}
_BESIDE_OF: dict[str, Json] = {
    "weights": {
        "type": "object",
        "additionalProperties": {"type": "number", "exclusiveMinimum": 0},
        "description": "Added up instead of children counted (default 1; a set's is each member's).",
    },
    "comfortable": {**_QUANTITY, "description": "Degraded when fewer are ok (default: as many as are needed)."},
    "counting": _COUNTING,
    "impact": _IMPACT,
}


def _form(description: str, required: list[Json], properties: dict[str, Json]) -> Json:
    return {
        "type": "object",
        "description": description,
        "required": required,
        "properties": properties,
        "additionalProperties": False,
    }


FORMULA: dict[str, Json] = {
    "title": "Formula",
    "description": "What something requires.",
    "anyOf": [
        {"type": "string", "description": "A component, a service, or a component set, which means all its members."},
        {"type": "array", "items": _REF, "minItems": 1, "description": "The worst child."},
        _form("One child, with what is seen of it.", ["id"], {"id": {"type": "string"}, "impact": _IMPACT}),
        _form("The worst child.", ["all"], {"all": _CHILDREN, "impact": _IMPACT}),
        _form("The best child.", ["any"], {"any": _CHILDREN, "counting": _COUNTING, "impact": _IMPACT}),
        _form(
            "Down when fewer children than that are not down: a number, a share, or `-1` for all but one.",
            ["at_least", "of"],
            {"at_least": _QUANTITY, "of": _CHILDREN, **_BESIDE_OF},
        ),
        _form(
            "One more than that share; a majority is `more_than: 50%`.",
            ["more_than", "of"],
            {"more_than": _QUANTITY, "of": _CHILDREN, **_BESIDE_OF},
        ),
    ],
}


def with_formulas(schema: dict[str, Any]) -> dict[str, Any]:
    """The schema of a bundle with that of formulas wherever one is written."""
    definitions = schema["$defs"]
    for section in ("ServiceSection", "ComponentSection"):
        requires = definitions[section]["properties"]["requires"]
        definitions[section]["properties"]["requires"] = {**_REF, "description": requires["description"]}
    return {**schema, "$defs": {**definitions, "Formula": FORMULA}}
