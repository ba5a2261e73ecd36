"""What an LMS calls a person whom the hub launched there."""

from __future__ import annotations

import pytest

from connectors import accounts

#: The first recorded launch: issuer, sub, and the user name that this Moodle's membership list gave to her.
ISSUER, SUB = "http://127.0.0.1:8090", "hub-u-1"
NAME = "enrol_lti_13_13200f5bc204252902e536747ece9a6261e15b8f"


@pytest.mark.parametrize(
    ("login_url", "homepage"),
    [
        ("http://127.0.0.1:8081/enrol/lti/login.php?id=ece63c6cc9be", "http://127.0.0.1:8081"),
        ("https://lms.example.go.id/moodle/enrol/lti/login.php", "https://lms.example.go.id/moodle"),
    ],
)
def test_a_moodles_name_for_her_is_the_recorded_one(login_url: str, homepage: str) -> None:
    assert accounts.of_launched(login_url, ISSUER, SUB) == ((homepage, NAME),)


@pytest.mark.parametrize("login_url", ["https://canvas.example/login", "https://lms.example/enrol/lti/login.php/x", ""])
def test_other_systems_make_up_names_of_their_own(login_url: str) -> None:
    assert accounts.of_launched(login_url, ISSUER, SUB) == ()
