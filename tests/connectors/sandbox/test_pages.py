"""What people see of the sandbox, in both languages."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from connectors.sandbox.courses import load_courses
from connectors.sandbox.faults import FAULTS
from connectors.sandbox.texts import LANGUAGES, TEXTS

TEMPLATES = Path(__file__).parents[3] / "connectors" / "sandbox" / "templates"


def test_the_pages_of_a_course_follow_one_another(sandbox, visitor):
    start = sandbox.launch(visitor)

    lessons = [visitor.get(f"{start.url}/lessons/{number}", timeout=10) for number in (1, 2, 3)]
    quiz = visitor.get(f"{start.url}/quiz", timeout=10)
    again = visitor.get(start.url, timeout=10)

    assert [page.status_code for page in lessons] == [200, 200, 200]
    assert "Berangkat dari kebutuhan warga" in lessons[0].text
    assert quiz.text.count("<fieldset") == 3
    assert "3 dari 3 materi dibaca" in again.text
    assert visitor.get(f"{start.url}/lessons/4", timeout=10).status_code == 404


def test_english_is_remembered(sandbox, visitor):
    start = sandbox.launch(visitor)

    english = visitor.get(start.url, params={"lang": "en"}, timeout=10)
    later = visitor.get(start.url, timeout=10)

    assert "Digital Public Service" in english.text
    assert '<html lang="en">' in later.text


def test_the_result_page_shows_each_answer_and_offers_to_send_again(sandbox, visitor, platform):
    start = sandbox.launch(visitor)
    sandbox.courier.deliver_due()

    page = visitor.post(f"{start.url}/complete", data={"score": "85", "fault": "wrong_key"}, timeout=10)

    assert "Ditolak" in page.text
    assert "invalid_client" in page.text
    assert "Kirim ulang tanpa gangguan" in page.text
    assert f'href="{platform.url}/back"' in page.text
    report = re.findall(r'name="report" value="(\d+)"', page.text)[1]
    mended = visitor.post(f"{start.url}/again", data={"report": report, "clean": "1"}, timeout=10)
    assert "Ditolak" not in mended.text
    assert platform.scores[0]["scoreGiven"] == 85


def test_an_administrator_sees_every_launch_with_its_claims(sandbox, visitor, new_visitor):
    sandbox.launch_id(sandbox.launch(visitor))
    admin = new_visitor()

    home = admin.get(sandbox.url + "/", timeout=10)
    path = re.search(r'href="(/launches/[^"]+)"', home.text)

    assert path is not None
    assert "Siti Rahayu" in home.text
    assert f"{sandbox.url}/lti/login" in home.text
    assert "target_link_uri" in admin.get(sandbox.url + path.group(1), timeout=10).text


def test_faults_are_set_on_their_page(sandbox, visitor):
    page = visitor.post(sandbox.url + "/faults", data={"fault": ["late", "garbage"]}, timeout=10)

    assert page.text.count(" checked") == 2
    assert "late, garbage" in visitor.get(sandbox.url + "/", timeout=10).text


def test_an_unknown_fault_and_a_wrong_number_are_refused_in_words(sandbox, visitor):
    start = sandbox.launch(visitor)

    fault = visitor.post(sandbox.url + "/faults", json={"faults": ["slow"]}, timeout=10)
    number = visitor.post(f"{start.url}/complete", data={"score": "101"}, timeout=10)

    assert fault.status_code == number.status_code == 400
    assert "Unknown fault" in fault.json()["error"]
    assert "score must be a number from 0 to 100" in number.text


def test_pages_run_no_script_and_may_be_framed_by_the_platform_alone(sandbox, visitor, platform):
    page = sandbox.launch(visitor)

    policy = page.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "script-src" not in policy
    assert f"frame-ancestors 'self' {platform.url}" in policy
    assert "style=" not in page.text


def test_every_text_that_a_template_names_is_there_in_both_languages():
    named = {key for path in TEMPLATES.glob("*.html") for key in re.findall(r'\bt\("(\w+)"', path.read_text("utf-8"))}
    named = {key for key in named if not key.endswith("_")}
    built = {f"fault_{fault}" for fault in FAULTS}
    built |= {f"status_{status}" for status in ("waiting", "held", "acknowledged", "refused")}
    built |= {f"kind_{kind}" for kind in ("initialized", "score", "finished")}
    used_in_code = {"forbidden", "admin_only", "not_found"}

    assert named | built | used_in_code == set(TEXTS)
    assert all(all(texts) and len(texts) == len(LANGUAGES) for texts in TEXTS.values())


@pytest.mark.parametrize("course", load_courses().values(), ids=lambda course: course.key)
def test_every_course_is_whole_in_both_languages(course):
    texts = [course.title, course.summary, *(lesson.title for lesson in course.lessons)]
    texts += [lesson.text for lesson in course.lessons]
    for question in course.questions:
        texts += [question.text, *question.options]
        assert 0 <= question.answer < len(question.options)

    assert all(set(text) == set(LANGUAGES) for text in texts)
