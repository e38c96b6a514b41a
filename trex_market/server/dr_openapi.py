"""The description of demand response over HTTP, OpenAPI 3.1, made from its messages."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import msgspec

from trex_market import __version__
from trex_market.protocol.wire import Result

if TYPE_CHECKING:
    from trex_market.server.dr_rest import Route

REFUSALS = {
    "400": "Refused for what it says; code and detail say why.",
    "401": "Not the token that is needed.",
    "403": "Sent by a page of another origin.",
    "404": "There is no such event, device or participant.",
    "409": "Not at this time: too late, cancelled, or it overlaps with another event.",
    "429": "Too many wrong tokens or connections.",
}

_NAME = re.compile(r"\{(\w+)\}")


def openapi(routes: Sequence[Route]) -> bytes:
    """Return the description of routes, as JSON."""
    kinds: list[type] = [Result]
    for route in routes:
        kinds += [route.answer, *([route.body] if route.body is not None else [])]
    schemas, components = msgspec.json.schema_components(
        list(dict.fromkeys(kinds)), ref_template="#/components/schemas/{name}"
    )
    schema_of = dict(zip(dict.fromkeys(kinds), schemas, strict=True))
    paths: dict[str, dict[str, Any]] = {}
    for route in routes:
        paths.setdefault(route.path, {})[route.method.lower()] = _operation(route, schema_of)
    document = {
        "openapi": "3.1.0",
        "info": {
            "title": "trex_market demand response",
            "version": __version__,
            "description": "Power in kW, energy in kWh, prices in $/kWh, times in UNIX seconds.",
        },
        "paths": paths,
        "components": {
            "schemas": components,
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
    }
    return msgspec.json.format(msgspec.json.encode(document))


def _operation(route: Route, schema_of: dict[type, dict[str, Any]]) -> dict[str, Any]:
    refusal = {"application/json": {"schema": schema_of[Result]}}
    responses: dict[str, Any] = {
        "200": {
            "description": "Done.",
            "content": {"application/json": {"schema": schema_of[route.answer]}},
        }
    }
    for status, description in REFUSALS.items():
        responses[status] = {"description": description, "content": refusal}
    text = {"type": "string", "minLength": 1}
    moment = {"type": "integer", "minimum": 0, "maximum": 2**37}
    parameters = [
        {"name": name, "in": "path", "required": True, "schema": text} for name in _NAME.findall(route.path)
    ]
    parameters += [{"name": name, "in": "query", "schema": moment} for name in route.query]
    operation: dict[str, Any] = {
        "operationId": route.name,
        "summary": route.meaning,
        "security": [{"token": []}, {}],
        "parameters": parameters,
        "responses": responses,
    }
    if route.body is not None:
        operation["requestBody"] = {
            "required": True,
            "content": {"application/json": {"schema": schema_of[route.body]}},
        }
    return operation
