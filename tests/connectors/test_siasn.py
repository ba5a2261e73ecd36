"""Handing recognized hours to SIASN, against a stand-in that behaves as the real one is described."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any

import pytest
from pytest_httpserver import HTTPServer

from connectors.base import ConnectorError
from connectors.http import GuardedSession
from connectors.siasn import (
    SIASN,
    AlreadyThere,
    Hours,
    NotSaved,
    Saved,
    SIASNSettings,
    WouldSave,
    course_body,
    training_body,
)
from siasntest.standin import NIP, StandIn

HOURS = Hours(
    entry="e-1",
    nip=NIP,
    course="Manajemen Talenta",
    organiser="BKN",
    form="KL03",
    kind_id="3",
    certificate_kind="T",
    centi_jp=675,
    start=date(2026, 3, 1),
    end=date(2026, 3, 4),
    number="STTPL/12/2026",
)


@pytest.fixture
def stand_in(httpserver: HTTPServer) -> Iterator[StandIn]:
    stand_in = StandIn()
    httpserver.expect_request("/token", method="POST").respond_with_handler(stand_in.token)
    for method in ("GET", "POST"):
        httpserver.expect_request(re.compile("/apisiasn/1.0/.*"), method=method).respond_with_handler(stand_in.api)
    yield stand_in
    httpserver.check_assertions()


def connected(httpserver: HTTPServer, **changes: Any) -> SIASN:
    settings = SIASNSettings(
        httpserver.url_for("/apisiasn/1.0"), httpserver.url_for("/token"), "kunci", "rahasia", "sso-token", "B" * 32
    )
    return SIASN(replace(settings, **changes), GuardedSession(internal=True, wait=0.001))


SETTINGS = SIASNSettings("https://x", "https://x", "k", "s", "t", "B" * 32)


def test_the_body_of_a_course_is_as_described() -> None:
    assert course_body(HOURS, "A" * 32, SETTINGS) == {
        "id": None,
        "instansiId": "B" * 32,
        "institusiPenyelenggara": "BKN",
        "jenisDiklatId": "3",
        "jenisKursus": "",
        "jenisKursusSertipikat": "T",
        "jumlahJam": 6,
        "lokasiId": "",
        "namaKursus": "Manajemen Talenta",
        "nomorSertipikat": "STTPL/12/2026",
        "pnsOrangId": "A" * 32,
        "tahunKursus": 2026,
        "tanggalKursus": "01-03-2026",
        "tanggalSelesaiKursus": "04-03-2026",
    }


def test_the_body_of_a_structural_training_is_as_described() -> None:
    assert training_body(replace(HOURS, structural_id="1"), "A" * 32, SETTINGS) == {
        "bobot": 0,
        "id": None,
        "institusiPenyelenggara": "BKN",
        "jenisKompetensi": "",
        "jumlahJam": 6,
        "latihanStrukturalId": "1",
        "nomor": "STTPL/12/2026",
        "pnsOrangId": "A" * 32,
        "tahun": 2026,
        "tanggal": "01-03-2026",
        "tanggalSelesai": "04-03-2026",
    }


@pytest.mark.parametrize(("centi_jp", "hours"), [(100, 1), (199, 1), (675, 6), (9999, 99)])
def test_hours_are_cut_off_to_whole_ones(centi_jp: int, hours: int) -> None:
    body = course_body(replace(HOURS, centi_jp=centi_jp), "p", SETTINGS)

    assert body["jumlahJam"] == hours
    assert type(body["jumlahJam"]) is int


def test_a_course_is_saved_after_reading_what_is_there(httpserver: HTTPServer, stand_in: StandIn) -> None:
    assert connected(httpserver).save(HOURS) == Saved("k0")
    assert stand_in.calls == ["GET /pns/data-utama/{nip}", "GET /pns/rw-kursus/{nip}", "POST /kursus/save"]


def test_a_structural_training_goes_to_its_own_resource(httpserver: HTTPServer, stand_in: StandIn) -> None:
    assert connected(httpserver).save(replace(HOURS, form="KL01")) == Saved("d0")
    assert stand_in.calls[1:] == ["GET /pns/rw-diklat/{nip}", "POST /diklat/save"]
    assert connected(httpserver).save(replace(HOURS, form="KL01")) == AlreadyThere("d0")


def test_a_lost_answer_is_found_on_the_next_attempt(httpserver: HTTPServer, stand_in: StandIn) -> None:
    stand_in.lose = 1

    with pytest.raises(ConnectorError) as lost:
        connected(httpserver).save(HOURS)

    assert lost.value.retryable
    assert connected(httpserver).save(HOURS) == AlreadyThere("k0")
    assert len(stand_in.courses) == 1


def test_what_differs_in_spaces_and_case_only_is_the_same(httpserver: HTTPServer, stand_in: StandIn) -> None:
    connected(httpserver).save(HOURS)

    same = replace(HOURS, number=" sttpl/12/2026", organiser="bkn")

    assert connected(httpserver).save(same) == AlreadyThere("k0")
    assert connected(httpserver).save(replace(HOURS, start=date(2026, 3, 2))) == Saved("k1")


def test_success_false_in_a_200_is_a_refusal(httpserver: HTTPServer, stand_in: StandIn) -> None:
    stand_in.refuse = "Tahun kursus tidak valid"

    assert connected(httpserver).save(HOURS) == NotSaved("refused", "SIASN refused it: Tahun kursus tidak valid")


def test_a_dry_run_saves_nothing_and_shows_the_body(httpserver: HTTPServer, stand_in: StandIn) -> None:
    shown = connected(httpserver).save(HOURS, dry_run=True)

    assert isinstance(shown, WouldSave)
    assert shown.path == "/kursus/save"
    assert shown.body["pnsOrangId"] == "A" * 32
    assert not stand_in.courses


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"centi_jp": 99}, "below_one_hour"),
        ({"centi_jp": -300}, "below_one_hour"),
        ({"number": " "}, "no_number"),
        ({"end": date(2026, 2, 28)}, "dates"),
    ],
)
def test_what_cannot_be_handed_over_makes_no_call(
    httpserver: HTTPServer, stand_in: StandIn, changes: dict[str, Any], reason: str
) -> None:
    outcome = connected(httpserver).save(replace(HOURS, **changes))

    assert isinstance(outcome, NotSaved)
    assert outcome.reason == reason
    assert stand_in.calls == []


def test_an_unknown_person_is_a_value(httpserver: HTTPServer, stand_in: StandIn) -> None:
    stand_in.people = {}

    outcome = connected(httpserver).save(HOURS)

    assert isinstance(outcome, NotSaved)
    assert outcome.reason == "unknown_person"


@pytest.mark.parametrize(("status", "retryable"), [(429, True), (500, True), (503, True), (401, False), (404, False)])
def test_a_gateway_error_names_no_nip(
    httpserver: HTTPServer, stand_in: StandIn, caplog: pytest.LogCaptureFixture, status: int, retryable: bool
) -> None:
    stand_in.gateway_error = status

    with caplog.at_level(logging.WARNING), pytest.raises(ConnectorError) as error:
        connected(httpserver).save(HOURS)

    assert error.value.retryable == retryable
    assert NIP not in str(error.value)
    assert "sso-token" not in str(error.value)


def test_the_certificate_is_uploaded(httpserver: HTTPServer, stand_in: StandIn) -> None:
    assert connected(httpserver).upload_certificate("k0", b"%PDF-1.7 x") is None
    assert stand_in.documents == [("k0", "881", b"%PDF-1.7 x")]


def test_the_test_button_tells_which_token_is_wrong(httpserver: HTTPServer, stand_in: StandIn) -> None:
    def outcomes(siasn: SIASN) -> dict[str, str]:
        return {check.code: check.outcome for check in siasn.test(lambda: datetime.now(UTC))}

    assert outcomes(connected(httpserver)) == {"reachable": "ok", "tls": "warning", "clock": "ok", "credential": "ok"}
    assert outcomes(connected(httpserver, sso_token="old"))["credential"] == "failed"
    assert outcomes(connected(httpserver, consumer_secret="wrong")) == {"credential": "failed"}


def test_secrets_do_not_show_in_settings() -> None:
    assert "rahasia" not in repr(replace(SETTINGS, consumer_secret="rahasia", sso_token="rahasia"))
