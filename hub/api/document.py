"""The OpenAPI 3.1 document: made of the rules and models of the API's blueprint, so that it says nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flask_openapi3.blueprint import APIBlueprint
from flask_openapi3.models import APISpec
from flask_openapi3.models.components import Components
from flask_openapi3.models.info import Info
from pydantic import ValidationError

PREFIX = "/api/v1"
TITLE = "WKMB Hub"

#: Either will do: the same key and secret, as for the LRS.
SECURITY: list[dict[str, list[str]]] = [{"basic": []}, {"bearer": []}]

_SCHEMES: dict[str, Any] = {
    "basic": {"type": "http", "scheme": "basic", "description": "Key and secret of a credential with api/read."},
    "bearer": {
        "type": "http",
        "scheme": "bearer",
        "description": "The same: the base64 of key:secret as the token.",
    },
}

#: What RFC 9457 says of a refusal, and the hub's own two members.
_PROBLEM = {
    "type": "object",
    "description": "A problem (RFC 9457).",
    "required": ["type", "title", "status", "detail", "code", "reference"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string", "description": "What is wrong and what to do, in words."},
        "code": {"type": "string", "description": "The same as a stable name."},
        "reference": {"type": "string", "description": "Under this number the hub's log has the request."},
    },
}


def _refusal(description: str) -> dict[str, Any]:
    content = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
    return {"description": description, "content": content}


REFUSALS: dict[int | str, Any] = {
    401: _refusal("No credential, or a wrong one."),
    403: _refusal("The credential was not given api/read."),
    404: _refusal("There is no such thing."),
    422: _refusal("A parameter is unknown or outside its range; the detail names it."),
    429: _refusal("More requests in a minute than this credential may make."),
}
REFUSALS[401]["headers"] = {"WWW-Authenticate": {"description": "How to say who calls.", "schema": {"type": "string"}}}
REFUSALS[429]["headers"] = {"Retry-After": {"description": "Seconds to wait.", "schema": {"type": "string"}}}


def describe(blueprint: APIBlueprint) -> Mapping[str, Any]:
    """The document of everything that the blueprint serves."""
    components = Components(schemas={**blueprint.components_schemas}, securitySchemes=_SCHEMES)
    info = Info(title=TITLE, version="1", description="Recognized learning hours (JP), their reasons and evidence.")
    spec = APISpec(openapi="3.1.0", info=info, paths=blueprint.paths, tags=blueprint.tags, components=components)
    found: dict[str, Any] = spec.model_dump(mode="json", by_alias=True, exclude_unset=True, warnings=False)
    found["components"]["schemas"]["Problem"] = _PROBLEM
    return found


def problem_of(error: ValidationError) -> str:
    """What is wrong with each parameter, in words. Its value is not repeated: it may be personal."""
    # A parameter that may be left out is "or nothing" to pydantic: that it is something is no problem.
    found = [each for each in error.errors() if each["type"] != "none_required"]
    return "; ".join(f"{each['loc'][0]}: {each['msg']}" for each in found) + "."
