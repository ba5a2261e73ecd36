"""What machines ask of the platform itself: its configuration, its key set, to be registered, and access tokens."""

from __future__ import annotations

from importlib.metadata import version
from urllib.parse import parse_qsl

import flask
import orjson
import structlog
from werkzeug.exceptions import HTTPException

from hub.access import limits
from hub.bodies import read_body
from hub.lti import keys, refusals, registering, signed, tokens, variables
from hub.lti.registering import RegistrationRefused
from hub.lti.scopes import GRANTED
from hub.lti.tokens import TokenRefused
from hub.lti.toolkeys import ToolKeys
from hub.operations import outcomes
from hub.runtime import current

log = structlog.get_logger()

#: No assertion needs more.
LARGEST = 64 * 1024

#: Registrations per address and minute in which it may fail and be tried again.
REGISTRATIONS = 30


def configuration() -> flask.Response:
    """OpenID Connect Discovery, with LTI's part (1EdTech LTI Dynamic Registration 1.0 section 2.1)."""
    base_url = current().base_url
    platform = f"{base_url}/lti/platform"
    return flask.jsonify(
        {
            "issuer": base_url,
            "authorization_endpoint": f"{platform}/auth",
            "token_endpoint": f"{platform}/token",
            "token_endpoint_auth_methods_supported": ["private_key_jwt"],
            "token_endpoint_auth_signing_alg_values_supported": [signed.ALGORITHM],
            "jwks_uri": f"{platform}/jwks",
            "registration_endpoint": f"{platform}/register",
            "scopes_supported": ["openid", *GRANTED],
            "response_types_supported": ["id_token"],
            "response_modes_supported": ["form_post"],
            "grant_types_supported": ["implicit", "client_credentials"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": [keys.ALGORITHM],
            "claims_supported": ["iss", "sub", "name", "given_name", "family_name", "email", "locale"],
            "https://purl.imsglobal.org/spec/lti-platform-configuration": {
                "product_family_code": "wkmb-hub",
                "version": version("wkmb-hub"),
                "messages_supported": [
                    {"type": "LtiResourceLinkRequest"},
                    {"type": "LtiDeepLinkingRequest", "placements": ["ContentArea"]},
                ],
                "variables": list(variables.NAMES),
            },
        }
    )


def key_set() -> flask.Response:
    """The public keys with which id_tokens are checked."""
    hub = current()
    keys.ensure(hub)
    with hub.db.read() as conn:
        response = flask.jsonify(keys.key_set(conn, hub.clock()))
    # A cache between us that answered with the set of before a rotation would fail the launches after it.
    response.headers["Cache-Control"] = "no-cache"
    return response


def register() -> flask.Response:
    """A tool registers itself (`hub.lti.registering`)."""
    hub = current()
    address = flask.request.remote_addr or ""
    if not limits.allow(hub, "lti-register", address, most=REGISTRATIONS, seconds=60):
        return _refuse("slow_down", "Too many registrations from this address. Try again in a minute.", 429)
    try:
        body = read_body(flask.request.environ, limit=LARGEST)
    except HTTPException as error:
        return _refuse("invalid_client_metadata", error.description or "The body cannot be read.", 400)
    found = registering.register(hub, flask.request.headers.get("Authorization", ""), body)
    if isinstance(found, RegistrationRefused):
        log.info("registration_refused", error=found.error)
        response = _refuse(found.error, found.why, found.status)
        if found.status == 401:
            response.headers["WWW-Authenticate"] = 'Bearer error="invalid_token"'
        return response
    log.info("tool_registered", tool=found.tool.name)
    return _json(registering.answer(found), 201)


class TokenEndpoint:
    """``/lti/platform/token``; one object per application, because it keeps the tools' keys."""

    def __init__(self, tool_keys: ToolKeys) -> None:
        self._tool_keys = tool_keys

    def answer(self) -> flask.Response:
        """The access token, or the error, as RFC 6749 sections 5.1 and 5.2 have it."""
        form = _read_form()
        if isinstance(form, TokenRefused):
            return _refusal(form)
        granted = tokens.grant(current(), self._tool_keys, form)
        if isinstance(granted, TokenRefused):
            return _refusal(granted)
        said = {
            "access_token": granted.token,
            "token_type": "Bearer",
            "expires_in": int(tokens.LIFE.total_seconds()),
            "scope": " ".join(granted.scopes),
        }
        return _json(said)


def _read_form() -> dict[str, str] | TokenRefused:
    """The form of the request; one parameter twice is refused (RFC 6749 section 3.2)."""
    if flask.request.mimetype != "application/x-www-form-urlencoded":
        return TokenRefused("content_type", "invalid_request", "Send a form: application/x-www-form-urlencoded.")
    try:
        body = read_body(flask.request.environ, limit=LARGEST)
        pairs = parse_qsl(body.decode(), keep_blank_values=True, max_num_fields=100)
    except HTTPException as error:
        return TokenRefused("body", "invalid_request", error.description or "The body cannot be read.")
    except ValueError:
        return TokenRefused("body", "invalid_request", "The body is not a form in UTF-8.")
    form = dict(pairs)
    if len(form) != len(pairs):
        return TokenRefused("body", "invalid_request", "A parameter stands in the form twice.")
    return form


def _refusal(refused: TokenRefused) -> flask.Response:
    outcomes.note("token", refused.check)
    log.info("token_refused", check=refused.check, error=refused.error)
    if refused.tool is not None:
        refusals.note(current(), refused.tool, "token", refused.check, refused.error, refused.why)
    return _refuse(refused.error, refused.why, refused.status)


def _refuse(error: str, why: str, status: int) -> flask.Response:
    response = _json({"error": error, "error_description": why}, status)
    if status == 429:
        response.headers["Retry-After"] = "60"
    return response


def _json(value: dict[str, object], status: int = 200) -> flask.Response:
    response = flask.Response(orjson.dumps(value), status=status, content_type="application/json")
    response.headers["Cache-Control"] = "no-store"
    response.headers["Pragma"] = "no-cache"
    return response
