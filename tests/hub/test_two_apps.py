"""Two hubs in one process do not notice each other: there is no state but theirs."""

from __future__ import annotations

from collections.abc import Callable

from apitest import KEY, Scene, authorization
from hub.application import create_app
from hub.runtime import Hub


def test_two_apps_in_one_process_do_not_notice_each_other(new_test_hub: Callable[..., Hub]) -> None:
    hubs = [new_test_hub(base_url=f"http://{name}.localhost") for name in ("a", "b")]
    apps = [create_app(hub) for hub in hubs]
    Scene(hubs[0], apps[0]).prepare()

    issuers = [app.test_client().get("/.well-known/openid-configuration").get_json()["issuer"] for app in apps]
    keys = [app.test_client().get("/lti/platform/jwks").get_json()["keys"] for app in apps]
    courses = [app.test_client().get("/api/v1/courses", headers=authorization(KEY)) for app in apps]

    assert issuers == ["http://a.localhost", "http://b.localhost"]
    assert keys[0] != keys[1]
    assert [answer.status_code for answer in courses] == [200, 401]
    assert [app.extensions["hub"] for app in apps] == hubs
