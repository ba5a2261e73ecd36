"""Assignment and Grade Services 2.0 over HTTP: line items, scores, results of one context.

Each operation wants its own scope (section 3.1). Addresses: ``/lti/platform/contexts/<context>/lineitems``,
``…/lineitems/<id>``, ``…/lineitems/<id>/scores`` and ``…/lineitems/<id>/results``.
"""

from __future__ import annotations

import flask
import orjson
from sqlalchemy import Connection

from hub.lti import lineitems, scores
from hub.lti.lineitems import Filters, LineItem
from hub.lti.numbers import to_json
from hub.lti.refused import ServiceRefused
from hub.lti.scopes import LINEITEM, LINEITEM_READ, RESULT_READ, SCORE
from hub.lti.scores import Decision
from hub.lti.services import Call, open_call, page, parse_id, read_json, read_page
from hub.operations import outcomes

LINEITEM_TYPE = "application/vnd.ims.lis.v2.lineitem+json"
LINEITEMS_TYPE = "application/vnd.ims.lis.v2.lineitemcontainer+json"
SCORE_TYPE = "application/vnd.ims.lis.v1.score+json"
RESULTS_TYPE = "application/vnd.ims.lis.v2.resultcontainer+json"


def add_to(blueprint: flask.Blueprint) -> None:
    """Serve AGS in this blueprint."""
    container = "/lti/platform/contexts/<context>/lineitems"
    blueprint.get(container)(list_lineitems)
    blueprint.post(container)(create_lineitem)
    blueprint.get(f"{container}/<item>")(get_lineitem)
    blueprint.put(f"{container}/<item>")(put_lineitem)
    blueprint.delete(f"{container}/<item>")(delete_lineitem)
    blueprint.post(f"{container}/<item>/scores")(post_score)
    blueprint.get(f"{container}/<item>/results")(list_results)


def list_lineitems(context: str) -> flask.Response:
    """Section 3.2.4: the container, filtered and paged."""
    call = open_call(context, LINEITEM, LINEITEM_READ)
    limit, after = read_page()
    given = flask.request.args
    filters = Filters(given.get("resource_link_id"), given.get("resource_id"), given.get("tag"))
    with call.hub.db.read() as conn:
        found, has_more = lineitems.find_all(conn, call.context, filters, limit=limit, after=after)
    value = [item.to_json(call.hub.base_url) for item in found]
    url = f"{call.context.url(call.hub.base_url)}/lineitems"
    return page(value, LINEITEMS_TYPE, url=url, next_after=found[-1].id if has_more else None)


def create_lineitem(context: str) -> flask.Response:
    """Section 3.2.5: 201 with the new line item; 200 with the one that is there already for the same thing."""
    call = open_call(context, LINEITEM)
    wanted = lineitems.parse_column(read_json(LINEITEM_TYPE)[1], call.context)
    item, is_new = call.hub.db.run(
        lambda conn: lineitems.create(conn, call.hub, call.context, call.tool.id, call.course, wanted)
    )
    response = _lineitem(call, item, 201 if is_new else 200)
    response.headers["Location"] = item.url(call.hub.base_url)
    return response


def get_lineitem(context: str, item: str) -> flask.Response:
    """Section 3.2.2."""
    call = open_call(context, LINEITEM, LINEITEM_READ)
    with call.hub.db.read() as conn:
        return _lineitem(call, _find(conn, call, item))


def put_lineitem(context: str, item: str) -> flask.Response:
    """Section 3.2.3: the whole line item; its id and its link stay, and what is now stored comes back."""
    call = open_call(context, LINEITEM)
    wanted = lineitems.parse_column(_without_link(read_json(LINEITEM_TYPE)[1]), call.context)
    with call.hub.db.write() as conn:
        return _lineitem(call, lineitems.update(conn, _find(conn, call, item), wanted))


def delete_lineitem(context: str, item: str) -> flask.Response:
    """Section 3.2.3: only what the tool made; the one of the course's own link is the hub's."""
    call = open_call(context, LINEITEM)
    with call.hub.db.write() as conn:
        found = _find(conn, call, item)
        if found.is_coupled:
            detail = "This line item belongs to the course's own link and is not the tool's to delete."
            raise ServiceRefused(405, "coupled", detail, {"Allow": "GET, PUT"})
        lineitems.delete(conn, found)
    return flask.Response(status=204)


def post_score(context: str, item: str) -> flask.Response:
    """Section 3.4: 200 for a score that is stored or was stored before, 409 for one that is older than the newest."""
    call = open_call(context, SCORE)
    body, value = read_json(SCORE_TYPE)
    with call.hub.db.read() as conn:
        found = _find(conn, call, item)
    score = scores.parse_score(value)
    if scores.accept(call.hub, call.tool, call.course, found, score, body) is Decision.OLDER:
        raise ServiceRefused(409, "timestamp", "A newer score of this person is stored for this line item.")
    outcomes.note("score", "accepted")
    # Exactly 200: a Moodle sends a score again that was answered in any other way.
    return flask.Response(status=200, content_type="application/json")


def list_results(context: str, item: str) -> flask.Response:
    """Section 3.3: the result of everybody who has one, or of one person."""
    call = open_call(context, RESULT_READ)
    limit, after = read_page()
    users = flask.request.args.getlist("user_id")
    if len(users) > 1:
        raise ServiceRefused(400, "user_id", "user_id may be given once.")
    user = parse_id(users[0]) if users else None
    with call.hub.db.read() as conn:
        found = _find(conn, call, item)
        listed, last = ([], None) if users and user is None else scores.find_results(
            conn, found, user=user, limit=limit, after=after
        )  # fmt: skip
    url = f"{found.url(call.hub.base_url)}/results"
    value = [_result(each, found.url(call.hub.base_url)) for each in listed]
    return page(value, RESULTS_TYPE, url=url, next_after=last)


def _find(conn: Connection, call: Call, text: str) -> LineItem:
    lineitem_id = parse_id(text)
    found = None if lineitem_id is None else lineitems.find(conn, call.context, lineitem_id)
    if found is None:
        raise ServiceRefused(404, "lineitem", "There is no such line item in this context.")
    return found


def _without_link(body: object) -> object:
    """LI06: a PUT that names another link changes nothing of it."""
    return {name: value for name, value in body.items() if name != "resourceLinkId"} if isinstance(body, dict) else body


def _lineitem(call: Call, item: LineItem, status: int = 200) -> flask.Response:
    return flask.Response(orjson.dumps(item.to_json(call.hub.base_url)), status=status, content_type=LINEITEM_TYPE)


def _result(result: scores.Result, lineitem: str) -> dict[str, object]:
    said: dict[str, object] = {
        "id": f"{lineitem}/results/{result.learner}",
        "scoreOf": lineitem,
        "userId": str(result.learner),
        "resultScore": to_json(result.given),
        "resultMaximum": to_json(result.maximum),
    }
    return said | ({"comment": result.comment} if result.comment else {})
