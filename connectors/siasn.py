"""Hand recognized hours to SIASN, the civil service's official record at BKN.

SIASN publishes no interface; what is here follows public implementations of "apisiasn 1.0". Its habits decide the
shape of this module:

- It has no idempotency key, so the person's record is read before every save: an entry with this number, date and
  organiser is there already, whoever wrote it and however often the hub tries again.
- It answers HTTP 200 with ``success: false``: the body decides. "Nothing found" is a 404 with ``code: 0``.
- Two tokens: the API gateway's (client credentials), and one of the single sign-on that an operator supplies. No
  password is ever kept.
- It takes whole hours: hundredths are cut off here and nowhere else; less than one hour is not handed over.
- Its limits are unknown: one call at a time, and no save is repeated by the session.

The bodies are pure functions, which is also what a dry run shows.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any

import orjson
import requests

from connectors.base import Check, Clock, ConnectorError
from connectors.checks import check_clock, check_tls, failed
from connectors.external_lrs import basic
from connectors.http import RequestFailed, describe, require_ok

#: Structural training goes to another resource than everything else.
STRUCTURAL_FORM = "KL01"
#: The reference document type of a course certificate.
CERTIFICATE_DOCUMENT = "881"


@dataclass(frozen=True, slots=True)
class SIASNSettings:
    """SIASN as an admin registered it: ``base_url`` ends in ``/apisiasn/1.0``."""

    base_url: str
    token_url: str
    consumer_key: str
    consumer_secret: str = field(repr=False)
    sso_token: str = field(repr=False)
    institution_id: str = ""
    location_id: str = ""


@dataclass(frozen=True, slots=True)
class Hours:
    """Recognized hours of one person for one course, as SIASN is told of them.

    ``kind_id`` and ``certificate_kind`` are the form's codes in forms.csv; ``number`` is the certificate's, or the
    hub's own where the course gives none. ``structural_id`` says which structural training (8: another one).
    """

    entry: str
    nip: str
    course: str
    organiser: str
    form: str
    kind_id: str
    certificate_kind: str
    centi_jp: int
    start: date
    end: date
    number: str
    structural_id: str = "8"

    @property
    def whole_hours(self) -> int:
        return self.centi_jp // 100


@dataclass(frozen=True, slots=True)
class Saved:
    """SIASN has it now, under this id."""

    id: str


@dataclass(frozen=True, slots=True)
class AlreadyThere:
    """SIASN had it, from an earlier attempt or from elsewhere."""

    id: str


@dataclass(frozen=True, slots=True)
class NotSaved:
    """SIASN or the hub refuses it for good: `reason` is stable, `detail` says it in words."""

    reason: str
    detail: str


@dataclass(frozen=True, slots=True)
class WouldSave:
    """What a dry run would have sent, and where."""

    path: str
    body: Mapping[str, Any]


Outcome = Saved | AlreadyThere | NotSaved | WouldSave


# Bodies --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Resource:
    """Where one kind of training is read and written, and how its fields are called when read."""

    save: str
    read: str
    number: str
    day: str
    id: str
    body: Callable[[Hours, str, SIASNSettings], dict[str, Any]]


def course_body(hours: Hours, person: str, settings: SIASNSettings) -> dict[str, Any]:
    """The body of ``POST /kursus/save``. "Sertipikat" is its own spelling."""
    return {
        "id": None,
        "instansiId": settings.institution_id,
        "institusiPenyelenggara": hours.organiser,
        "jenisDiklatId": hours.kind_id,
        "jenisKursus": "",
        "jenisKursusSertipikat": hours.certificate_kind,
        "jumlahJam": hours.whole_hours,
        "lokasiId": settings.location_id,
        "namaKursus": hours.course,
        "nomorSertipikat": hours.number,
        "pnsOrangId": person,
        "tahunKursus": hours.end.year,
        "tanggalKursus": day(hours.start),
        "tanggalSelesaiKursus": day(hours.end),
    }


def training_body(hours: Hours, person: str, _settings: SIASNSettings) -> dict[str, Any]:
    """The body of ``POST /diklat/save``, for structural training (KL01)."""
    return {
        "bobot": 0,
        "id": None,
        "institusiPenyelenggara": hours.organiser,
        "jenisKompetensi": "",
        "jumlahJam": hours.whole_hours,
        "latihanStrukturalId": hours.structural_id,
        "nomor": hours.number,
        "pnsOrangId": person,
        "tahun": hours.end.year,
        "tanggal": day(hours.start),
        "tanggalSelesai": day(hours.end),
    }


_COURSE = _Resource("/kursus/save", "/pns/rw-kursus/", "noSertipikat", "tanggalKursus", "rwKursusId", course_body)
_TRAINING = _Resource("/diklat/save", "/pns/rw-diklat/", "nomor", "tanggal", "rwDiklatId", training_body)


def day(on: date) -> str:
    """A date as SIASN writes it."""
    return on.strftime("%d-%m-%Y")


def refusal(hours: Hours) -> NotSaved | None:
    """Why hours cannot be handed over at all."""
    if hours.whole_hours < 1:
        return NotSaved("below_one_hour", f"{hours.centi_jp / 100:.2f} JP is less than the whole hour SIASN takes.")
    if not hours.number.strip():
        return NotSaved("no_number", "Without a certificate number SIASN cannot tell this entry from another.")
    if hours.end < hours.start:
        return NotSaved("dates", "The course ends before it starts.")
    return None


def find_same(listed: list[Mapping[str, Any]], hours: Hours, resource: _Resource) -> str | None:
    """The id of the entry with this number, date and organiser; spaces and case do not make another one."""
    wanted = (_plain(hours.number), day(hours.start), _plain(hours.organiser))
    for each in listed:
        found = (_plain(each.get(resource.number)), each.get(resource.day), _plain(each.get("institusiPenyelenggara")))
        if found == wanted:
            return str(each.get("id"))
    return None


def _plain(value: Any) -> str:
    return " ".join(str(value or "").split()).casefold()


# Calls ---------------------------------------------------------------------------------------------------------


class SIASN:
    """The connector of SIASN. One object per run: it keeps the gateway's token as long as it lives."""

    def __init__(self, settings: SIASNSettings, session: requests.Session) -> None:
        self._settings = settings
        self._session = session
        self._token: str | None = None

    def save(self, hours: Hours, *, dry_run: bool = False) -> Outcome:
        """Hand over, unless it is there already. Raises `ConnectorError` where the outcome may change later.

        After an error the outcome is unknown: calling again is safe, since the record is read first.
        """
        if refused := refusal(hours):
            return refused
        resource = _TRAINING if hours.form == STRUCTURAL_FORM else _COURSE
        person = self.find_person(hours.nip)
        if person is None:
            return NotSaved("unknown_person", "SIASN knows no employee with this NIP.")
        there = find_same(self._list(resource.read + hours.nip), hours, resource)
        if there is not None:
            return AlreadyThere(there)
        body = resource.body(hours, person, self._settings)
        if dry_run:
            return WouldSave(resource.save, body)
        return self._posted(self._call("POST", resource.save, json=body), resource)

    def find_person(self, nip: str) -> str | None:
        """SIASN's own id of an employee (``pnsOrangId``)."""
        found = self._read(f"/pns/data-utama/{nip}")
        return str(found["id"]) if isinstance(found, Mapping) and found.get("id") else None

    def upload_certificate(self, id: str, pdf: bytes) -> NotSaved | None:
        """Attach the certificate to a saved entry; `None` where it was taken."""
        form = {"id_riwayat": id, "id_ref_dokumen": CERTIFICATE_DOCUMENT}
        files = {"file": ("sertifikat.pdf", pdf, "application/pdf")}
        answer = self._call("POST", "/upload-dok-rw", data=form, files=files)
        return None if answer.get("success") is True else _not_saved(answer)

    def test(self, clock: Clock) -> tuple[Check, ...]:
        """Whether the gateway gives a token, and the API takes both tokens."""
        settings = self._settings
        try:
            response = self._ask_token()
        except ConnectorError as error:
            code = {"tls": "tls", "credential_refused": "credential"}.get(error.code, "reachable")
            return (failed(code, error),)
        reached = Check("reachable", "ok", "answered", f"{describe(settings.token_url)} gave a token.")
        checks = (reached, check_tls(settings.base_url), check_clock(response.headers.get("Date"), clock()))
        try:
            self._read("/pns/data-utama/000000000000000000")
        except ConnectorError as error:
            return (*checks, failed("credential", error))
        return (*checks, Check("credential", "ok", "accepted", "Both tokens are accepted."))

    def _posted(self, answer: Mapping[str, Any], resource: _Resource) -> Outcome:
        data = answer.get("mapData")
        id = data.get(resource.id) if isinstance(data, Mapping) else None
        if answer.get("success") is True and id:
            return Saved(str(id))
        return _not_saved(answer)

    def _list(self, path: str) -> list[Mapping[str, Any]]:
        found = self._read(path)
        return [each for each in found if isinstance(each, Mapping)] if isinstance(found, list) else []

    def _read(self, path: str) -> Any:
        """The ``data`` of an answer; `None` where SIASN found nothing, which it says with a 404 of its own."""
        response = self._send("GET", path)
        if response.status_code == 404:
            if _json(response).get("code") == 0:
                return None
            require_ok(response)
        return _json(require_ok(response)).get("data")

    def _call(self, method: str, path: str, **content: Any) -> Mapping[str, Any]:
        return _json(require_ok(self._send(method, path, **content)))

    def _send(self, method: str, path: str, **content: Any) -> requests.Response:
        if self._token is None:
            self._ask_token()
        headers = {
            "Authorization": f"Bearer {self._token}",
            "Auth": f"bearer {self._settings.sso_token}",
            "Accept": "application/json",
        }
        return self._session.request(method, self._settings.base_url.rstrip("/") + path, headers=headers, **content)

    def _ask_token(self) -> requests.Response:
        """WSO2 API Manager: client credentials with HTTP Basic (RFC 6749 section 4.4)."""
        settings = self._settings
        headers = {"Authorization": basic(settings.consumer_key, settings.consumer_secret)}
        form = {"grant_type": "client_credentials"}
        response = require_ok(self._session.post(settings.token_url, data=form, headers=headers))
        token = _json(response).get("access_token")
        if not isinstance(token, str) or not token:
            raise _unreadable(f"POST {describe(settings.token_url)}")
        self._token = token
        return response


def _json(response: requests.Response) -> Mapping[str, Any]:
    try:
        found = orjson.loads(response.content)
    except orjson.JSONDecodeError:
        found = None
    if not isinstance(found, Mapping):
        raise _unreadable(f"{response.request.method} {describe(response.url)}")
    return found


def _unreadable(where: str) -> RequestFailed:
    return RequestFailed(where, "SIASN's answer is not what it should be", "Try again later", code="not_siasn",
                         retryable=True)  # fmt: skip


def _not_saved(answer: Mapping[str, Any]) -> NotSaved:
    said = answer.get("message") or answer.get("Message") or "no reason given"
    return NotSaved("refused", f"SIASN refused it: {str(said)[:300]}")
