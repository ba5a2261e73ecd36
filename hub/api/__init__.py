"""JSON for other systems under ``/api/v1``: what an employee's hours are, why, and what they rest on.

A caller is a credential that was given ``api/read``; it says who it is like at the LRS (Basic, or the same as Bearer).
Every refusal is a problem of RFC 9457 (`hub.errors`). What is answered is written down once, as the models of
`hub.api.models`: they make the answers and the OpenAPI document at ``/api/v1/openapi.json``.
"""

from __future__ import annotations

import flask
from flask_openapi3.blueprint import APIBlueprint
from pydantic import ValidationError
from werkzeug.datastructures import WWWAuthenticate
from werkzeug.exceptions import Unauthorized, UnprocessableEntity

from hub.access import auth
from hub.api import document, views
from hub.api.document import PREFIX, problem_of
from hub.runtime import current

#: The document says how to call: whoever may not call yet may read it.
OPEN = frozenset({"api.openapi"})

_HOW = WWWAuthenticate("basic", {"realm": "WKMB Hub", "charset": "UTF-8"})


def register(app: flask.Flask) -> None:
    """Serve the API in this application."""
    app.register_blueprint(create_blueprint())
    # flask-openapi3 asks the application what a parameter outside its model is answered with.
    vars(app)["validation_error_callback"] = _refuse_parameters


def create_blueprint() -> APIBlueprint:
    """The API, its rules and its document."""
    blueprint = APIBlueprint(
        "api",
        __name__,
        url_prefix=PREFIX,
        abp_security=document.SECURITY,
        abp_responses=document.REFUSALS,
    )
    blueprint.before_request(_authenticate)
    views.add_to(blueprint)
    description = document.describe(blueprint)
    blueprint.add_url_rule("/openapi.json", "openapi", lambda: flask.jsonify(description))
    return blueprint


def _authenticate() -> None:
    """Before anything is read of the request: whose it is, and whether it may."""
    if flask.request.endpoint not in OPEN:
        try:
            auth.require_scope(current(), flask.request.headers.get("Authorization"), "api/read")
        except Unauthorized as refusal:
            # RFC 9110, 15.5.2: who is refused for want of a credential is told how to give one.
            raise Unauthorized(refusal.description, www_authenticate=_HOW) from refusal


def _refuse_parameters(error: ValidationError) -> flask.typing.ResponseReturnValue:
    raise UnprocessableEntity(problem_of(error))
