"""What those who run the hub look at."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from hub.application import create_app
from hub.runtime import Hub, open_hub
from hub.settings import read
from hub.worker import keep_house
from lrs import partitions
from wkmbtest.hubs import Clock


def test_a_hub_is_ready_when_its_database_is(hub: Hub) -> None:
    client = create_app(hub).test_client()

    assert client.get("/healthz").get_json() == {"status": "ok"}
    assert client.get("/readyz").get_json() == {"status": "ready"}


def test_a_hub_is_not_ready_before_it_was_migrated(new_database: Callable[..., str], tmp_path: object) -> None:
    environment = {"WKMB_HOME": str(tmp_path), "WKMB_DATABASE_URL": new_database(empty=True)}
    hub = open_hub(read(environment | {"WKMB_SECRET_KEY": "k" * 32}), pool_size=2)
    client = create_app(hub).test_client()

    answer = client.get("/readyz")

    assert answer.status_code == 503
    assert answer.content_type == "application/problem+json"
    assert "wkmb db upgrade" in answer.get_json()["detail"]
    assert client.get("/healthz").status_code == 200
    hub.close()


@pytest.mark.parametrize("database_kind", ["postgresql"], indirect=True)
def test_a_hub_whose_partitions_have_ended_is_not_ready_until_a_worker_made_more(hub: Hub, clock: Clock) -> None:
    hub.db.run(lambda conn: partitions.divide(conn, clock.now))
    client = create_app(hub).test_client()

    assert client.get("/readyz").get_json() == {"status": "ready", "partitions_until": "2027-03-01T00:00:00+00:00"}
    clock.advance(days=100)
    refused = client.get("/readyz")
    assert (refused.status_code, refused.get_json()["code"]) == (503, "no_partition")
    assert "wkmb db partition" in refused.get_json()["detail"]
    keep_house(hub)
    assert client.get("/readyz").get_json()["partitions_until"] == "2027-07-01T00:00:00+00:00"


def test_requests_are_counted_by_endpoint_and_never_by_address(hub: Hub) -> None:
    client = create_app(hub).test_client()
    client.get("/courses/198501012010011001")
    client.get("/nowhere/198501012010011001")

    text = client.get("/metrics").get_data(as_text=True)

    assert 'wkmb_request_seconds_count{endpoint="none",method="GET",status="404"} ' in text
    assert "198501012010011001" not in text


def test_a_crash_is_a_page_with_a_number_or_a_problem(hub: Hub) -> None:
    app = create_app(hub)

    def fail() -> None:
        raise RuntimeError("secret detail")

    app.add_url_rule("/fails", "fails", fail)
    app.add_url_rule("/api/v1/fails", "api-fails", fail)
    client = app.test_client()

    page, problem = client.get("/fails"), client.get("/api/v1/fails")

    assert (page.status_code, problem.status_code) == (500, 500)
    assert page.content_type.startswith("text/html")
    assert problem.get_json()["code"] == "internal"
    assert len(problem.get_json()["reference"]) == 12
    for answer in (page, problem):
        assert "secret detail" not in answer.get_data(as_text=True)
