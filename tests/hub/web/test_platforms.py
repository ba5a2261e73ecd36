"""The administrator's pages of the LMSs that launch the hub."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest

from hub.lti_tool import gradebooks, platforms
from hub.lti_tool.gradebooks import FAILED, SENT, WAITING, Place, Wanted
from hub.lti_tool.members import Rosters
from hub.lti_tool.platforms import NewPlatform, Platform
from hub.lti_tool.tables import platform_contexts
from hub.people import identity, learners
from hub.runtime import Hub
from lrs.agents import Identifier
from pagestest import Person, text
from wkmbtest.hubs import Clock

NIP = "198001012005011001"
BY_HAND = {
    "how": "hand",
    "name": "kampus",
    "issuer": "https://lms.example",
    "client_id": "abc",
    "auth_url": "https://lms.example/auth",
    "token_url": "https://lms.example/token",
    "jwks_url": "https://lms.example/jwks",
    "deployments": "1\n2",
}


@pytest.fixture
def admin(hub: Hub) -> Person:
    with hub.db.write() as conn:
        file = f"nip,name,email,status,employer,unit\n{NIP},Siti Rahma,,PNS,Kementerian,Biro\n"
        learners.import_learners(conn, hub, learners.read_learners(file).rows)
    return Person(hub, "admin")


@pytest.fixture
def kampus(admin: Person) -> Platform:
    new = {name: value for name, value in BY_HAND.items() if name != "how"} | {"deployments": ("1",)}
    with admin.hub.db.write() as conn:
        return platforms.add(conn, admin.hub, NewPlatform(**new), by="test")  # type: ignore[arg-type]


def test_an_lms_is_connected_by_hand(admin: Person) -> None:
    page = admin.follow("/admin/add/platform", **BY_HAND)

    assert "kampus is connected" in text(page)
    assert "https://hub.example/lti/tool/login" in page.text
    with admin.hub.db.read() as conn:
        made = platforms.named(conn, "kampus")
        assert [each.deployment_id for each in platforms.deployments_of(conn, made.id)] == ["1", "2"]


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"issuer": "lms"}, "This is not a web address"),
        ({"token_url": "http://lms.example/token"}, "http is not encrypted"),
        ({"client_id": ""}, "Fill this in"),
        ({"deployments": ""}, "at least one deployment ID"),
        ({"name": "Kampus Kita"}, "small letters"),
        ({"how": "ask"}, "Fill this in"),
        ({"how": "ask", "url": "http://127.0.0.1:1/c"}, "http is not encrypted"),
        ({"how": "by magic"}, "Choose one of the list"),
    ],
)
def test_what_is_wrong_stands_beside_its_field(admin: Person, changed: dict[str, str], says: str) -> None:
    answer = admin.post("/admin/add/platform", **BY_HAND | changed)

    assert answer.status_code == 422
    assert says in text(answer)
    with admin.hub.db.read() as conn:
        assert platforms.list_all(conn) == ()


def test_an_invitation_is_an_address_to_hand_over(admin: Person) -> None:
    page = admin.post("/admin/add/platform", name="kampus", how="invite")

    assert "https://hub.example/lti/tool/register?invitation=" in page.text
    assert "7 days" in text(page)


def test_launches_and_deployments_are_let_in_and_refused(admin: Person, kampus: Platform) -> None:
    hub = admin.hub
    with hub.db.write() as conn:
        platforms.note_deployment(conn, hub, kampus, "9")
        platforms.note_refusal(conn, hub, kampus.id, "aud", "aud is 'x', not the client_id abc alone.")
        number = platforms.deployments_of(conn, kampus.id)[1].id
    page = admin.get("/admin/systems/kampus")
    assert "waits for you" in text(page)
    assert "aud is 'x', not the client_id abc alone. The check that failed: aud" in text(page)

    here = "/admin/systems/kampus/platforms/kampus"
    assert "9 may launch the hub" in text(admin.follow(f"{here}/deployments/{number}/enable"))
    assert "kampus may not launch the hub any more" in text(admin.follow(f"{here}/disable"))

    with hub.db.read() as conn:
        assert platforms.named(conn, "kampus").disabled
        assert [each.status for each in platforms.deployments_of(conn, kampus.id)] == ["active", "active"]
    assert admin.post(f"{here}/deployments/999/enable").status_code == 404
    assert admin.post("/admin/systems/kampus/platforms/nobody/disable").status_code == 404
    assert admin.post(f"{here}/explode").status_code == 404


def fill(hub: Hub, platform: Platform, count: int, clock: Clock) -> None:
    """So many people's scores of which the LMS took 60, and then refused 85."""
    with hub.db.write() as conn:
        found = learners.find_by_nip(conn, NIP)
        assert found is not None
        for number in range(count):
            clock.advance(seconds=1)
            place = Place(platform.id, "1", str(number), f"sub-{number}", "https://lms.example/li?type_id=2", None)
            gradebooks.note(conn, hub, found.id, number, place, None)
            for given, is_taken in ((60, True), (85, False)):
                wanted = Wanted(Decimal(given), Decimal(100))
                gradebooks.offer(conn, found.id, number, wanted, now=clock.now, new_id=hub.new_id)
                [cell] = gradebooks.of_learner(conn, found.id, number)
                [claimed] = gradebooks.claim(conn, gradebooks.bucket_of(cell.id), clock.now)
                if is_taken:
                    gradebooks.settle(conn, hub, claimed, cell, stamp=clock.now, lineitem="https://lms.example/li")
                else:
                    why = "POST https://lms.example/li/scores: it answered 400. Check address and settings"
                    gradebooks.fail(conn, hub, claimed, "request_refused", why, stamp=clock.now, is_final=True)


def test_what_failed_is_shown_with_its_reason_and_what_stands_there(
    admin: Person, kampus: Platform, clock: Clock
) -> None:
    fill(admin.hub, kampus, 1, clock)
    assert "Some failed" in text(admin.get("/admin/systems/kampus"))

    page = text(admin.get("/admin/systems/kampus/platforms/kampus/scores"))

    assert "Siti Rahma sub-0 0 60 / 100" in page
    assert "85 / 100 It refuses the request." in page
    assert "it answered 400" in page


def test_one_or_all_are_sent_again(admin: Person, kampus: Platform, clock: Clock) -> None:
    hub = admin.hub
    fill(hub, kampus, 3, clock)
    with hub.db.read() as conn:
        first, *_ = gradebooks.of_platform(conn, kampus.id, FAILED, limit=10)
    here = "/admin/systems/kampus/platforms/kampus/scores"

    page = admin.follow(f"{here}/retry", learner=str(first.learner), cell=str(first.id))

    assert "sent again in a moment" in text(page)
    with hub.db.read() as conn:
        assert len(gradebooks.of_platform(conn, kampus.id, WAITING, limit=10)) == 1
    admin.follow(f"{here}/retry")
    with hub.db.read() as conn:
        assert len(gradebooks.of_platform(conn, kampus.id, WAITING, limit=10)) == 3
        assert gradebooks.of_platform(conn, kampus.id, SENT, limit=10) == ()
    assert admin.post(f"{here}/retry", learner="nobody", cell="7").status_code == 404


def test_scores_are_read_a_page_at_a_time(admin: Person, kampus: Platform, clock: Clock) -> None:
    fill(admin.hub, kampus, 52, clock)
    here = "/admin/systems/kampus/platforms/kampus/scores"
    page = admin.get(here)
    assert page.text.count("sub-") == 50
    following = next(each for each in page.text.split('"') if "before=" in each).replace("&amp;", "&")

    rest = admin.get(following)

    assert rest.text.count("sub-") == 2
    assert admin.get(f"{here}?before=nonsense&state=failed").status_code == 200


@pytest.mark.parametrize("path", ["/admin/add/platform", "/admin/systems/kampus/platforms/kampus/scores"])
def test_only_administrators_see_these_pages(hub: Hub, kampus: Platform, path: str) -> None:
    assert Person(hub, "auditor").get(path).status_code == 403


def test_membership_lists_stand_on_the_page_and_are_asked_for_by_a_button(admin: Person, kampus: Platform) -> None:
    hub = admin.hub
    assert "None yet. A launch from a course names its list" in text(admin.get("/admin/systems/kampus"))
    row = {"platform": kampus.id, "url": "https://lms.example/m", "linked": 3, "same": 2, "unresolved": 1}
    later = hub.clock() + timedelta(days=1)
    with hub.db.write() as conn:
        for number, failure in enumerate((None, "GET lms.example: it does not answer.")):
            values = {"context": f"{number}", "title": f"Course {number}", "read_at": hub.clock(), "failure": failure}
            conn.execute(platform_contexts.insert().values(row | values | {"next_at": later}))
        who = Identifier("account", "https://lms.example", "77")
        identity.note_unknown(conn, [who], now=hub.clock())
        identity.describe(conn, who, name="Siti Rahma", email="siti@lms.example")

    shown = text(admin.get("/admin/systems/kampus"))
    unresolved = text(admin.get("/admin/identities"))
    asked = text(admin.follow("/admin/systems/kampus/platforms/kampus/roster"))

    assert "Course 0" in shown
    assert "could not be read" in shown
    assert "it does not answer" in shown
    assert "Siti Rahma · siti@lms.example" in unresolved
    assert "Perhaps Siti Rahma" in unresolved
    assert "The membership lists are read now" in asked
    assert list(Rosters(hub).due()) == [kampus.id]
