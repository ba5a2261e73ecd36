"""A paper as a signed credential: an Open Badges 3.0 OpenBadgeCredential, which is a W3C Verifiable Credential, as JWT.

Open Badges Specification 3.0 says what is in it (section B.1, "Credential Data Models") and how it is signed (section
8.2, "JSON Web Token Proof Format"): the payload is the credential itself, with ``iss``, ``sub``, ``nbf`` and ``jti``
beside its members, and no ``vc`` around it; the header has ``alg``, ``kid`` and ``typ`` and nothing else, and ``kid``
is an address under which the public key can be fetched (section 8.5, "Dereferencing the Public Key").

The key is not one of those that sign LTI messages: those leave their key set a day after a rotation, while a
credential is checked for years. So every key of this kind stays published, and the newest one signs.

A credential says what its paper says. Whether that still stands is told by its ``credentialStatus``: a revocation
list of its own (section 9, "Verification and Validation"), so that nobody can read off whose others were withdrawn.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from typing import TYPE_CHECKING, Any

import orjson
import sqlalchemy as sa
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from joserfc import jwt
from joserfc.jwk import RSAKey

from hub import journal
from hub.papers.transcript_tables import issuer_keys
from hub.papers.transcripts import Line, Paper, Standing
from lrs.database import insert_all
from mappings.rules import jp_text

if TYPE_CHECKING:
    from hub.runtime import Hub

#: Open Badges 3.0 section 8.2.3: "RS256 as a minimum"; anything else limits who can check it.
ALGORITHM = "RS256"
BITS = 2048

CONTEXT = ("https://www.w3.org/ns/credentials/v2", "https://purl.imsglobal.org/spec/ob/v3p0/context-3.0.3.json")

#: Its own name for the vocabulary of achievements, as section B.1 wants extensions: "ext:".
ACHIEVEMENT_TYPE = "ext:RecognizedLearningHours"

_SEAL = "issuer-key"


@dataclass(frozen=True, slots=True)
class IssuerKey:
    """The key that signs now, still sealed."""

    kid: str
    sealed: bytes


class Signer:
    """Signs the credentials of one process: private keys are opened once."""

    def __init__(self) -> None:
        self._keys: dict[str, RSAKey] = {}
        self._lock = threading.Lock()

    def sign(self, hub: Hub, key: IssuerKey, credential: Mapping[str, Any]) -> str:
        """The credential as a compact JWS. Raises `hub.access.crypto.SealBroken` under another WKMB_SECRET_KEY."""
        header = {"alg": ALGORITHM, "kid": key_address(hub.base_url, key.kid), "typ": "JWT"}
        return jwt.encode(header, payload(credential), self._opened(hub, key), algorithms=[ALGORITHM])

    def _opened(self, hub: Hub, key: IssuerKey) -> RSAKey:
        with self._lock:
            known = self._keys.get(key.kid)
            if known is None:
                known = self._keys[key.kid] = RSAKey.import_key(hub.keyring.open(_SEAL, key.sealed))
        return known


# The credential ----------------------------------------------------------------------------------------


def credential(paper: Paper, base_url: str) -> dict[str, Any]:
    """The OpenBadgeCredential of a paper."""
    said, address = paper.said, paper_address(base_url, paper.code)
    awarded = _moment(paper.issued_at)
    return {
        "@context": list(CONTEXT),
        "id": address,
        "type": ["VerifiableCredential", "OpenBadgeCredential"],
        "name": f"{jp_text(said.recognized_centi)} JP, {said.year}",
        "description": f"Learning hours (JP) recognized in {said.year} under {said.policy}, as of {awarded}.",
        "issuer": issuer(base_url),
        "validFrom": awarded,
        "awardedDate": awarded,
        "credentialSubject": _subject(paper, base_url),
        "evidence": [_evidence(line) for line in said.lines],
        "credentialStatus": {"id": f"{address}/status", "type": "1EdTechRevocationList"},
    }


def payload(found: Mapping[str, Any]) -> dict[str, Any]:
    """The claims of the JWT (section 8.2.4.1): the credential itself, and what a JWT calls its parts."""
    return {
        **found,
        "iss": found["issuer"]["id"],
        "sub": found["credentialSubject"]["id"],
        "nbf": int(datetime.fromisoformat(found["validFrom"]).timestamp()),
        "jti": found["id"],
    }


def issuer(base_url: str) -> dict[str, Any]:
    """Who issues: a Profile (section B.1)."""
    return {
        "id": f"{base_url}/credentials/issuer",
        "type": ["Profile"],
        "name": "Wiyata Kinarya Merdeka Belajar",
        "url": base_url,
    }


def achievement(base_url: str, policy: str, year: int, *, title: str = "") -> dict[str, Any]:
    """What is achieved: hours of one year under one policy (an Achievement, section B.1)."""
    address = f"{base_url}/credentials/achievements/{policy}/{year}"
    rule = f"{title} ({policy})" if title else policy
    return {
        "id": address,
        "type": ["Achievement"],
        "achievementType": ACHIEVEMENT_TYPE,
        "name": f"Learning hours (jam pelajaran, JP) of {year}",
        "description": f"Learning of a civil servant in {year}, recognized in JP of 45 minutes.",
        "criteria": {"narrative": f"Each hour is recognized from reports of the course's provider under {rule}."},
        "creator": issuer(base_url),
        "resultDescription": [
            {
                "id": f"{address}#jp",
                "type": ["ResultDescription"],
                "name": "Recognized JP",
                "resultType": "ext:LearningHours",
                "valueMin": "0",
            }
        ],
    }


def revocations(paper: Paper, found: Standing, base_url: str) -> dict[str, Any]:
    """The revocation list of one paper's credential: it is on it once something on it does not hold any more."""
    address = paper_address(base_url, paper.code)
    reasons = {
        "revoked": "The transcript was withdrawn.",
        "changed": "Something that it says was taken back.",
        "broken": "The ledger is not the one that it names.",
    }
    reason = reasons.get(found.state)
    entry = {"id": address, "revoked": True, "revocationReason": reason}
    return {
        "id": f"{address}/status",
        "issuer": issuer(base_url)["id"],
        "revokedCredential": [entry] if reason else [],
    }


def paper_address(base_url: str, code: str) -> str:
    """Where anybody can see whether a paper stands; it is the credential's id as well."""
    return f"{base_url}/verify/{code}"


def hashed(value: str, salt: str) -> str:
    """An IdentityHash (section B.1): whoever knows the number can check that it is this one."""
    return f"sha256${sha256((value + salt).encode()).hexdigest()}"


def _subject(paper: Paper, base_url: str) -> dict[str, Any]:
    said = paper.said
    what = achievement(base_url, said.policy, said.year, title=said.policy_en)
    return {
        # The learner's opaque id: the same in each of her credentials, and nowhere a number of the state.
        "id": paper.learner.urn,
        "type": ["AchievementSubject"],
        "identifier": [
            {"type": "IdentityObject", "hashed": False, "identityHash": said.name, "identityType": "name"},
            {
                "type": "IdentityObject",
                "hashed": True,
                "identityHash": hashed(said.nip, paper.code),
                "identityType": "ext:NIP",
                "salt": paper.code,
            },
        ],
        "achievement": what,
        "creditsEarned": said.recognized_centi / 100,
        "result": [
            {
                "type": ["Result"],
                "resultDescription": what["resultDescription"][0]["id"],
                "value": jp_text(said.recognized_centi),
            }
        ],
        "term": str(said.year),
    }


def _evidence(line: Line) -> dict[str, Any]:
    return {
        "type": ["Evidence"],
        "name": line.title_en,
        "description": f"{line.on.isoformat()}: {jp_text(line.centi_jp)} JP, {line.form_en}.",
        "genre": line.form,
    }


def _moment(value: datetime) -> str:
    return value.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


# Keys --------------------------------------------------------------------------------------------------


def key_address(base_url: str, kid: str) -> str:
    """The address under which a public key is published (section 8.5)."""
    return f"{base_url}/credentials/keys/{kid}"


def ensure(hub: Hub) -> IssuerKey:
    """The key that signs now, made if there is none. Of two that are made at once, both are published."""
    with hub.db.read() as conn:
        found = _newest(conn)
    if found is not None:
        return found
    made = _make(hub)
    with hub.db.write() as conn:
        if _newest(conn) is None:
            insert_all(conn, issuer_keys, [made])
        found = _newest(conn)
    assert found is not None  # noqa: S101  # it was there, or has just been made
    return found


def rotate(hub: Hub, *, by: str) -> str:
    """Sign with a new key from now on; gives its kid. What the older ones signed can be checked as before."""
    made = _make(hub)
    with hub.db.write() as conn:
        insert_all(conn, issuer_keys, [made])
        now, new_id = hub.clock(), hub.new_id
        journal.record(conn, who=by, action="issuer_key.rotate", object=made["kid"], now=now, new_id=new_id)
    return str(made["kid"])


def find_key(conn: sa.Connection, kid: str) -> dict[str, Any] | None:
    """The public key (JWK, RFC 7517) of this name."""
    text = conn.execute(sa.select(issuer_keys.c.public_jwk).where(issuer_keys.c.kid == kid)).scalar()
    return None if text is None else dict(orjson.loads(text))


def key_set(conn: sa.Connection) -> dict[str, Any]:
    """Every key that ever signed a credential, the newest first: public halves alone."""
    newest_first = sa.select(issuer_keys.c.public_jwk).order_by(issuer_keys.c.active_from.desc(), issuer_keys.c.kid)
    return {"keys": [orjson.loads(text) for text in conn.execute(newest_first).scalars()]}


def _newest(conn: sa.Connection) -> IssuerKey | None:
    at = issuer_keys.c
    row = conn.execute(sa.select(at.kid, at.private_key).order_by(at.active_from.desc(), at.kid).limit(1)).first()
    return None if row is None else IssuerKey(row.kid, row.private_key)


def _make(hub: Hub) -> dict[str, Any]:
    """The row of a new key. It takes a tenth of a second: never inside a transaction."""
    private = rsa.generate_private_key(public_exponent=65537, key_size=BITS)
    pem = private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    key = RSAKey.import_key(pem)
    kid = key.thumbprint()
    # In the set a key is named as in the header of what it signed: by its address.
    public = key.as_dict(private=False) | {"kid": key_address(hub.base_url, kid), "alg": ALGORITHM, "use": "sig"}
    return {
        "kid": kid,
        "private_key": hub.seal(_SEAL, pem),
        "public_jwk": orjson.dumps(public, option=orjson.OPT_SORT_KEYS).decode(),
        "active_from": hub.clock(),
    }
