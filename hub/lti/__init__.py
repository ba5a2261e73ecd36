"""The hub as an LTI 1.3 platform: it launches courses of other institutions' LMSs and takes what they report.

`launches` begins a launch, `login` completes it (`claims` checks the tool's request, `idtoken` is what it is told,
`keys` signs). `registering` takes tools that register themselves. In a provider's picker (`pickings`, `deeplink`) an
administrator chooses courses, which wait as `drafts`. `tokens` gives access to the services: `ags` (`lineitems`,
`scores`) and `nrps`. `refusals` keeps what went wrong. Written here, on a maintained JOSE library and cryptography
(docs/decisions/0006).
"""

from __future__ import annotations

from datetime import datetime

import flask
import sqlalchemy as sa

from hub.lti import ags, nrps, pickings, refusals, services, tokens
from hub.lti.keys import SigningKeys
from hub.lti.login import Login, fetch
from hub.lti.picker_page import PickerReturn
from hub.lti.platform import TokenEndpoint, configuration, key_set, register
from hub.lti.refused import ServiceRefused
from hub.lti.toolkeys import ToolKeys

__all__ = ["create_blueprint", "purge"]


def purge(conn: sa.Connection, now: datetime) -> int:
    """Delete what is over; tells how many."""
    return sum(each.purge(conn, now) for each in (tokens, pickings, refusals))


def create_blueprint() -> flask.Blueprint:
    """``/lti/platform/…`` and the platform's configuration. What it keeps in memory belongs to this blueprint alone."""
    blueprint = flask.Blueprint("lti", __name__)
    login, tool_keys = Login(SigningKeys()), ToolKeys()
    blueprint.add_url_rule("/lti/platform/auth", "auth", login.authenticate, methods=["GET", "POST"])
    blueprint.add_url_rule("/lti/platform/fetch/<uuid:launch_id>/<secret>", "fetch", fetch, methods=["POST"])
    blueprint.add_url_rule("/lti/platform/token", "token", TokenEndpoint(tool_keys).answer, methods=["POST"])
    blueprint.add_url_rule("/lti/platform/deep-link", "deep_link", PickerReturn(tool_keys).answer, methods=["POST"])
    blueprint.add_url_rule("/lti/platform/jwks", "jwks", key_set)
    blueprint.add_url_rule("/lti/platform/register", "register", register, methods=["POST"])
    blueprint.add_url_rule("/.well-known/openid-configuration", "configuration", configuration)
    ags.add_to(blueprint)
    nrps.add_to(blueprint)
    blueprint.register_error_handler(ServiceRefused, services.answer_refusal)
    return blueprint
