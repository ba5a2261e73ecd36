"""The sandbox in a real browser: its own forms are taken, its pages are accessible and fit a phone."""

from __future__ import annotations

from urllib.parse import urlencode

import pytest

from browsertest import check, follow


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
    follow(page, page.get_by_role("button"), "**/learn/**")
    check(page)
    follow(page, page.get_by_role("link", name="Mulai belajar"))
    check(page)
    for _ in range(2):
        follow(page, page.get_by_role("link", name="Materi berikutnya"))
    follow(page, page.get_by_role("link", name="Ke uji pemahaman"))
    check(page)
    for number, answer in enumerate((1, 0, 2)):
        page.locator(f"input[name=q{number}][value='{answer}']").check()
    follow(page, page.get_by_role("button", name="Kirim jawaban"), "**/report")
    check(page)
    assert page.get_by_role("heading", name="Lulus").is_visible()
    page.goto(f"{sandbox.url}/?lang=en")
    check(page)
    page.goto(f"{sandbox.url}/faults")
    check(page)
    context.close()

    assert platform.scores[0]["scoreGiven"] == 100
