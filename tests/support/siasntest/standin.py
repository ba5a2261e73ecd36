"""SIASN as it is described, for tests: reads, saves, refuses in a 200, and loses answers on demand."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass, field
from typing import Any

from werkzeug import Request, Response

NIP = "198501012010011001"


@dataclass
class StandIn:
    """SIASN as REGULATION describes it. ``lose`` answers so many saves with nothing, after keeping them."""

    people: dict[str, str] = field(default_factory=lambda: {NIP: "A" * 32})
    courses: list[dict[str, Any]] = field(default_factory=list)
    trainings: list[dict[str, Any]] = field(default_factory=list)
    documents: list[tuple[str, str, bytes]] = field(default_factory=list)
    lose: int = 0
    refuse: str | None = None
    refuse_documents: str | None = None
    gateway_error: int | None = None
    calls: list[str] = field(default_factory=list)

    def token(self, request: Request) -> Response:
        if request.headers["Authorization"] != "Basic " + base64.b64encode(b"kunci:rahasia").decode():
            return self.json({"error": "invalid_client"}, 401)
        assert request.form["grant_type"] == "client_credentials"
        return self.json({"access_token": "gateway-token", "expires_in": 3600})

    def api(self, request: Request) -> Response:
        path = request.path.removeprefix("/apisiasn/1.0")
        self.calls.append(f"{request.method} {path.replace(NIP, '{nip}')}")
        if self.gateway_error:
            return self.json({"Error": "Gateway", "Message": "throttled out"}, self.gateway_error)
        tokens = (request.headers.get("Authorization"), request.headers.get("Auth"))
        if tokens != ("Bearer gateway-token", "bearer sso-token"):
            return self.json({"Error": "900901", "Message": "Invalid Credentials"}, 401)
        if request.method == "GET":
            return self.read(path)
        if path == "/upload-dok-rw" and self.refuse_documents:
            return self.json({"success": False, "message": self.refuse_documents})
        if path == "/upload-dok-rw":
            self.documents.append(
                (request.form["id_riwayat"], request.form["id_ref_dokumen"], request.files["file"].read())
            )
            return self.json({"success": True, "message": "ok"})
        return self.save(path, request.get_json())

    def read(self, path: str) -> Response:
        what, _, nip = path.removeprefix("/pns/").partition("/")
        found: Any = {
            "data-utama": {"id": self.people[nip], "nipBaru": nip} if nip in self.people else None,
            "rw-kursus": self.courses,
            "rw-diklat": self.trainings,
        }[what]
        return self.json({"code": 1, "data": found}) if found else self.json({"code": 0, "data": "not found"}, 404)

    def save(self, path: str, body: dict[str, Any]) -> Response:
        if self.refuse:
            return self.json({"success": False, "message": self.refuse})
        if path == "/kursus/save":
            kept = {
                "id": f"k{len(self.courses)}",
                "noSertipikat": body["nomorSertipikat"],
                "tanggalKursus": body["tanggalKursus"],
                "institusiPenyelenggara": body["institusiPenyelenggara"],
            }
            self.courses.append(kept)
            data = {"rwKursusId": kept["id"]}
        else:
            kept = {"id": f"d{len(self.trainings)}"} | {
                name: body[name] for name in ("nomor", "tanggal", "institusiPenyelenggara")
            }
            self.trainings.append(kept)
            data = {"rwDiklatId": kept["id"]}
        if self.lose:
            self.lose -= 1
            return self.json({"Error": "504", "Message": "timeout"}, 504)
        return self.json({"success": True, "message": "berhasil", "mapData": data})

    @staticmethod
    def json(value: Any, status: int = 200) -> Response:
        return Response(json.dumps(value), status, content_type="application/json")
