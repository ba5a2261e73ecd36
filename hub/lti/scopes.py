"""The scopes of LTI's services, under the names that tools ask for."""

from __future__ import annotations

LINEITEM = "https://purl.imsglobal.org/spec/lti-ags/scope/lineitem"
LINEITEM_READ = "https://purl.imsglobal.org/spec/lti-ags/scope/lineitem.readonly"
RESULT_READ = "https://purl.imsglobal.org/spec/lti-ags/scope/result.readonly"
SCORE = "https://purl.imsglobal.org/spec/lti-ags/scope/score"
MEMBERSHIP_READ = "https://purl.imsglobal.org/spec/lti-nrps/scope/contextmembership.readonly"

#: Assignment and Grade Services 2.0 section 3.1.
AGS_SCOPES = (LINEITEM, LINEITEM_READ, RESULT_READ, SCORE)

#: Everything that a tool may be given. No scope of the LRS or the API is among them: those belong to credentials.
GRANTED = (*AGS_SCOPES, MEMBERSHIP_READ)
