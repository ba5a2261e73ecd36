"""A course provider as PyLTI1p3's documentation builds one: Flask, its own adapters, its default storage.

What the hub meets when a vendor followed the library's example and added nothing. It runs in the project's environment
(PyLTI1p3 and Flask are there) as a process of its own and imports nothing of the project::

    PORT=3002 PLATFORM=platform.json KEY=key.pem python tool.py

``PLATFORM`` is the file with the JSON that ``wkmb tool add --json`` prints; ``KEY`` an RSA key in PEM, made if missing.
"""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from flask import Flask, jsonify, request
from pylti1p3.contrib.flask import FlaskMessageLaunch, FlaskOIDCLogin, FlaskRequest
from pylti1p3.deep_link_resource import DeepLinkResource
from pylti1p3.exception import LtiException
from pylti1p3.grade import Grade
from pylti1p3.lineitem import LineItem
from pylti1p3.registration import Registration
from pylti1p3.tool_config import ToolConfDict

PORT = int(os.environ["PORT"])
ADDRESS = f"http://127.0.0.1:{PORT}"

app = Flask(__name__)
# Cookies ignore ports: with Flask's own name this session and the hub's would overwrite each other.
app.config.update(SECRET_KEY=os.urandom(32), SESSION_COOKIE_NAME="pylti1p3-tool")


def load_key(path: Path) -> rsa.RSAPrivateKey:
    if not path.exists():
        path.write_bytes(
            rsa.generate_private_key(public_exponent=65537, key_size=2048).private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
        )
    return serialization.load_pem_private_key(path.read_bytes(), password=None)


KEY = load_key(Path(os.environ["KEY"]))
PRIVATE_PEM = KEY.private_bytes(
    serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
).decode()
PUBLIC_PEM = (
    KEY.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo).decode()
)


def configuration() -> ToolConfDict:
    """The library's configuration, from what the hub printed."""
    platform = json.loads(Path(os.environ["PLATFORM"]).read_text("utf-8"))
    config = ToolConfDict(
        {
            platform["issuer"]: [
                {
                    "default": True,
                    "client_id": platform["client_id"],
                    "auth_login_url": platform["auth_url"],
                    "auth_token_url": platform["token_url"],
                    "key_set_url": platform["jwks_url"],
                    "deployment_ids": platform["deployment_ids"],
                }
            ]
        }
    )
    config.set_private_key(platform["issuer"], PRIVATE_PEM, platform["client_id"])
    config.set_public_key(platform["issuer"], PUBLIC_PEM, platform["client_id"])
    return config


def kept_launch(launch_id: str) -> FlaskMessageLaunch:
    return FlaskMessageLaunch.from_cache(launch_id, FlaskRequest(), configuration())


@app.get("/jwks")
def jwks():
    return jsonify(keys=[Registration.get_jwk(PUBLIC_PEM)])


@app.route("/login", methods=["GET", "POST"])
def login():
    flask_request = FlaskRequest()
    return FlaskOIDCLogin(flask_request, configuration()).redirect(flask_request.get_param("target_link_uri"))


@app.post("/launch")
def launch():
    message = FlaskMessageLaunch(FlaskRequest(), configuration())
    claims = message.get_launch_data()
    if message.is_deep_link_launch():
        resource = DeepLinkResource().set_url(f"{ADDRESS}/launch").set_title("Kursus PyLTI1p3")
        resource.set_custom_params({"course": "pylti1p3-1"})
        return message.get_deep_link().output_response_form([resource])
    return jsonify(launch=message.get_launch_id(), name=claims.get("name"), sub=claims["sub"], claims=claims)


@app.post("/finish/<launch_id>")
def finish(launch_id: str):
    """Post a score to the line item of the launch, then read the results back."""
    message = kept_launch(launch_id)
    service = message.get_ags()
    grade = Grade().set_score_given(float(request.form["score"])).set_score_maximum(100)
    grade.set_timestamp(datetime.now(UTC).isoformat()).set_user_id(message.get_launch_data()["sub"])
    grade.set_activity_progress("Completed").set_grading_progress("FullyGraded")
    service.put_grade(grade)
    return jsonify(lineitems=service.get_lineitems(), results=service.get_grades(service.get_lineitem()))


@app.post("/own-line-item/<launch_id>")
def own_line_item(launch_id: str):
    """Find or make a line item by its tag, as the library's example does."""
    line_item = LineItem().set_tag("tugas").set_resource_id("tugas-1").set_score_maximum(10).set_label("Tugas")
    found = kept_launch(launch_id).get_ags().find_or_create_lineitem(line_item)
    return jsonify(id=found.get_id(), label=found.get_label())


@app.get("/members/<launch_id>")
def members(launch_id: str):
    return jsonify(members=kept_launch(launch_id).get_nrps().get_members())


@app.errorhandler(LtiException)
def refused(error: LtiException):
    return jsonify(error=str(error)), 502


if __name__ == "__main__":
    app.run("127.0.0.1", PORT, threaded=True)
