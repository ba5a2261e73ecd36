"""The LTI platform of Open edX (lti-consumer-xblock) on a bare Django site: somebody else's LMS launches a tool.

Run it with the Python of its own environment (`requirements.txt`), as a process of its own::

    PORT=8071 HOME_DIRECTORY=dir TOOL='{"login_url": …, "launch_url": …, "jwks_url": …}' python platform_site.py

- ``GET /registration``: what the tool must be told (issuer, client id, deployment, endpoints)
- ``GET /start?user=siti&name=Siti+Rahayu&role=student``: the page that a learner of this LMS clicks: starts a launch
- ``GET /scores``: the scores that the tool has sent

Open edX itself is not here. What the package asks it for is answered by configuration kept in the package's own table
(CONFIG_ON_DB), so no block is loaded and no grade book is written; members of a course (NRPS) and deep linking need a
course of Open edX and are not offered.
"""

from __future__ import annotations

import json
import os
import socketserver
from pathlib import Path
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

import django
from django.conf import settings

PORT = int(os.environ["PORT"])
BASE = f"http://127.0.0.1:{PORT}"

settings.configure(
    SECRET_KEY="tests-only",
    ALLOWED_HOSTS=["127.0.0.1"],
    ROOT_URLCONF=__name__,
    USE_TZ=True,
    INSTALLED_APPS=[
        "django.contrib.auth",
        "django.contrib.contenttypes",
        "django.contrib.sessions",
        "rest_framework",
        "waffle",
        "lti_consumer",
    ],
    MIDDLEWARE=["django.contrib.sessions.middleware.SessionMiddleware"],
    TEMPLATES=[{"BACKEND": "django.template.backends.django.DjangoTemplates", "APP_DIRS": True}],
    DATABASES={
        "default": {
            "ENGINE": "django.db.backends.sqlite3",
            "NAME": Path(os.environ["HOME_DIRECTORY"]) / "platform.sqlite3",
        }
    },
    # One process: what a launch leaves for its second step stays in memory.
    CACHES={"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}},
    LTI_API_BASE=BASE,
    LTI_BASE=BASE,
    LMS_ROOT_URL=BASE,
    PLATFORM_NAME="Kampus Terbuka",
    USAGE_ID_PATTERN=r"(?P<usage_id>(?:i4x://?[^/]+/[^/]+/[^/]+/[^@]+(?:@[^/]+)?)|(?:[^/]+))",
    DEFAULT_AUTO_FIELD="django.db.models.AutoField",
)
django.setup()

from django.core.management import call_command  # noqa: E402
from django.core.wsgi import get_wsgi_application  # noqa: E402
from django.http import HttpRequest, HttpResponseRedirect, JsonResponse  # noqa: E402
from django.urls import include, path  # noqa: E402
from lti_consumer.api import get_lti_1p3_launch_info, get_lti_1p3_launch_start_url  # noqa: E402
from lti_consumer.data import Lti1p3LaunchData  # noqa: E402
from lti_consumer.models import Lti1p3Passport, LtiAgsLineItem, LtiAgsScore, LtiConfiguration  # noqa: E402


def configure() -> LtiConfiguration:
    """The one tool of this LMS, with a line item for it."""
    tool = json.loads(os.environ["TOOL"])
    passport = Lti1p3Passport.objects.create(name="tool", lti_1p3_tool_keyset_url=tool["jwks_url"])
    configuration = LtiConfiguration.objects.create(
        version=LtiConfiguration.LTI_1P3,
        config_store=LtiConfiguration.CONFIG_ON_DB,
        lti_1p3_passport=passport,
        lti_1p3_oidc_url=tool["login_url"],
        lti_1p3_launch_url=tool["launch_url"],
        lti_1p3_redirect_uris=tool.get("redirect_uris", [tool["launch_url"]]),
        lti_advantage_ags_mode=LtiConfiguration.LTI_ADVANTAGE_AGS_PROGRAMMATIC,
    )
    LtiAgsLineItem.objects.create(lti_configuration=configuration, label="Nilai akhir", score_maximum=100)
    return configuration


def launch_data(request: HttpRequest) -> Lti1p3LaunchData:
    user = request.GET.get("user", "siti")
    return Lti1p3LaunchData(
        user_id=user,
        user_role=request.GET.get("role", "student"),
        config_id=LtiConfiguration.objects.get().config_id,
        resource_link_id="tautan-1",
        name=request.GET.get("name"),
        email=request.GET.get("email"),
        launch_presentation_document_target="window",
        context_id="kelas-1",
        context_type=["course_offering"],
        context_title="Kelas Contoh",
        custom_parameters={
            name: value for name, value in request.GET.items() if name not in {"user", "role", "name", "email"}
        },
    )


def registration(request: HttpRequest) -> JsonResponse:
    told = get_lti_1p3_launch_info(launch_data(request))
    return JsonResponse(
        {
            "issuer": BASE,
            "client_id": told["client_id"],
            "deployment_ids": [told["deployment_id"]],
            "auth_url": told["oidc_callback"],
            "token_url": told["token_url"],
            "jwks_url": told["keyset_url"],
        }
    )


def start(request: HttpRequest) -> HttpResponseRedirect:
    return HttpResponseRedirect(get_lti_1p3_launch_start_url(launch_data(request)))


def scores(_request: HttpRequest) -> JsonResponse:
    columns = ("user_id", "score_given", "score_maximum", "activity_progress", "grading_progress", "timestamp")
    return JsonResponse({"scores": list(LtiAgsScore.objects.order_by("id").values(*columns))})


urlpatterns = [
    path("registration", registration),
    path("start", start),
    path("scores", scores),
    path("api/", include("lti_consumer.plugin.urls")),
]


class _Server(socketserver.ThreadingMixIn, WSGIServer):
    daemon_threads = True


class _Quiet(WSGIRequestHandler):
    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Errors are written, requests are not."""


if __name__ == "__main__":
    call_command("migrate", verbosity=0)
    if not LtiConfiguration.objects.exists():
        configure()
    with make_server("127.0.0.1", PORT, get_wsgi_application(), _Server, _Quiet) as server:
        print(f"lti-consumer-xblock: {BASE}", flush=True)
        server.serve_forever()
