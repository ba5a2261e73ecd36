"""The catalogue for people: found by words, form and institution, page after page; what a course is worth and why."""

from __future__ import annotations

import re
from datetime import date
from urllib.parse import parse_qs, urlsplit

import pytest

from holdertest import employee, person, words_of
from hub.systems import registry
from mappings.course import Competency
from recognizedtest import LMS, World, course, statement

TOOL = "https://tool.example.go.id"
LAUNCHED = f"{LMS}/course/7"


def titles(answer):
    return [title.strip() for title in re.findall(r'<h2><a href="/courses/\d+">([^<]*)</a>', answer.text)]


@pytest.fixture
def world(db):
    made = World(db)
    made.offer(
        course(),
        course(f"{LMS}/course/2", title_id="Seminar Etika", title_en="Ethics Seminar", form="KL06",
               programme_centi_jp=None, provider="other-lms"),
        course(f"{LMS}/course/3", title_id="Artikel", title_en="Article", form="NKL09", programme_centi_jp=None,
               valid_until=date(2026, 1, 31), competencies=(Competency("Integritas", 3),)),
        course(LAUNCHED, title_id="Analisis Data", title_en="Data Analysis", launch_url=f"{TOOL}/launch",
               programme_centi_jp=800, requires=("completed", "score"), min_score=700_000),
    )  # fmt: skip
    return made


@pytest.fixture
def budi(world):
    learner = world.employ()
    world.link(learner)
    return employee(world, learner)


def connect_tool(world):
    """The tool of the courses' provider."""
    new = registry.NewTool(
        name="asn", login_url=f"{TOOL}/login", redirect_uris=(f"{TOOL}/launch",), jwks_url=f"{TOOL}/jwks",
        target_link_uri=f"{TOOL}/launch",
    )  # fmt: skip
    with world.db.write() as conn:
        return registry.add_tool(conn, world.hub, new, by="test", connector="asn-unggul")


def page_of(world, iri):
    with world.db.read() as conn:
        return f"/courses/{world.hub.courses.current(conn).by_iri[iri].id}"


# Finding -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("", ["Article", "Data Analysis", "Ethics Seminar", "Information Security"]),
        ("q=ETHICS", ["Ethics Seminar"]),
        ("q=etika", ["Ethics Seminar"]),
        ("q=integritas", ["Article"]),
        ("q=data+article", []),
        ("form=KL06", ["Ethics Seminar"]),
        ("provider=other-lms", ["Ethics Seminar"]),
        ("launchable=yes", ["Data Analysis"]),
        ("sort=jp", ["Data Analysis", "Information Security", "Ethics Seminar", "Article"]),
        ("sort=nonsense", ["Article", "Data Analysis", "Ethics Seminar", "Information Security"]),
    ],
)
def test_courses_are_found_and_put_in_order(budi, query, found):
    assert titles(budi.get(f"/courses?{query}")) == found


def test_each_course_says_what_it_is_worth(budi):
    page = words_of(budi.get("/courses")).replace("\xa0", " ")

    assert "Ethics Seminar Seminar or conference 4 JP" in page
    assert "JP as reported Ended" in page
    assert "8 JP Start learning" not in page, "its institution is not connected"


@pytest.mark.parametrize("sort", ["title", "jp", "newest"])
def test_page_after_page_shows_every_course_once(world, budi, sort):
    world.offer(*(course(f"{LMS}/many/{n}", title_en=f"Many {n % 7}") for n in range(60)))
    address, seen = f"/courses?q=many&sort={sort}", []

    while address:
        page = budi.get(address)
        seen += re.findall(r'<h2><a href="/courses/(\d+)">', page.text)
        following = re.search(r'href="([^"]+)" rel="next"', page.text)
        address = following[1].replace("&amp;", "&") if following else ""

    assert len(seen) == len(set(seen)) == 60


def test_nothing_found_and_nothing_there_say_what_to_do(budi, db):
    assert "No course is like that" in words_of(budi.get("/courses?q=xyz"))


def test_an_empty_catalogue_says_whom_to_ask(db):
    world = World(db)

    assert "The catalogue is empty" in words_of(employee(world, world.employ()).get("/courses"))


# One course --------------------------------------------------------------------------------------------


def test_a_course_says_its_value_its_source_and_what_it_asks_for(world, budi):
    page = words_of(budi.get(page_of(world, LAUNCHED))).replace("\xa0", " ")

    assert "8 JP The programme itself states 8 JP." in page
    assert "Source: BPS conversion table" in page
    assert "Complete the course" in page
    assert "Reach a score of at least 70%" in page
    assert "asn-unggul" in page


def test_a_course_that_is_counted_by_minutes_says_how(world, budi):
    page = words_of(budi.get(page_of(world, f"{LMS}/course/3")))

    assert "The minutes that you really learned count: 45 minutes are 1 JP." in page
    assert "until 31 January 2026" in page
    assert "Integritas (3)" in page


def test_a_course_shows_how_far_one_has_come_with_it(world, budi):
    world.receive(statement("scored", LAUNCHED, result={"score": {"scaled": 0.5}}), statement())
    world.settle()

    missing = words_of(budi.get(page_of(world, LAUNCHED)))
    reached = words_of(budi.get(page_of(world, f"{LMS}/course/1"))).replace("\xa0", " ")

    assert "The score 50% is below the minimum of 70%." in missing
    assert "Your hours with it 2 March 2026 4.5 JP" in reached


def test_a_course_that_is_not_there_says_where_to_look(budi):
    answer = budi.get("/courses/99999")

    assert answer.status_code == 404
    assert "This course is not in the catalogue." in words_of(answer)


def test_an_auditor_sees_courses_and_starts_none(world):
    auditor = person(world, "auditor")

    page = auditor.get(page_of(world, LAUNCHED))
    assert page.status_code == 200
    assert "/launch" not in page.text
    assert auditor.post(f"{page_of(world, LAUNCHED)}/launch", "/courses").status_code == 403


# Starting ----------------------------------------------------------------------------------------------


def test_starting_a_course_leads_to_the_tools_login(world, budi):
    tool = connect_tool(world)
    address = page_of(world, LAUNCHED)

    answer = budi.post(f"{address}/launch", address)

    login = urlsplit(answer.headers["Location"])
    assert answer.status_code == 303
    assert f"{login.scheme}://{login.netloc}{login.path}" == f"{TOOL}/login"
    given = parse_qs(login.query)
    assert given["client_id"] == [tool.client_id]
    assert given["target_link_uri"] == [f"{TOOL}/launch"]


def test_the_page_lets_its_form_be_redirected_to_the_tool_and_nowhere_else(world, budi):
    connect_tool(world)

    policy = budi.get(page_of(world, LAUNCHED)).headers["Content-Security-Policy"]
    assert f"form-action 'self' {TOOL};" in policy
    assert "form-action 'self';" in budi.get("/transcript").headers["Content-Security-Policy"]


def test_a_course_is_started_wherever_it_is_shown(world, budi):
    connect_tool(world)
    address = page_of(world, LAUNCHED)
    budi.post(f"{address}/plan", address, do="add")

    for page in ("/courses", "/plan", "/"):
        answer = budi.get(page)

        assert answer.text.count(f'form="start" formaction="{address}/launch"') == 1, page
        assert answer.text.count('<form id="start" method="post"') == 1, page
        assert f"form-action 'self' {TOOL};" in answer.headers["Content-Security-Policy"], page
    assert budi.post(f"{address}/launch", "/").status_code == 303


def test_who_learns_nothing_here_is_offered_no_start(world):
    connect_tool(world)

    page = person(world, "auditor").get("/courses")

    assert "formaction" not in page.text
    assert "8 JP Can be started here" in words_of(page).replace("\xa0", " ")
    assert "form-action 'self';" in page.headers["Content-Security-Policy"]


def test_a_course_whose_system_is_not_connected_says_so(world, budi):
    address = page_of(world, LAUNCHED)
    assert "The institution’s system is not connected yet." in words_of(budi.get(address))

    answer = budi.post(f"{address}/launch", "/courses")

    assert answer.status_code == 409
    page = words_of(answer)
    assert "The course could not be started." in page
    assert "Put the course into your plan" in page


def test_after_opening_a_course_the_plan_says_that_it_is_started(world, budi):
    connect_tool(world)
    address = page_of(world, LAUNCHED)
    budi.post(f"{address}/plan", address, do="add")

    budi.post(f"{address}/launch", address)

    assert "started" in words_of(budi.get("/plan"))
    assert "Continue learning" in words_of(budi.get(address))


def test_people_see_the_title_of_an_institution_and_find_its_courses_by_it(world, budi):
    with world.db.write() as conn:
        registry.set_title(conn, world.hub, registry.named_connector(conn, "other-lms"), "Balai Contoh", by="test")

    page = budi.get("/courses?q=balai")

    assert titles(page) == ["Ethics Seminar"]
    assert '<p class="small muted">Balai Contoh</p>' in page.text
    assert '<option value="other-lms">Balai Contoh</option>' in page.text
    assert "other-lms" not in words_of(budi.get(page_of(world, f"{LMS}/course/2")))


def test_the_folded_filter_tells_how_much_is_chosen_in_it(budi):
    def summary(query):
        return " ".join(
            re.sub("<[^>]+>", "", re.search(r"<summary>(.*?)</summary>", budi.get(query).text, re.S)[1]).split()
        )

    assert summary("/courses?q=etika") == "Filter"
    assert summary("/courses?form=KL06&provider=other-lms") == "Filter (2)"
