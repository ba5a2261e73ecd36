"""The sandbox as an LTI 1.3 tool, on PyLTI1p3.

Third-party login (Security Framework 1.0, 5.1.1): the platform sends the browser here, we send it to the
platform's authentication endpoint with a state and a nonce, the platform posts an id_token back.

PyLTI1p3 2.0.0 is a little lenient, so this module adds what the security framework wants: the nonce is consumed
(5.1.3, step 9), ``exp`` and ``iat`` are required, the audience must be us, clocks may differ by a minute, and
the target link must be ours.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import requests
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import RSAKey
from pylti1p3.cookie import CookieService
from pylti1p3.deployment import Deployment
from pylti1p3.exception import LtiException, OIDCException
from pylti1p3.launch_data_storage.base import LaunchDataStorage
from pylti1p3.message_launch import MessageLaunch
from pylti1p3.oidc_login import OIDCLogin
from pylti1p3.registration import Registration
from pylti1p3.request import Request
from pylti1p3.session import SessionService
from pylti1p3.tool_config.abstract import ToolConfAbstract

from .errors import LaunchError, SandboxError
from .keys import Key
from .platforms import Platform, Platforms
from .store import Store

CLAIM = "https://purl.imsglobal.org/spec/lti/claim/"
AGS_CLAIM = "https://purl.imsglobal.org/spec/lti-ags/claim/endpoint"

MESSAGE_TYPES = ("LtiResourceLinkRequest", "LtiDeepLinkingRequest")

#: Clocks of two machines differ; more than a minute is a fault worth hearing about.
LEEWAY_SECONDS = 60


def registration_of(platform: Platform, key: Key, *, signing_key: Key | None = None) -> Registration:
    """PyLTI1p3's view of the platform. ``signing_key`` signs in the place of ours, under our key's id."""
    registration = Registration()
    registration.set_issuer(platform.issuer)
    registration.set_client_id(platform.client_id)
    registration.set_auth_login_url(platform.auth_url)
    registration.set_auth_token_url(platform.token_url)
    registration.set_key_set_url(platform.jwks_url)
    registration.set_tool_private_key((signing_key or key).private_pem)
    registration.set_tool_public_key(key.public_pem)
    return registration


class _Request(Request):
    """The parameters of one HTTP request, whatever the web framework."""

    def __init__(self, parameters: Mapping[str, str], *, is_https: bool) -> None:
        self._parameters = parameters
        self._is_https = is_https

    def get_param(self, key: str) -> str:
        return self._parameters.get(key, "")

    def is_secure(self) -> bool:
        return self._is_https


class _Cookies(CookieService):
    """Cookies read from the request, and those to be set on the answer."""

    # Cookies ignore ports: a hub on the same host that uses PyLTI1p3 too must not find ours under its names.
    _cookie_prefix = "sandbox-lti"

    def __init__(self, received: Mapping[str, str]) -> None:
        self._received = received
        self.to_set: dict[str, tuple[str, int | None]] = {}

    def get_cookie(self, name: str) -> str | None:
        return self._received.get(f"{self._cookie_prefix}-{name}")

    def set_cookie(self, name: str, value: str | int, exp: int | None = 3600) -> None:
        self.to_set[f"{self._cookie_prefix}-{name}"] = (str(value), exp)


class _Storage(LaunchDataStorage[Any]):
    """State, nonce and launch data in the sandbox's own database, bound to the browser by a session cookie."""

    def __init__(self, store: Store, clock: Callable[[], float]) -> None:
        super().__init__()
        self._store = store
        self._clock = clock

    def can_set_keys_expiration(self) -> bool:
        return True

    def get_value(self, key: str) -> Any:
        return self._store.get_value(self._prepare_key(key), now=self._clock())

    def set_value(self, key: str, value: Any, exp: int | None = None) -> None:
        self._store.set_value(self._prepare_key(key), value, now=self._clock(), lifetime=exp or 3600)

    def check_value(self, key: str) -> bool:
        return self.get_value(key) is not None

    def take(self, key: str) -> bool:
        """Consume the value; true once."""
        return self._store.take_value(self._prepare_key(key), now=self._clock())


class _Session(SessionService):
    """PyLTI1p3's session, with a nonce that works once."""

    def __init__(self, storage: _Storage) -> None:
        self.data_storage = storage
        self._storage = storage

    def check_nonce(self, nonce: str) -> bool:
        return self._storage.take(self._get_key("nonce", nonce))


class _Config(ToolConfAbstract[_Request]):
    """The registrations, always looked up by issuer and client id.

    The relation of issuer and client is not asked of the base class: it keeps that in a dictionary which every
    configuration object of the process shares.
    """

    def __init__(self, platforms: Platforms, key: Key) -> None:
        self._platforms = platforms
        self._key = key

    def check_iss_has_one_client(self, iss: str) -> bool:
        return False

    def check_iss_has_many_clients(self, iss: str) -> bool:
        return True

    def find_registration_by_issuer(self, iss: str, *args: Any, **kwargs: Any) -> Registration:
        return self.find_registration_by_params(iss, "", *args, **kwargs)

    def find_registration_by_params(self, iss: str, client_id: str, *args: Any, **kwargs: Any) -> Registration:
        platform = self._platforms.find(iss, client_id or None)
        if platform is None:
            raise LaunchError("registration", f"No platform with issuer {iss} and client id {client_id} is registered.")
        return registration_of(platform, self._key)

    def find_deployment(self, iss: str, deployment_id: str) -> Deployment | None:
        return self.find_deployment_by_params(iss, deployment_id, "")

    def find_deployment_by_params(
        self, iss: str, deployment_id: str, client_id: str, *args: Any, **kwargs: Any
    ) -> Deployment | None:
        platform = self._platforms.find(iss, client_id or None)
        if platform is None or deployment_id not in platform.deployment_ids:
            raise LaunchError("deployment", f"Deployment {deployment_id} of {iss} is not registered.")
        return Deployment().set_deployment_id(deployment_id)


class _Login(OIDCLogin[_Request, _Config, _Session, _Cookies, Any]):
    """PyLTI1p3's login, used only to make the address of the authentication request."""

    def get_redirect(self, url: str) -> Any:
        """The bare address: redirecting is the web framework's work."""
        return url

    def authentication_url(self, redirect_uri: str) -> str:
        url = str(self.get_redirect_object(redirect_uri))
        base = self._registration.get_auth_login_url() or ""
        # The library appends "?" even where the endpoint has a query of its own.
        return url if "?" not in base else url.replace(base + "?", base + "&", 1)


class _Launch(MessageLaunch[_Request, _Config, _Session, _Cookies]):
    """PyLTI1p3's launch with a stricter reading of the token."""

    def _get_request_param(self, key: str) -> str:
        return self._request.get_param(key)

    def validate_jwt_signature(self) -> _Launch:
        public_key, _algorithm = self.get_public_key()
        rules = jwt.JWTClaimsRegistry(
            leeway=LEEWAY_SECONDS,
            iss={"essential": True, "value": self.get_iss()},
            aud={"essential": True, "value": self.get_client_id()},
            exp={"essential": True},
            iat={"essential": True},
        )
        try:
            token = jwt.decode(self._get_id_token(), RSAKey.import_key(public_key), algorithms=["RS256"])
            rules.validate(token.claims)
        except JoseError as error:
            raise LtiException(f"id_token refused: {error}") from error
        return self


@dataclass(frozen=True, slots=True)
class Answer:
    """Where to send the browser, and the cookies to set with that."""

    url: str
    cookies: Mapping[str, tuple[str, int | None]]


@dataclass(frozen=True, slots=True)
class Tool:
    """The tool's two steps of a launch."""

    platforms: Platforms
    key: Key
    store: Store
    session: requests.Session
    clock: Callable[[], float]
    base_url: str

    @property
    def redirect_uri(self) -> str:
        """The only address to which an id_token may be posted."""
        return f"{self.base_url}/lti/launch"

    def begin_login(self, parameters: Mapping[str, str], cookies: Mapping[str, str]) -> Answer:
        """Answer a login initiation with the address of the platform's authentication endpoint."""
        target = parameters.get("target_link_uri", "")
        if not self._is_ours(target):
            raise LaunchError("target_link_uri", f"target_link_uri {target!r} is not an address of this LMS.")
        # A login initiation may leave the client id out; the answer must name it all the same.
        platform = self.platforms.find(parameters.get("iss", ""), parameters.get("client_id") or None)
        if platform is None:
            raise LaunchError("registration", f"No platform with issuer {parameters.get('iss')!r} is registered here.")
        deployment = parameters.get("lti_deployment_id")
        if deployment and deployment not in platform.deployment_ids:
            raise LaunchError("deployment", f"Deployment {deployment!r} is not registered here.")
        jar = _Cookies(cookies)
        storage = _Storage(self.store, self.clock)
        login = _Login(self._request(parameters), _Config(self.platforms, self.key), _Session(storage), jar, storage)
        try:
            url = login.authentication_url(self.redirect_uri)
        except OIDCException as error:
            raise LaunchError("login", f"{error}.") from error
        return Answer(url, jar.to_set)

    def accept_launch(self, parameters: Mapping[str, str], cookies: Mapping[str, str]) -> Mapping[str, Any]:
        """The claims of a launch that passed every check; `LaunchError` names the one that it failed."""
        if parameters.get("error"):
            told = parameters.get("error_description") or parameters["error"]
            raise LaunchError("authentication", f"The platform refused to sign in: {told}.")
        jar = _Cookies(cookies)
        storage = _Storage(self.store, self.clock)
        try:
            launch = _Launch(
                self._request(parameters),
                _Config(self.platforms, self.key),
                _Session(storage),
                jar,
                storage,
                self.session,
            )
            launch.validate()
            claims = launch.get_launch_data()
        except LtiException as error:
            raise LaunchError(_check_of(error), f"{error}.") from error
        if claims.get(CLAIM + "message_type") not in MESSAGE_TYPES:
            raise LaunchError("message_type", "This LMS answers resource links and deep linking only.")
        target = claims.get(CLAIM + "target_link_uri", "")
        if not self._is_ours(target):
            raise LaunchError("target_link_uri", f"target_link_uri {target!r} is not an address of this LMS.")
        return dict(claims)

    def _request(self, parameters: Mapping[str, str]) -> _Request:
        return _Request(parameters, is_https=self.base_url.startswith("https:"))

    def _is_ours(self, url: object) -> bool:
        return isinstance(url, str) and (url == self.base_url or url.startswith(self.base_url + "/"))


def _check_of(error: LtiException) -> str:
    """A short name for the check that PyLTI1p3's message is about."""
    message = str(error).lower()
    for word in ("cookie", "state", "nonce", "deployment", "role", "resource link", "version", "message"):
        if word in message:
            return word
    return "id_token"


def platform_of(claims: Mapping[str, Any], platforms: Platforms) -> Platform:
    """The registration that a kept launch belongs to, as it is configured now."""
    audience = claims.get("aud")
    client_id = audience[0] if isinstance(audience, list) else audience
    platform = platforms.find(str(claims.get("iss")), str(client_id))
    if platform is None:
        raise SandboxError(f"The platform {claims.get('iss')} of this launch is not registered any more.")
    return platform
