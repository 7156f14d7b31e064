"""What the served description (OpenAPI) says beside what FastAPI knows: credentials, problems, webhooks."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from fastapi import FastAPI

from bsm_remediate.domain.access import POST_ALERTS
from bsm_remediate.web.problem import CONTENT_TYPE, TITLES

_LABELS = {"type": "object", "additionalProperties": {"type": "string"}}
_MOMENT = {"type": "string", "format": "date-time"}
_STATUS = {"type": "string", "enum": ["firing", "resolved"]}
_ALERTMANAGER = {
    "type": "object",
    "description": "What Alertmanager posts.",
    "required": ["alerts"],
    "properties": {
        "version": {"type": "string"},
        "truncatedAlerts": {"type": "integer"},
        "alerts": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["labels", "status"],
                "properties": {
                    "status": _STATUS,
                    "labels": {**_LABELS, "required": ["alertname"], "properties": {"alertname": {"type": "string"}}},
                    "annotations": _LABELS,
                    "startsAt": _MOMENT,
                    "endsAt": _MOMENT,
                    "fingerprint": {"type": "string"},
                },
            },
        },
    },
}
_GENERIC = {
    "type": "object",
    "description": "The generic body: one alert, or `alerts` with a list of them.",
    "required": ["name"],
    "additionalProperties": False,
    "properties": {
        "name": {"type": "string"},
        "status": _STATUS,
        "severity": {"type": "string"},
        "component": {"type": "string"},
        "labels": _LABELS,
        "annotations": _LABELS,
        "starts_at": _MOMENT,
        "ends_at": _MOMENT,
        "fingerprint": {"type": "string"},
    },
}
_VENDORS = {"type": "object", "description": "What the source's own tool posts; see the page on webhooks."}
_ACCEPTED = {
    "type": "object",
    "required": ["accepted"],
    "properties": {
        "accepted": {"type": "integer", "minimum": 0},
        "rejected": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {"field": {"type": "string"}, "message": {"type": "string"}},
            },
        },
    },
}
_PROBLEM = {
    "type": "object",
    "description": "RFC 9457.",
    "required": ["type", "title", "status", "detail"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "field": {"type": "string", "description": "JSON pointer to what is wrong in the body."},
    },
}


def describe(api: FastAPI, sources: Iterable[str]) -> None:
    """Complete the description that `api` serves; `sources` are the names of webhooks."""
    plain = api.openapi
    names = sorted(sources)

    def described() -> dict[str, Any]:
        if api.openapi_schema is None:
            document = plain()
            document["paths"]["/api/v1/webhooks/{source}"] = {"post": _webhook(names)}
            components = document.setdefault("components", {})
            components.setdefault("schemas", {})["Problem"] = _PROBLEM
            components["securitySchemes"] = {
                "token": {"type": "http", "scheme": "bearer"},
                "password": {"type": "http", "scheme": "basic", "description": "The token as password."},
            }
            for path in document["paths"].values():
                for operation in path.values():
                    operation["responses"].pop("422", None)  # FastAPI's own form, which isn't what is answered
                    operation["responses"]["default"] = _problem("A problem: " + ", ".join(map(str, TITLES)))
        found: dict[str, Any] = api.openapi_schema or {}
        return found

    api.openapi = described  # type: ignore[method-assign]


def _webhook(sources: list[str]) -> dict[str, Any]:
    bodies = {"schema": {"anyOf": [_ALERTMANAGER, _GENERIC, _VENDORS]}}
    return {
        "summary": "Take alerts; 202 once they are durable",
        "operationId": "post_alerts",
        "parameters": [
            {"name": "source", "in": "path", "required": True, "schema": {"type": "string", "enum": sources}}
        ],
        "requestBody": {"required": True, "content": {"application/json": bodies}},
        "responses": {
            "202": {
                "description": "All good alerts of it are stored; bad ones are named.",
                "content": {"application/json": {"schema": _ACCEPTED}},
            }
        },
        "security": [{"token": []}, {"password": []}],
        "x-roles": sorted(role.value for role in POST_ALERTS),
    }


def _problem(text: str) -> dict[str, Any]:
    return {"description": text, "content": {CONTENT_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}}
