"""The sandbox in a real browser: its own forms are taken, its pages are accessible and fit a phone."""

from __future__ import annotations

from urllib.parse import urlencode

import pytest
from axe_playwright_python.sync_playwright import Axe


@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (390, "dark")])
def test_a_learner_completes_a_course(sandbox, browser, platform, width, scheme):
    # Axe runs as a script in the page; the pages' own policy allows none.
    context = browser.new_context(
        viewport={"width": width, "height": 800}, color_scheme=scheme, locale="id-ID", bypass_csp=True
    )
    page = context.new_page()
    initiation = {
        "iss": platform.url,
        "login_hint": "hint",
        "lti_message_hint": '{"a": "b"}',
        "target_link_uri": f"{sandbox.url}/lti/launch",
    }

    page.goto(f"{sandbox.url}/lti/login?{urlencode(initiation)}")
    page.evaluate("document.forms[0].submit()")
    page.wait_for_url("**/learn/**")
    check(page, width)
    page.get_by_role("link", name="Mulai belajar").click()
    check(page, width)
    for _ in range(2):
        page.get_by_role("link", name="Materi berikutnya").click()
    page.get_by_role("link", name="Ke uji pemahaman").click()
    check(page, width)
    for number, answer in enumerate((1, 0, 2)):
        page.locator(f"input[name=q{number}][value='{answer}']").check()
    page.get_by_role("button", name="Kirim jawaban").click()
    page.wait_for_url("**/report")
    check(page, width)
    assert page.get_by_role("heading", name="Lulus").is_visible()
    page.goto(f"{sandbox.url}/?lang=en")
    check(page, width)
    page.goto(f"{sandbox.url}/faults")
    check(page, width)
    context.close()

    assert platform.scores[0]["scoreGiven"] == 100


def check(page, width):
    assert page.evaluate("document.documentElement.scrollWidth") <= width, page.url
    violations = Axe().run(page).response["violations"]
    assert [(one["id"], one["nodes"][0]["html"]) for one in violations] == [], page.url
