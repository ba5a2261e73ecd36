"""The addresses of the hub as a tool. Beside the package, so that recognition can have scores sent without pages."""

from __future__ import annotations

import flask

from hub.keysets import Jwk, KeySets
from hub.lti.keys import SigningKeys
from hub.lti_tool import frames
from hub.lti_tool.picker import Picker
from hub.lti_tool.views import Views, connect, key_set, register


def create_blueprint() -> flask.Blueprint:
    """``/lti/tool/…``. What it keeps in memory belongs to this blueprint alone."""
    blueprint = flask.Blueprint("lti_tool", __name__)
    views = Views(KeySets[Jwk](lambda jwk: jwk))
    blueprint.add_url_rule("/lti/tool/login", "login", views.login, methods=["GET", "POST"])
    blueprint.add_url_rule("/lti/tool/launch", "launch", views.launch, methods=["GET", "POST"])
    blueprint.add_url_rule("/lti/tool/connect", "connect", connect)
    blueprint.add_url_rule("/lti/tool/register", "register", register)
    picker = Picker(SigningKeys())
    blueprint.add_url_rule("/lti/tool/select", "select", picker.show)
    blueprint.add_url_rule("/lti/tool/select", "answer", picker.answer, methods=["POST"])
    blueprint.add_url_rule("/lti/tool/jwks", "jwks", key_set)
    blueprint.after_app_request(frames.secure)
    return blueprint
