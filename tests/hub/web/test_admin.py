"""The administrator's pages: systems are connected, tested and switched, actors get a person, tables are imported."""

from __future__ import annotations

import base64
import io
import re
from dataclasses import asdict
from html import unescape
from urllib.parse import parse_qs, quote, urlsplit

import orjson
import pytest
import sqlalchemy as sa
from werkzeug.exceptions import Unauthorized

from connectors.base import Check
from hub import journal, tables
from hub.access import auth
from hub.people import identity, identity_rules, learners
from hub.systems import credentials, registry, sync
from hub.tables import connection_tests, recompute_failures
from hub.web import systems
from lrs.database import insert_all, upsert
from pagestest import Person, text
from recognizedtest import BASE, LMS, NIP, NOW, OTHER_NIP, World, account, by, course, statement

TOOL = {
    "name": "asn-moodle",
    "login_url": "https://lms.example.go.id/login",
    "redirect_uris": "https://lms.example.go.id/launch",
    "target_link_uri": "https://lms.example.go.id/launch",
    "jwks_url": "https://lms.example.go.id/jwks",
    "deployments": "KKP\nBMKG",
    "vocabulary": "moodle",
}


@pytest.fixture
def world(db):
    made = World(db)
    if db.engine.dialect.name == "postgresql":
        # The world's own systems are numbered by hand; those that pages add come after them.
        with db.write() as conn:
            conn.execute(sa.text("SELECT setval(pg_get_serial_sequence('connectors', 'id'), 2)"))
    return made


@pytest.fixture
def admin(world):
    return Person(world.hub, "admin")


def acts(world):
    with world.db.read() as conn:
        return {(act.who, act.action, act.object) for act in journal.read(conn, "2026-11", limit=100)}


def found_by_test(world, connector, *checks):
    """The newest test of a connection found this."""
    row = {"connector": connector, "at": NOW, "checks": orjson.dumps([asdict(check) for check in checks]).decode()}
    with world.db.write() as conn:
        upsert(conn, connection_tests, row, update=["at", "checks"])


def may_call(world, key, secret):
    """Whether the LRS lets somebody in with these."""
    header = base64.b64encode(f"{key}:{secret}".encode()).decode()
    try:
        auth.authenticate(world.hub, f"Basic {header}")
    except Unauthorized:
        return False
    return True


# Who may -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "path", ["/admin/", "/admin/add/lti", "/admin/identities", "/admin/courses", "/admin/learners"]
)
def test_only_administrators_and_operators_see_these_pages(world, path):
    assert Person(world.hub, "auditor").get(path).status_code == 403
    assert Person(world.hub, "operator").get(path).status_code == 200


def test_an_auditor_cannot_send_a_form_of_an_administrator(world):
    auditor = Person(world.hub, "auditor")

    for path in ("/admin/add/csv", "/admin/systems/asn-unggul/test", "/admin/identities/link", "/admin/courses"):
        assert auditor.post(path, name="x").status_code == 403
    assert acts(world) == set()


def test_a_form_without_its_token_changes_nothing(world, admin):
    headers = {"Referer": f"{world.hub.base_url}/"}
    answer = admin.client.post("/admin/add/csv", data={"name": "x"}, base_url=world.hub.base_url, headers=headers)

    assert answer.status_code == 400
    with world.db.read() as conn:
        assert registry.find_connector(conn, "x") is None


@pytest.mark.parametrize(
    ("path", "place"),
    [
        ("/admin/identities/rules", "/admin/identities"),
        ("/reports/policies", "/reports"),
        ("/policies", "/reports"),
        ("/rtl/rules", "/rtl/overdue"),
        ("/certifications", "/rtl/overdue"),
        ("/competencies/units", "/rtl/overdue"),
    ],
)
def test_a_page_says_to_which_place_it_belongs(admin, path, place):
    here = re.findall(r'<a href="([^"]+)" aria-current="page"', admin.get(path).text)

    assert {each.rstrip("/") for each in here} == {place}


# The list ----------------------------------------------------------------------------------------------


def test_an_empty_hub_says_what_to_do_first(hub):
    page = Person(hub, "admin").get("/admin/")

    assert "No system is connected yet" in text(page)
    assert 'href="/admin/add"' in page.text


def test_the_list_tells_how_each_system_does_and_what_to_do_next(world, admin):
    found_by_test(
        world, 1, Check("clock", "warning", "skewed", "45 seconds"), Check("reachable", "failed", "unresolved", "no")
    )

    page = text(admin.get("/admin/"))

    assert "Address: The name has no address. Check its spelling, and the DNS. Correct it, then test again." in page
    assert "It has no key to report with. Add a key and hand it over." in page


def test_the_list_is_filtered_by_kind_and_state_and_sorted(world, admin):
    admin.post("/admin/add/csv", name="zz-files")
    found_by_test(world, 1, Check("reachable", "failed", "unresolved", "no"))

    def names(query):
        return re.findall(r'/admin/systems/([a-z-]+)"', admin.get(f"/admin/?{query}").text)

    assert names("") == ["asn-unggul", "other-lms", "zz-files"]
    assert names("kind=csv") == ["zz-files"]
    assert names("state=failing") == ["asn-unggul"]
    assert names("sort=kind")[0] == "zz-files"
    assert names("sort=health") == ["asn-unggul", "other-lms", "zz-files"]
    assert names("sort=tested")[0] == "asn-unggul"
    assert "No system is in this state" in text(admin.get("/admin/?state=ok"))


@pytest.mark.parametrize("kind", ["lti", "xapi-push", "xapi-pull", "csv"])
def test_each_kind_is_connected_with_a_title_beside_its_name(world, admin, kind):
    url = "https://lrs.example.go.id/xapi/"
    pull = {"url": url, "key": "k", "secret": "s" * 20, "every": "60", "version": "1.0.3"}
    given = {**TOOL, **pull} if kind == "xapi-pull" else TOOL

    admin.post(f"/admin/add/{kind}", **{**given, "vocabulary": "default", "title": "Balai Pelatihan Contoh"})

    assert "Balai Pelatihan Contoh asn-moodle" in text(admin.get("/admin/"))
    assert "<h1>Balai Pelatihan Contoh</h1>" in admin.get("/admin/systems/asn-moodle").text


def test_the_title_of_a_system_is_changed_on_its_page(world, admin):
    admin.post("/admin/systems/asn-unggul/title", title="ASN Unggul Contoh")
    assert "People see it as “ASN Unggul Contoh” now." in text(admin.get("/admin/systems/asn-unggul"))

    admin.post("/admin/systems/asn-unggul/title", title="x" * 201)
    assert "A title has at most 200 characters, in one line." in text(admin.get("/admin/systems/asn-unggul"))

    admin.post("/admin/systems/asn-unggul/title", title="")
    assert "<h1>asn-unggul</h1>" in admin.get("/admin/systems/asn-unggul").text
    assert ("admin", "connector.title", "connector:asn-unggul") in acts(world)


def test_a_report_makes_a_system_work(world, admin):
    world.offer(course())
    with world.db.write() as conn:
        made = credentials.add(conn, world.hub, "reporter", by="t", key="k", secret="s" * 20, connector="other-lms")
    writer = sync.Writer({"account": {"homePage": BASE, "name": "credential/reporter"}}, 2, f"credential:{made.id}")
    assert "Nothing was reported yet" in text(admin.get("/admin/systems/other-lms"))

    world.accept(world.hub, [statement()], writer)

    with world.db.read() as conn:
        found = systems.read(conn, world.hub, registry.named_connector(conn, "other-lms"))
    assert found.reported_at is not None
    assert systems.HEALTHS.index("ok") == 4
    assert "Nothing was reported yet" not in text(admin.get("/admin/systems/other-lms"))


# Adding ------------------------------------------------------------------------------------------------


def test_a_tool_is_added_and_the_page_says_what_the_other_side_needs(world, admin):
    page = admin.follow("/admin/add/lti", **TOOL)

    with world.db.read() as conn:
        tool = registry.named_tool(conn, "asn-moodle")
        deployed = registry.deployments_of(conn, tool.id)
        assert registry.get_connector(conn, tool.connector).vocabulary == "moodle"
    assert [each.name for each in deployed] == ["KKP", "BMKG"]
    for needed in (
        tool.client_id,
        *(each.deployment_id for each in deployed),
        BASE,
        f"{BASE}/lti/platform/auth",
        f"{BASE}/lti/platform/token",
        f"{BASE}/lti/platform/jwks",
    ):
        assert needed in page.text
    assert ("admin", "tool.add", "tool:asn-moodle") in acts(world)


def test_every_wrong_field_is_told_at_once_beside_it_and_nothing_is_saved(world, admin):
    wrong = {
        "name": "ASN Unggul!",
        "login_url": "http://lms.example.go.id/login",
        "redirect_uris": "https://lms.example.go.id/launch#x\nhttps://user@lms.example.go.id/",
        "target_link_uri": "https://10.0.0.7/launch",
        "deep_linking_url": "not an address",
    }

    answer = admin.post("/admin/add/lti", **wrong)

    assert answer.status_code == 422
    page = text(answer)
    assert "5 fields need a correction" not in page  # the key is missing too
    assert "6 fields need a correction" in page
    for told in (
        "Use up to 64 small letters",
        "http is not encrypted. Use https",
        "https://lms.example.go.id/launch#x: Leave out #",
        "This address is not public. Tick",
        "This is not a web address. Write it in full",
        "Enter the address of its keys (JWKS), or paste its public key",
    ):
        assert told in page
    assert 'value="ASN Unggul!"' in answer.text
    assert acts(world) == set()


def test_a_tool_is_invited_to_register_itself(world, admin):
    wanted = {"name": "moodle-ut", "url": "https://moodle.ut.example/register?step=1", "deployments": "default"}

    answer = admin.post("/admin/add/lti/invite", **wanted)

    address = unescape(re.search(r'id="c-address">([^<]+)<', answer.text)[1])
    given = parse_qs(urlsplit(address).query)
    assert address.startswith(wanted["url"])
    assert given["openid_configuration"] == [f"{BASE}/.well-known/openid-configuration"]
    assert given["registration_token"]
    assert "good once, for 60 minutes" in text(answer)
    assert "Fill this in." in text(admin.post("/admin/add/lti/invite", name="moodle-ut"))
    assert admin.get("/admin/add/lti/invite").status_code == 200


def test_a_new_system_tells_what_is_left_to_do(world, admin):
    def left():
        page = admin.get("/admin/systems/asn-moodle")
        return page.text.count('aria-label="Still open"'), "Import courses" in text(page)

    admin.post("/admin/add/lti", page="/admin/add/lti", **TOOL)
    assert left() == (3, True)

    world.offer(course(f"{LMS}/of/moodle", provider="asn-moodle"))
    assert left() == (2, False)

    with world.db.read() as conn:
        number = registry.named_connector(conn, "asn-moodle").id
    found_by_test(world, number, Check("address", "ok", "reached", ""))
    assert left() == (1, False)


def test_an_internal_system_may_have_private_addresses(world, admin):
    urls = dict.fromkeys(("login_url", "redirect_uris", "target_link_uri", "jwks_url"), "http://127.0.0.1:8090/lti")

    admin.follow("/admin/add/lti", name="sandbox", internal="yes", **urls)

    with world.db.read() as conn:
        assert registry.named_tool(conn, "sandbox").internal


def test_a_private_key_is_refused_and_not_shown_as_a_public_one(world, admin):
    pasted = {**TOOL, "jwks_url": "", "public_key": "-----BEGIN PRIVATE KEY-----\nMIIE\n-----END PRIVATE KEY-----"}

    assert "This is a private key" in text(admin.post("/admin/add/lti", **pasted))
    assert "There is a key address too" in text(
        admin.post("/admin/add/lti", **{**pasted, "jwks_url": TOOL["jwks_url"]})
    )


def test_a_name_that_is_taken_is_told_beside_the_name(world, admin):
    answer = admin.post("/admin/add/csv", name="asn-unggul")

    assert answer.status_code == 422
    assert "There is a system of this name already" in text(answer)


def test_a_system_that_reports_gets_a_key_and_a_secret_that_are_shown_once(world, admin):
    answer = admin.post("/admin/add/xapi-push", name="bkn", trusted_jp="40", vocabulary="bkn")

    secret = re.search(r'id="c-secret">([^<]+)<', answer.text)[1]
    key = re.search(r'id="c-key">([^<]+)<', answer.text)[1]
    assert answer.status_code == 200
    assert f"{BASE}/xapi/" in answer.text
    assert answer.headers["Cache-Control"] == "no-store"
    assert may_call(world, key, secret)
    assert secret not in admin.get("/admin/systems/bkn").text
    with world.db.read() as conn:
        assert registry.named_connector(conn, "bkn").trusted_centi_jp == 4000
        assert secret not in str(conn.execute(sa.select(tables.credentials)).all())
    assert secret not in str(acts(world))


def test_a_pulled_system_is_due_at_once_and_its_secret_sealed(world, admin):
    fields = {"name": "ut", "url": "https://lrs.ut.example/xapi/", "key": "k", "secret": "rahasia-ut", "every": "120"}

    page = admin.follow("/admin/add/xapi-pull", **fields)

    assert "https://lrs.ut.example/xapi/" in page.text
    assert "rahasia-ut" not in page.text
    with world.db.read() as conn:
        connector = registry.named_connector(conn, "ut")
        assert sync.list_due(conn, world.hub.clock()) == [connector.id]
        assert registry.open_secret(conn, world.hub, connector.id) == "rahasia-ut"


@pytest.mark.parametrize(("field", "value"), [("every", "soon"), ("every", "0"), ("url", "lrs"), ("version", "0.9")])
def test_a_pulled_system_with_one_wrong_field_is_refused(world, admin, field, value):
    fields = {"name": "ut", "url": "https://lrs.ut.example/xapi/", "key": "k", "secret": "s", "every": "60"}

    answer = admin.post("/admin/add/xapi-pull", **{**fields, field: value})

    assert answer.status_code == 422
    assert f'id="e-{field}"' in answer.text


def test_an_unknown_kind_is_a_page_that_does_not_exist(admin):
    assert admin.get("/admin/add/forward").status_code == 404
    assert admin.post("/admin/add/forward", name="x").status_code == 404


# One system --------------------------------------------------------------------------------------------


def test_the_test_of_a_connection_shows_each_check_with_its_reason(world, admin):
    page = admin.follow("/admin/systems/other-lms/test")

    assert "1 check failed. See below what to do." in text(page)
    assert "Key and secret It has no key to report with. Add one below." in text(page)
    assert "Reports It has not reported anything yet." in text(page)


def test_a_system_that_nobody_knows_is_a_page_that_does_not_exist(admin):
    answer = admin.get("/admin/systems/nobody")

    assert answer.status_code == 404
    assert "There is no system “nobody”." in text(answer)


def test_a_tool_and_its_deployments_are_switched_off_and_on_again(world, admin):
    admin.follow("/admin/add/lti", **TOOL)
    here = "/admin/systems/asn-moodle/tools/asn-moodle"

    def state():
        with world.db.read() as conn:
            tool = registry.named_tool(conn, "asn-moodle")
            return tool.disabled, [each.disabled for each in registry.deployments_of(conn, tool.id)]

    with world.db.read() as conn:
        [first, _] = registry.deployments_of(conn, registry.named_tool(conn, "asn-moodle").id)
    page = admin.follow(f"{here}/disable")
    admin.follow(f"{here}/deployments/{first.id}/disable")

    assert "“Enable” takes that back" in text(page)
    assert state() == (True, [True, False])
    admin.follow(f"{here}/enable")
    admin.follow(f"{here}/deployments/{first.id}/enable")
    assert state() == (False, [False, False])
    assert admin.post(f"{here}/explode").status_code == 404
    assert admin.post("/admin/systems/asn-unggul/tools/asn-moodle/disable").status_code == 404
    assert admin.post(f"{here}/deployments/99/disable").status_code == 404


def test_a_deployment_is_added_and_a_second_of_its_name_refused(world, admin):
    admin.follow("/admin/add/lti", **TOOL)
    add = "/admin/systems/asn-moodle/tools/asn-moodle/deployments"

    page = admin.follow(add, deployment="LKPP")

    assert "The deployment LKPP is added" in text(page)
    assert "There is a deployment of this name already" in text(admin.follow(add, deployment="LKPP"))
    assert "1 to 64 printable characters" in text(admin.follow(add, deployment=" "))


def test_addresses_of_a_tool_are_changed_and_its_name_stays(world, admin):
    admin.follow("/admin/add/lti", **TOOL)
    edit = "/admin/systems/asn-moodle/tools/asn-moodle/edit"
    changed = {**TOOL, "name": "another", "login_url": "https://new.example.go.id/login", "names": "yes"}

    assert 'value="https://lms.example.go.id/login"' in admin.get(edit).text
    assert admin.post(edit, **{**changed, "login_url": ""}).status_code == 422
    admin.follow(edit, **changed)

    with world.db.read() as conn:
        tool = registry.named_tool(conn, "asn-moodle")
    assert (tool.login_url, tool.names) == ("https://new.example.go.id/login", True)


def test_a_key_is_renewed_with_an_overlap_switched_and_joined_by_another(world, admin):
    first = admin.post("/admin/systems/other-lms/credentials")
    key = re.search(r'id="c-key">([^<]+)<', first.text)[1]
    before = re.search(r'id="c-secret">([^<]+)<', first.text)[1]
    here = "/admin/systems/other-lms/credentials/other-lms"

    renewed = admin.post(f"{here}/rotate", overlap="24")

    after = re.search(r'id="c-secret">([^<]+)<', renewed.text)[1]
    assert "The secret before stays good until 25 November 2026" in text(renewed)
    assert may_call(world, key, before)
    assert may_call(world, key, after)
    admin.follow(f"{here}/disable")
    assert not may_call(world, key, after)
    admin.follow(f"{here}/enable")
    assert may_call(world, key, after)
    admin.post("/admin/systems/other-lms/credentials")
    assert "other-lms-2" in text(admin.get("/admin/systems/other-lms"))
    assert admin.post("/admin/systems/asn-unggul/credentials/other-lms/disable").status_code == 404


def test_a_pull_that_fails_says_why_and_can_be_asked_for_at_once(world, admin):
    fields = {"name": "ut", "url": "https://lrs.ut.example/xapi/", "key": "k", "secret": "rahasia-ut", "every": "120"}
    admin.follow("/admin/add/xapi-pull", **fields)
    state = sync.connector_state
    with world.db.write() as conn:
        later = world.clock.now.replace(hour=9)
        conn.execute(
            sa.update(state).values(
                due_at=later, failures=3, open_until=later, last_ended=world.clock.now,
                last_error_code="credential_refused", last_error="https://lrs.ut.example: 401",
            )
        )  # fmt: skip

    page = text(admin.get("/admin/systems/ut"))

    assert "Key or secret is refused." in page
    assert "Fetching is paused. Correct it, then fetch again." in page
    admin.follow("/admin/systems/ut/fetch")
    with world.db.read() as conn:
        assert len(sync.list_due(conn, world.hub.clock())) == 1


def test_what_was_set_aside_is_shown_with_its_reason(world, admin):
    row = {
        "connector": 1,
        "id": world.hub.new_id(),
        "run": world.hub.new_id(),
        "statement_id": "s-1",
        "payload": b'{"verb":<script>',
        "reason": "statement.actor: is required",
        "at": NOW,
    }
    with world.db.write() as conn:
        insert_all(conn, sync.set_aside_statements, [row])

    page = admin.get("/admin/systems/asn-unggul")

    assert "statement.actor: is required" in text(page)
    assert "<script>" not in re.sub(r"<script src[^>]*>", "", page.text)


# Identities --------------------------------------------------------------------------------------------


@pytest.fixture
def stranger(world):
    """Account 4 has completed a course, and nobody knows whose it is; Budi is employed."""
    world.offer(course())
    budi = world.employ()
    world.receive(statement(actor={**by("4"), "name": "Budi Santoso"}))
    world.settle()
    return budi


def test_an_unresolved_actor_is_linked_counts_and_is_unlinked_again(world, admin, stranger):
    page = admin.get("/admin/identities")
    actor = re.search(r'name="actor" value="(-?[0-9]+)"', page.text)[1]
    assert f"Perhaps Budi Santoso, NIP {NIP}" in text(page)
    assert "4.5 JP wait behind it" in text(page)

    done = admin.follow("/admin/identities/link", actor=actor, nip="19850101 201001 1 001")

    assert f"4 is now Budi Santoso (NIP {NIP})." in text(done)
    world.settle()
    assert world.amounts(stranger) == [450]
    undone = admin.follow("/admin/identities/unlink", actor=actor)
    world.settle()
    assert "The link is taken back." in text(undone)
    assert world.amounts(stranger) == [450, -450]
    assert {action for _, action, _ in acts(world)} >= {"identity.link", "identity.unlink"}
    assert "There was no link to take back" in text(admin.follow("/admin/identities/unlink", actor=actor))


@pytest.mark.parametrize(
    ("nip", "told"), [("123", "A NIP has 18 digits."), (OTHER_NIP, "Nobody here has this NIP. Check it, or import her")]
)
def test_a_wrong_nip_is_told_beside_its_field(world, admin, stranger, nip, told):
    actor = re.search(r'name="actor" value="(-?[0-9]+)"', admin.get("/admin/identities").text)[1]

    answer = admin.post("/admin/identities/link", actor=actor, nip=nip)

    assert answer.status_code == 422
    assert told in text(answer)
    assert f'value="{nip}"' in answer.text
    with world.db.read() as conn:
        assert identity.learner_of(conn, int(actor)) is None


def test_an_actor_that_nobody_knows_is_refused(world, admin, stranger):
    assert admin.post("/admin/identities/link", actor="7", nip=NIP).status_code == 422
    assert admin.post("/admin/identities/link", actor="x", nip=NIP).status_code == 422


def test_unresolved_actors_come_in_pages_by_key(world, admin):
    with world.db.write() as conn:
        identity.note_unknown(conn, [account(f"a{number:03d}") for number in range(60)], now=NOW)

    first = admin.get("/admin/identities")
    following = re.search(r'href="(/admin/identities\?after=[^"]+)" rel="next"', first.text)[1].replace("&amp;", "&")
    second = admin.get(following)

    seen = re.findall(r'name="actor" value="(-?[0-9]+)"', first.text + second.text)
    assert len(seen) == 60
    assert len(set(seen)) == 60
    assert admin.get("/admin/identities?after=nonsense~x").status_code == 200


def test_everybody_is_known_where_nobody_is_unresolved(admin):
    assert "Everybody is known" in text(admin.get("/admin/identities"))


# Courses and people ------------------------------------------------------------------------------------

COURSES = (
    "id,aliases,provider,title_id,title_en,form,scope,programme_jp,minutes,days,requires,min_score,repeat\n"
    f"{LMS}/course/9,,asn-unggul,Etika,Ethics,KL03,national,4.5,,,completed,,once\n"
)


def upload(content, name="kursus.csv"):
    return {"file": (io.BytesIO(content if isinstance(content, bytes) else content.encode()), name)}


def test_courses_are_imported_listed_with_their_version_and_found(world, admin):
    page = admin.follow("/admin/courses", **upload(COURSES))
    admin.follow("/admin/courses", **upload(COURSES.replace("4.5", "6")))

    assert "Imported: 1 new, 0 changed, 0 as before." in text(page)
    listed = text(admin.get("/admin/courses?q=etika"))
    assert "Ethics" in listed
    assert "KL03 2" in listed
    assert "Nothing found" in text(admin.get("/admin/courses?q=nothing"))
    assert "Etika" in admin.get("/admin/courses.csv").text


def test_problems_of_a_course_file_are_told_by_line_and_column_and_nothing_is_applied(world, admin):
    bad = (
        COURSES
        + f"no-iri,,nobody,,,XX,national,x,,,completed,,once\n{LMS}/course/10,,nobody,A,A,KL03,national,2,,,,,\n"
    )

    answer = admin.post("/admin/courses", **upload(bad))

    page = text(answer)
    assert answer.status_code == 422
    for told in ("3 id 'no-iri' is not an IRI.", "3 form 'XX' is not known.", "4 provider 'nobody' is no connector."):
        assert told in page
    assert "The catalogue is empty" in text(admin.get("/admin/courses"))


def test_what_is_no_file_of_text_is_refused(admin):
    assert "was not chosen" in text(admin.post("/admin/courses"))
    assert "2 file is not UTF-8." in text(admin.post("/admin/courses", **upload(b"id\n\xff\xfe")))


def test_people_are_imported_and_found_by_nip_and_name(world, admin):
    table = f"nip,name,email,status,employer,unit\n{NIP},Budi Santoso,,PNS,KKP,Pusdatin\n"

    page = admin.follow("/admin/learners", **upload(table, "pegawai.csv"))

    assert "Imported: 1 new" in text(page)
    assert "Budi Santoso" in text(admin.get("/admin/learners?q=budi"))
    assert "Budi Santoso" in text(admin.get(f"/admin/learners?q={NIP[:8]}"))
    assert "Nobody found" in text(admin.get("/admin/learners?q=zzz"))
    assert ("admin", "learner.import", "1 people") in acts(world)
    bad = admin.post("/admin/learners", **upload(table.replace("PNS", "X")))
    assert "2 status 'X' is not known." in text(bad)


def test_somebody_who_was_set_aside_is_tried_again(world, admin):
    budi = world.employ()
    row = {"learner": budi.id, "failures": 3, "error": "ValueError: poison", "at": NOW, "set_aside": True}
    with world.db.write() as conn:
        insert_all(conn, recompute_failures, [row])
    assert "ValueError: poison" in text(admin.get("/admin/learners"))

    page = admin.follow(f"/admin/learners/{budi.id}/retry")
    world.settle()

    assert "computed again in a moment" in text(page)
    assert "poison" not in text(admin.get("/admin/learners"))
    assert ("admin", "learner.retry", f"learner:{budi.id}") in acts(world)


def test_a_completion_file_is_imported_whole_or_not_at_all(world, admin):
    admin.follow("/admin/add/csv", name="jabar")
    world.offer(course(f"{LMS}/course/5", provider="jabar"))
    world.employ()
    table = f"nip,course,event,on\n{NIP},{LMS}/course/5,completed,2026-03-02\n"

    wrong = admin.post(
        "/admin/systems/jabar/files", **upload(table + f"{OTHER_NIP},{LMS}/course/5,completed,2026-03-02\n")
    )
    right = admin.follow("/admin/systems/jabar/files", **upload(table))
    again = admin.follow("/admin/systems/jabar/files", **upload(table))

    assert wrong.status_code == 422
    assert "3 nip is no learner's NIP." in text(wrong)
    assert "Imported: 1 new, 0 known before." in text(right)
    assert "Imported: 0 new, 1 known before." in text(again)
    with world.db.read() as conn:
        budi = learners.find_by_nip(conn, NIP)
    world.settle()
    assert world.amounts(budi) == [450]


def test_pages_are_in_indonesian_unless_somebody_chooses(world, admin):
    page = admin.get("/admin/?lang=id")

    assert '<html lang="id"' in page.text


# Rules of identities ---------------------------------------------------------------------------------------


def test_a_rule_shows_whom_it_would_link_before_it_holds(world, admin):
    """The preview writes nothing; the rule then links as it said, and stays on record when it is removed."""
    world.offer(course())
    budi = world.employ()
    world.receive(statement(actor=by(NIP)), statement(actor=by("5")))
    world.settle()
    rule = {"connector": "asn-unggul", "kind": "nip", "value": LMS}
    page = f"/admin/identities/rules?preview=yes&connector=asn-unggul&kind=nip&value={LMS}"

    before = text(admin.get("/admin/identities/rules"))
    shown = text(admin.get(page))
    world.settle()
    assert "No rule yet" in before
    assert f"Whom it would link now asn-unggul: Accounts of {LMS} are named by NIP. {NIP} Budi Santoso" in shown
    assert world.amounts(budi) == [], "a preview links nobody"

    added = text(admin.follow("/admin/identities/rules", **rule))
    while identity_rules.step(world.hub):
        pass
    world.settle()
    assert "looking through the list" in added
    assert world.amounts(budi) == [450]

    removed = text(admin.follow("/admin/identities/rules/remove", **rule))
    assert "Whom it linked stays linked." in removed
    assert "No rule yet" in removed
    assert world.amounts(budi) == [450]
    assert {"identity.rule.add", "identity.rule.remove"} <= {action for _, action, _ in acts(world)}


@pytest.mark.parametrize(("connector", "kind", "value", "told"), [
    ("nobody", "nip", LMS, "There is no such system."),
    ("asn-unggul", "mail", "not a domain", "Write the domain alone"),
    ("asn-unggul", "nip", "lms", "Write the address as statements have it"),
    ("asn-unggul", "nip", "", "value"),
])  # fmt: skip
def test_a_wrong_rule_is_told_beside_its_field(admin, connector, kind, value, told):
    asked = f"/admin/identities/rules?preview=yes&connector={connector}&kind={kind}&value={quote(value)}"

    for answer in (
        admin.get(asked),
        admin.post("/admin/identities/rules", connector=connector, kind=kind, value=value),
    ):
        assert answer.status_code == 422
        assert told in (text(answer) if value else answer.text)
        assert 'aria-invalid="true"' in answer.text
