"""``/lti/platform/deep-link``: where a provider's picker sends the administrator's browser back to, with her choice."""

from __future__ import annotations

import flask
import structlog
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _

from hub.access import accounts
from hub.lti import deeplink, login, refusals
from hub.lti.toolkeys import ToolKeys
from hub.runtime import current

log = structlog.get_logger()


class PickerReturn:
    """One object per application, because it uses the tools' keys, which the token endpoint keeps."""

    def __init__(self, tool_keys: ToolKeys) -> None:
        self._tool_keys = tool_keys

    def answer(self) -> ResponseReturnValue:
        """POST alone: the form's one field is ``JWT`` (Deep Linking 2.0 section 4.4)."""
        given = login.read_form(limit=deeplink.LARGEST)
        session = accounts.current()
        if session is None and login.REPOSTED not in given:
            return login.form_page(flask.request.path, {"JWT": given.get("JWT", ""), login.REPOSTED: "1"}, "'self'")
        found = deeplink.accept(current(), self._tool_keys, given.get("JWT", ""), session)
        if isinstance(found, deeplink.Refused):
            return _refuse(found)
        log.info("picked", tool=found.tool.name, new=found.landed.new, left_out=len(found.left_out))
        return flask.render_template("lti/picked.html", answer=found)


def _refuse(refused: deeplink.Refused) -> ResponseReturnValue:
    refusal = refused.refusal
    log.info("picking_refused", check=refusal.check, error=refusal.error)
    if refused.tool is not None:
        refusals.note(current(), refused.tool, "picking", refusal.check, refusal.error, refusal.why)
    if refusal.check == "session":
        step = _("Sign in, then open the picker again from the provider's deployment.")
    else:
        step = _("Open the picker again. If it stays, give this page to the administrator of the other side.")
    return flask.render_template("lti/picking_refused.html", refusal=refusal, tool=refused.tool, step=step), 400
