"""PyLTI1p3, and what it leaves to its caller.

The library walks through login and launch, reads the JWT and checks its signature. Everything it remembers between
the two, everything it fetches, and every check beyond that is ours: its own stores keep a nonce without consuming it
or tying it to a state, its key sets come over an unguarded session, and of the claims it looks at few.
"""

from __future__ import annotations

import base64
import hmac
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, cast

import requests
from pylti1p3.cookie import CookieService
from pylti1p3.deployment import Deployment
from pylti1p3.exception import LtiException, OIDCException
from pylti1p3.message_launch import MessageLaunch
from pylti1p3.oidc_login import OIDCLogin
from pylti1p3.redirect import Redirect
from pylti1p3.registration import Registration, TKeySet
from pylti1p3.request import Request
from pylti1p3.session import SessionService
from pylti1p3.tool_config.abstract import ToolConfAbstract

from hub.keysets import KeyNotFound
from hub.lti_tool import claims
from hub.lti_tool.claims import Claims, Expected, LaunchRefused
from hub.lti_tool.platforms import Platform


class Refusal(LtiException):
    """A check failed; carries which."""

    def __init__(self, refused: LaunchRefused) -> None:
        super().__init__(refused.why)
        self.refused = refused


@contextmanager
def _step(check: str) -> Iterator[None]:
    """What the library refuses in this step is refused under this name."""
    try:
        yield
    except Refusal:
        raise
    except LtiException as error:
        raise Refusal(LaunchRefused(check, f"{error}.")) from error


def _require(refused: LaunchRefused | None) -> None:
    if refused is not None:
        raise Refusal(refused)


class Parameters(Request):
    """The parameters of one request, read and bounded by us."""

    def __init__(self, values: Mapping[str, str], *, is_https: bool) -> None:
        self._values = values
        self._is_https = is_https

    @property
    def session(self) -> None:
        raise NotImplementedError("what lasts longer than a request is in the database")

    def is_secure(self) -> bool:
        return self._is_https

    def get_param(self, key: str) -> str:
        return self._values.get(key, "")


class Conf(ToolConfAbstract[Parameters]):
    """The one registration that a request is about, as the database has it.

    The library's own classes keep what an issuer is in a mapping that all configurations of a process share.
    """

    def __init__(self, platform: Platform) -> None:
        self._platform = platform

    def check_iss_has_one_client(self, iss: str) -> bool:
        return False

    def check_iss_has_many_clients(self, iss: str) -> bool:
        return True

    def find_registration_by_issuer(self, iss: str, *args: Any, **kwargs: Any) -> Registration:
        raise LtiException(f"{iss} is known with a client_id only")

    def find_registration_by_params(self, iss: str, client_id: str, *args: Any, **kwargs: Any) -> Registration:
        platform = self._platform
        return (
            Registration()
            .set_issuer(platform.issuer)
            .set_client_id(platform.client_id)
            .set_auth_login_url(platform.auth_url)
            .set_auth_token_url(platform.token_url)
            .set_key_set_url(platform.jwks_url)
        )

    def find_deployment(self, iss: str, deployment_id: str) -> Deployment | None:
        raise LtiException(f"{iss} is known with a client_id only")

    def find_deployment_by_params(
        self, iss: str, deployment_id: str, client_id: str, *args: Any, **kwargs: Any
    ) -> Deployment | None:
        # Whether it may launch is decided after the library is done: unknown ones are kept for an administrator.
        return Deployment().set_deployment_id(deployment_id)


# The login -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Begun:
    """A login that was taken: where to send the browser, and what has to come back."""

    url: str
    state: str
    nonce: str


class _Noted(SessionService, CookieService):
    """Takes down what the library would keep in a session and a cookie."""

    def __init__(self) -> None:
        self.nonce = ""
        self.state = ""

    def save_nonce(self, nonce: str) -> None:
        self.nonce = nonce

    def set_cookie(self, name: str, value: str | int, exp: int | None = 3600) -> None:
        self.state = name

    def get_cookie(self, name: str) -> None:
        return None


class _Login(OIDCLogin[Parameters, Conf, _Noted, _Noted, str]):
    """The library's login, with unguessable names of our own making."""

    def __init__(self, request: Parameters, conf: Conf, noted: _Noted, random: Callable[[int], bytes]) -> None:
        super().__init__(request, conf, noted, noted)
        self._random = random

    def _get_uuid(self) -> str:
        return _text_of(self._random(24))

    def _generate_nonce(self) -> str:
        return _text_of(self._random(24))

    def get_redirect(self, url: str) -> Redirect[str]:
        raise NotImplementedError("the redirect is written together with our cookie")

    def address(self, launch_url: str, auth_url: str) -> str:
        """The authentication request. The library writes a ``?`` also where the address has a query already."""
        query = self._prepare_redirect_url(launch_url).removeprefix(f"{auth_url}?")
        return f"{auth_url}{'&' if '?' in auth_url else '?'}{query}"


def begin(
    parameters: Parameters, platform: Platform, launch_url: str, random: Callable[[int], bytes]
) -> Begun | LaunchRefused:
    """Answer a login initiation (Security Framework 5.1.1.2)."""
    noted = _Noted()
    login = _Login(parameters, Conf(platform), noted, random)
    try:
        url = login.address(launch_url, platform.auth_url)
    except (OIDCException, LtiException) as error:
        return LaunchRefused("login", f"{error}.")
    return Begun(url, noted.state, noted.nonce)


def _text_of(value: bytes) -> str:
    return base64.urlsafe_b64encode(value).rstrip(b"=").decode()


# The launch ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Awaited:
    """What the database knows of the login that this launch answers, in this browser."""

    state: str
    nonce: bytes
    digest: Callable[[str], bytes]


class _Memory(SessionService, CookieService):
    """What the library may ask of the time before: was this state given to this browser, and this nonce with it?"""

    def __init__(self, awaited: Awaited) -> None:
        self._awaited = awaited

    def check_state_is_valid(self, state: str, id_token_hash: str) -> bool:
        # A state that was used is never good again, whichever token it came with.
        return False

    def get_cookie(self, name: str) -> str | None:
        return self._awaited.state if name == self._awaited.state else None

    def set_cookie(self, name: str, value: str | int, exp: int | None = 3600) -> None:
        raise NotImplementedError("a launch sets no cookie of the library's")

    def check_nonce(self, nonce: object) -> bool:
        return isinstance(nonce, str) and hmac.compare_digest(self._awaited.digest(nonce), self._awaited.nonce)

    def save_launch_data(self, key: str, jwt_body: object) -> None:
        """Consuming the login is one statement of our own, together with what the launch does."""

    def set_state_valid(self, state: str, id_token_hash: str) -> None:
        """As above."""


class _Message(MessageLaunch[Parameters, Conf, _Memory, _Memory]):
    """The library's launch, each of its steps followed by the checks that it leaves out."""

    def __init__(
        self,
        request: Parameters,
        conf: Conf,
        memory: _Memory,
        session: requests.Session,
        expected: Expected,
        find_key: Callable[[str], Mapping[str, str]],
    ) -> None:
        super().__init__(request, conf, memory, memory, requests_session=session)
        self._expected = expected
        self._find_key = find_key
        # Times are checked by us, against the hub's clock and with leeway; the signature by PyJWT.
        unchecked = ("verify_aud", "verify_exp", "verify_iat", "verify_nbf", "verify_sub", "verify_jti", "verify_iss")
        self.set_jwt_verify_options(dict.fromkeys(unchecked, False))

    def _get_request_param(self, key: str) -> str:
        return self._request.get_param(key)

    @property
    def claims(self) -> Claims:
        return cast(Claims, self._jwt["body"])

    def validate_state(self) -> _Message:
        with _step("id_token"):
            self._get_id_token()
        with _step("state"):
            super().validate_state()
        return self

    def validate_jwt_format(self) -> _Message:
        with _step("id_token"):
            super().validate_jwt_format()
            if not isinstance(self._jwt["header"], dict) or not isinstance(self._jwt["body"], dict):
                raise LtiException("The parts of the id_token are no JSON objects")
        _require(claims.check_header(cast(Mapping[str, Any], self._jwt["header"])))
        return self

    def validate_nonce(self) -> _Message:
        with _step("nonce"):
            super().validate_nonce()
        return self

    def validate_registration(self) -> _Message:
        _require(claims.check_parties(self.claims, self._expected))
        with _step("registration"):
            super().validate_registration()
        return self

    def get_public_key(self) -> tuple[str, str]:
        try:
            key = self._find_key(self._jwt["header"]["kid"])
        except KeyNotFound as error:
            raise Refusal(LaunchRefused("key", str(error))) from error
        assert self._registration is not None  # noqa: S101  # the step before found it
        self._registration.set_key_set(cast(TKeySet, {"keys": [key]}))
        with _step("key"):
            found: tuple[str, str] = super().get_public_key()
        return found

    def validate_jwt_signature(self) -> _Message:
        with _step("signature"):
            super().validate_jwt_signature()
        # From here on it is the platform that speaks.
        _require(claims.check_times(self.claims, self._expected))
        _require(claims.check_message(self.claims, self._expected))
        return self

    def validate_deployment(self) -> _Message:
        with _step("deployment"):
            super().validate_deployment()
        return self

    def validate_message(self) -> _Message:
        # Done above. The library's own would refuse deep linking requests that want other things than LTI links.
        return self


def receive(
    parameters: Parameters,
    platform: Platform,
    awaited: Awaited,
    expected: Expected,
    session: requests.Session,
    find_key: Callable[[str], Mapping[str, str]],
) -> Claims | LaunchRefused:
    """The claims of the id_token, once every check has passed; else what failed."""
    message = _Message(parameters, Conf(platform), _Memory(awaited), session, expected, find_key)
    try:
        message.validate()
    except Refusal as refusal:
        return refusal.refused
    return message.claims
