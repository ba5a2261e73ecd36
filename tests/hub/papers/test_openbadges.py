"""A paper as a signed credential: Open Badges 3.0, checked as its specification wants verifiers to check it."""

from __future__ import annotations

import base64
from datetime import UTC, datetime
from typing import Any

import flask
import jwt as pyjwt
import orjson
import pytest
from joserfc import jws, jwt
from joserfc.errors import BadSignatureError
from joserfc.jwk import KeySet, RSAKey
from jwcrypto import jwk as jwcrypto_jwk
from jwcrypto import jwt as jwcrypto_jwt

from holdertest import Browser, employee
from hub.application import create_app
from hub.papers import openbadges
from hub.papers.transcript_tables import issuer_keys
from hub.papers.transcripts import Paper
from lrs.database import Database
from recognizedtest import BASE, World, linked_world, statement, voiding


@pytest.fixture
def app(db: Database) -> flask.Flask:
    """A hub in which Budi has completed one course of 4.5 JP, with an account "budi"."""
    world, learner = linked_world(db)
    said = statement()
    world.receive(said)
    world.settle()
    app = create_app(world.hub)
    app.extensions["test"] = (world, learner, said["id"])
    app.extensions["budi"] = employee(world, learner, app=app)
    return app


def issued(app: flask.Flask) -> str:
    """Budi's credential of 2026, as she downloads it."""
    budi: Browser = app.extensions["budi"]
    budi.post("/transcript/papers?year=2026", "/transcript/papers?year=2026")
    page = budi.get("/transcript/papers?year=2026").text
    path = page.partition("/credential.jwt")[0].rpartition('"')[2] + "/credential.jwt"
    answer = budi.get(path)
    assert answer.status_code == 200
    assert answer.mimetype == "text/plain"
    assert answer.headers["Content-Disposition"].endswith('.jwt"')
    return answer.text


def header_of(token: str) -> dict[str, Any]:
    part = token.split(".")[0]
    return dict(orjson.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))))


def claims_of(app: flask.Flask, token: str) -> dict[str, Any]:
    """What a verifier reads who has nothing but the token and the web: section 8.2.6, step by step."""
    anybody = Browser(app)
    kid = header_of(token)["kid"]
    key = anybody.get(kid)
    assert key.status_code == 200
    claims: dict[str, Any] = jwt.decode(token, RSAKey.import_key(key.json), algorithms=["RS256"]).claims
    assert claims["iss"] == claims["issuer"]["id"]
    assert claims["sub"] == claims["credentialSubject"]["id"]
    assert claims["jti"] == claims["id"]
    assert claims["nbf"] == int(datetime.fromisoformat(claims["validFrom"]).timestamp())
    return claims


def test_it_verifies_with_the_key_that_its_header_names(app: flask.Flask) -> None:
    claims = claims_of(app, issued(app))

    assert claims["type"] == ["VerifiableCredential", "OpenBadgeCredential"]
    assert claims["@context"][0] == "https://www.w3.org/ns/credentials/v2"
    assert claims["@context"][1].startswith("https://purl.imsglobal.org/spec/ob/v3p0/context")


def test_it_verifies_with_the_published_key_set(app: flask.Flask) -> None:
    token = issued(app)
    published = KeySet.import_key_set(Browser(app).get("/credentials/jwks").json)

    assert jwt.decode(token, published, algorithms=["RS256"]).claims["iss"] == f"{BASE}/credentials/issuer"


def test_two_libraries_that_did_not_sign_it_verify_it_too(app: flask.Flask) -> None:
    """The hub signs with joserfc; a verifier has PyJWT or jwcrypto, and what the hub publishes."""
    token, anybody = issued(app), Browser(app)
    kid = header_of(token)["kid"]
    named = pyjwt.PyJWK.from_dict(anybody.get(kid).json)
    published = jwcrypto_jwk.JWKSet.from_json(anybody.get("/credentials/jwks").text)
    listed = published.get_key(kid) or next(iter(published))

    claims = pyjwt.decode(token, named.key, algorithms=["RS256"])
    checked = jwcrypto_jwt.JWT(jwt=token, key=listed, algs=["RS256"])

    assert claims["iss"] == f"{BASE}/credentials/issuer"
    assert orjson.loads(checked.claims)["jti"] == claims["jti"]
    with pytest.raises(pyjwt.InvalidSignatureError):
        pyjwt.decode(f"{token[:-8]}AAAAAAAA", named.key, algorithms=["RS256"])


def test_the_header_has_what_the_specification_allows_and_no_more(app: flask.Flask) -> None:
    header = header_of(issued(app))

    assert header.keys() == {"alg", "kid", "typ"}
    assert (header["alg"], header["typ"]) == ("RS256", "JWT")
    assert header["kid"].startswith(f"{BASE}/credentials/keys/")


def test_one_changed_sign_is_found(app: flask.Flask) -> None:
    header, body, signature = issued(app).split(".")
    claims = orjson.loads(base64.urlsafe_b64decode(body + "=="))
    claims["credentialSubject"]["creditsEarned"] = 45.0
    forged = base64.urlsafe_b64encode(orjson.dumps(claims)).rstrip(b"=").decode()
    key = RSAKey.import_key(Browser(app).get(header_of(f"{header}.x.x")["kid"]).json)

    with pytest.raises(BadSignatureError):
        jws.deserialize_compact(f"{header}.{forged}.{signature}", key, algorithms=["RS256"])


def test_it_says_who_achieved_what(app: flask.Flask) -> None:
    _, learner, _ = app.extensions["test"]

    claims = claims_of(app, issued(app))

    subject = claims["credentialSubject"]
    assert subject["id"] == learner.id.urn
    assert subject["type"] == ["AchievementSubject"]
    assert subject["creditsEarned"] == 4.5
    assert subject["result"] == [
        {"type": ["Result"], "resultDescription": f"{subject['achievement']['id']}#jp", "value": "4.5"}
    ]
    name, nip = subject["identifier"]
    assert name["identityHash"] == "Budi Santoso"
    assert nip["identityHash"] == openbadges.hashed(learner.nip, nip["salt"])
    assert claims["evidence"] == [
        {
            "type": ["Evidence"],
            "name": "Information Security",
            "description": claims["evidence"][0]["description"],
            "genre": "KL03",
        }
    ]
    assert claims["evidence"][0]["description"].startswith("2026-03-02: 4.5 JP")


def test_no_number_of_the_state_is_in_it(app: flask.Flask) -> None:
    _, learner, _ = app.extensions["test"]

    assert learner.nip not in orjson.dumps(claims_of(app, issued(app))).decode()


def test_what_it_names_can_be_fetched(app: flask.Flask) -> None:
    claims = claims_of(app, issued(app))
    anybody = Browser(app)

    issuer = anybody.get(claims["issuer"]["id"]).json
    achievement = anybody.get(claims["credentialSubject"]["achievement"]["id"]).json

    assert {name: issuer[name] for name in claims["issuer"]} == claims["issuer"]
    assert achievement["criteria"] == claims["credentialSubject"]["achievement"]["criteria"]
    assert anybody.get(claims["id"]).status_code == 200


def test_every_member_is_one_of_the_specification(app: flask.Flask) -> None:
    """Section B.1 lists them; a member that a checker does not know is one that it ignores or refuses."""
    claims = claims_of(app, issued(app))
    subject = claims["credentialSubject"]

    assert claims.keys() <= {
        "@context", "id", "type", "name", "description", "image", "awardedDate", "credentialSubject", "endorsement",
        "endorsementJwt", "evidence", "issuer", "validFrom", "validUntil", "credentialSchema", "credentialStatus",
        "refreshService", "termsOfUse", "iss", "sub", "nbf", "jti",
    }  # fmt: skip
    assert subject.keys() <= {
        "id", "type", "activityEndDate", "activityStartDate", "creditsEarned", "achievement", "identifier", "image",
        "licenseNumber", "narrative", "result", "role", "source", "term",
    }  # fmt: skip
    assert {"id", "type", "criteria", "description", "name"} <= subject["achievement"].keys()
    assert all(each["type"] == "IdentityObject" and "identityHash" in each for each in subject["identifier"])
    assert claims["validFrom"].endswith("Z")


def revoked_ids(app: flask.Flask, claims: dict[str, Any]) -> list[str]:
    status = claims["credentialStatus"]
    assert status["type"] == "1EdTechRevocationList"
    found = Browser(app).get(status["id"]).json
    assert (found["id"], found["issuer"]) == (status["id"], claims["issuer"]["id"])
    return [each["id"] for each in found["revokedCredential"]]


def test_it_is_on_its_revocation_list_once_an_hour_is_taken_back(app: flask.Flask) -> None:
    world, _, said = app.extensions["test"]
    claims = claims_of(app, issued(app))
    assert revoked_ids(app, claims) == []

    world.receive(voiding(said))
    world.settle()

    assert revoked_ids(app, claims) == [claims["id"]]


def test_it_is_on_its_revocation_list_once_it_is_withdrawn(app: flask.Flask) -> None:
    claims = claims_of(app, issued(app))
    budi: Browser = app.extensions["budi"]
    code = claims["id"].rpartition("/")[2]

    budi.post(f"/transcript/papers/{code}/revoke", "/transcript/papers?year=2026")

    assert revoked_ids(app, claims) == [claims["id"]]
    assert budi.get(f"/transcript/papers/{code}/credential.jwt").status_code == 410


def test_after_a_rotation_older_credentials_still_verify(app: flask.Flask) -> None:
    world, _, _ = app.extensions["test"]
    older = issued(app)
    world.clock.forward(hours=1)

    openbadges.rotate(world.hub, by="cli:root")
    newer = issued(app)

    assert header_of(older)["kid"] != header_of(newer)["kid"]
    assert claims_of(app, older)["id"] == claims_of(app, newer)["id"]
    assert len(Browser(app).get("/credentials/jwks").json["keys"]) == 2


def test_only_public_halves_are_published_and_private_ones_lie_sealed(app: flask.Flask) -> None:
    world, _, _ = app.extensions["test"]
    token = issued(app)

    published = Browser(app).get("/credentials/jwks").json["keys"]
    with world.db.read() as conn:
        (row,) = conn.execute(issuer_keys.select()).all()

    assert all(each.keys() == {"kty", "n", "e", "kid", "alg", "use"} for each in published)
    assert Browser(app).get(header_of(token)["kid"]).json == published[0]
    assert b"PRIVATE" not in row.private_key


def test_moments_are_whole_seconds_in_utc(db: Database) -> None:
    world, learner = linked_world(db)
    world.clock.now = datetime(2026, 11, 24, 3, 0, 0, 999_999, tzinfo=UTC)
    paper: Paper = world.db.run(lambda conn: _issue(conn, world, learner))

    found = openbadges.payload(openbadges.credential(paper, BASE))

    assert found["validFrom"] == "2026-11-24T03:00:00Z"
    assert found["nbf"] == 1795489200


def _issue(conn: Any, world: World, learner: Any) -> Paper:
    from hub.papers import transcripts

    return transcripts.issue(conn, world.hub, learner, 2026, by="budi")


def test_unknown_keys_and_achievements_are_not_found(app: flask.Flask) -> None:
    anybody = Browser(app)

    assert anybody.get("/credentials/keys/nobody").status_code == 404
    assert anybody.get("/credentials/achievements/no-policy/2026").status_code == 404
