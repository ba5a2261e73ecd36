"""What those who run the hub look at."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from uuid import uuid4

import pytest
import sqlalchemy as sa

from hub.application import create_app
from hub.jp import recognition
from hub.operations.metrics import Metrics
from hub.runtime import Hub, open_hub
from hub.settings import read
from hub.systems import credentials
from hub.systems.sync import Pull
from hub.systems.sync_tables import connector_state
from hub.worker import Learner, keep_house
from lrs import partitions, payloads
from lrs.database import Database, insert_all
from lrstest import Store
from lrstest import statement as lrs_statement
from recognizedtest import linked_world, statement
from wkmbtest.hubs import Clock

ROOT = Path(__file__).parents[3]


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


@pytest.mark.parametrize("database_kind", ["sqlite"], indirect=True)
def test_a_worker_learns_to_compress_within_seconds_of_having_enough_to_learn_from(hub: Hub, clock: Clock) -> None:
    learner, store = Learner(hub), Store(hub.db)
    learner.step()
    store.save(*(lrs_statement() for _ in range(2000)))

    def has_learned() -> bool:
        learner.step()
        with hub.db.read() as conn:
            return payloads.has_dictionary(conn)

    assert not has_learned()
    clock.advance(seconds=10)
    assert has_learned()


@pytest.mark.parametrize("database_kind", ["postgresql"], indirect=True)
def test_without_a_partition_a_sender_is_told_to_try_later(hub: Hub, clock: Clock) -> None:
    hub.db.run(lambda conn: partitions.divide(conn, clock.now - timedelta(days=1000)))
    with hub.db.write() as conn:
        credentials.add(conn, hub, "lms", by="test", key="k", secret="a secret of tests alone", scopes=["all"])

    answer = (
        create_app(hub)
        .test_client()
        .post(
            "/xapi/statements",
            json=statement(),
            auth=("k", "a secret of tests alone"),
            headers={"X-Experience-API-Version": "1.0.3"},
        )
    )

    assert (answer.status_code, answer.headers["X-Experience-API-Version"]) == (503, "1.0.3")
    assert "Send it again later" in answer.get_json()["detail"]


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


def value(text: str, series: str) -> float:
    """What Prometheus would read for a series."""
    [line] = [line for line in text.splitlines() if line.startswith(f"{series} ")]
    return float(line.rpartition(" ")[2])


def test_what_an_operator_asks_first_is_in_the_metrics(db: Database) -> None:
    """What waits, what was refused and why, how long recomputing took, and how the pulls go."""
    world, _ = linked_world(db)
    with db.write() as conn:
        now = world.clock()
        row = {"connector": 2, "due_at": now, "failures": 4, "open_until": now + timedelta(1), "last_ended": now}
        insert_all(conn, connector_state, [row])
    metrics = Metrics()
    client = create_app(world.hub, metrics).test_client()
    world.receive(statement())
    world.clock.forward(seconds=30)
    client.post("/xapi/statements", headers={"X-Experience-API-Version": "1.0.3"}, json={})
    client.open("/healthz", method="BREW")
    before = client.get("/metrics").get_data(as_text=True)
    recognition.drain(world.hub, metrics.recomputed)
    metrics.pulled(Pull(uuid4(), now, None, None, "failed", stored=3))
    with pytest.raises(sa.exc.DBAPIError), db.write() as conn:
        conn.execute(sa.text("SELECT nothing FROM nowhere"))

    after = client.get("/metrics").get_data(as_text=True)

    assert (value(before, "wkmb_inbox_waiting"), value(before, "wkmb_inbox_oldest_seconds")) == (1, 30)
    assert value(before, 'wkmb_outcomes_total{outcome="Unauthorized",what="xapi:statements"}') == 1
    assert 'method="other"' in before
    assert "BREW" not in before
    assert value(after, "wkmb_inbox_waiting") == 0
    assert value(after, 'wkmb_recompute_seconds_count{outcome="done"}') == 1
    assert value(after, 'wkmb_connector_failures{connector="other-lms"}') == 4
    assert value(after, 'wkmb_connector_paused{connector="other-lms"}') == 1
    assert value(after, 'wkmb_pulls_total{state="failed"}') == 1
    assert value(after, 'wkmb_pulled_statements_total{outcome="stored"}') == 3
    assert sum(value(after, line.rpartition(" ")[0]) for line in after.splitlines() if "errors_total{" in line) == 1
    assert value(after, "wkmb_database_up") == 1


def test_a_database_that_is_away_is_told_and_the_rest_is_too(tmp_path: Path) -> None:
    environment = {"WKMB_HOME": str(tmp_path), "WKMB_SECRET_KEY": "k" * 32}
    hub = open_hub(read(environment | {"WKMB_DATABASE_URL": "postgresql://nobody@127.0.0.1:1/none"}), pool_size=1)
    client = create_app(hub).test_client()

    text = client.get("/metrics").get_data(as_text=True)

    assert value(text, "wkmb_database_up") == 0
    assert "wkmb_request_seconds" in text
    hub.close()


def test_each_metric_is_documented() -> None:
    """With its labels; an alert on a name that is gone never fires."""
    named = set(re.findall(r"wkmb_[a-z_]+", (ROOT / "docs" / "operations.md").read_text()))
    made = re.compile(r'"(wkmb_[a-z_]+)"')
    found = {
        name
        for path in ("metrics.py", "operators.py")
        for name in made.findall((ROOT / "hub" / "operations" / path).read_text())
    }

    assert {name.removesuffix("_total").removesuffix("_bucket").removesuffix("_count") for name in named} == found
