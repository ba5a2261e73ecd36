"""Settings are refused by name, with what to do, before anything is started."""

from __future__ import annotations

from pathlib import Path

import pytest

from hub.settings import SettingsError, read

SECRET = "s" * 32


def test_a_hub_needs_no_setting_at_all(tmp_path: Path) -> None:
    settings = read({"WKMB_HOME": str(tmp_path)})

    assert settings.database_url == f"sqlite:///{tmp_path}/hub.sqlite3"
    assert settings.base_url == "http://127.0.0.1:8080"
    assert str(settings.timezone) == "Asia/Jakarta"
    assert not settings.is_https


def test_the_secret_is_made_once_and_is_its_owners_alone(tmp_path: Path) -> None:
    first, second = (read({"WKMB_HOME": str(tmp_path)}).secret_key for _ in range(2))

    assert first == second
    assert (tmp_path / "secret_key").stat().st_mode & 0o777 == 0o600
    assert [path.name for path in tmp_path.iterdir()] == ["secret_key"]


def test_a_value_may_lie_in_a_file(tmp_path: Path) -> None:
    (tmp_path / "key").write_text(SECRET + "\n")

    settings = read({"WKMB_HOME": str(tmp_path), "WKMB_SECRET_KEY_FILE": str(tmp_path / "key")})

    assert settings.secret_key == SECRET.encode()


def test_commands_beside_a_server_use_its_address(tmp_path: Path) -> None:
    (tmp_path / "base_url").write_text("http://127.0.0.1:9999")

    assert read({"WKMB_HOME": str(tmp_path)}).base_url == "http://127.0.0.1:9999"


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("WKMB_TIMEZNOE", "Asia/Jakarta", "Did you mean WKMB_TIMEZONE?"),
        ("WKMB_TIMEZONE", "Asia/Nowhere", "no time zone"),
        ("WKMB_BASE_URL", "hub.go.id", "no address"),
        ("WKMB_BASE_URL", "https://hub.go.id/wkmb", "has a path"),
        ("WKMB_DATABASE_URL", "mysql://a/b", "does not run on"),
        ("WKMB_DATABASE_URL", "nonsense", "no URL"),
        ("WKMB_SECRET_KEY", "short", "shorter than 32"),
        ("WKMB_SECRET_KEY_FILE", "/nowhere/at/all", "cannot be read"),
        ("WKMB_XAPI_DEFAULT_VERSION", "3.0.0", "not one of"),
        ("WKMB_MAX_BODY_BYTES", "big", "no size"),
        ("WKMB_BODY_SECONDS", "0", "no number of seconds"),
        ("WKMB_TRACES", "yes", "neither on nor off"),
        ("WKMB_KEY_ROTATION_DAYS", "6", "no number of days"),
    ],
)
def test_a_wrong_setting_is_refused_by_name(tmp_path: Path, name: str, value: str, words: str) -> None:
    with pytest.raises(SettingsError, match=name) as refused:
        read({"WKMB_HOME": str(tmp_path), name: value})

    assert words in str(refused.value)


def test_a_setting_and_its_file_exclude_each_other(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="both set"):
        read({"WKMB_HOME": str(tmp_path), "WKMB_SECRET_KEY": SECRET, "WKMB_SECRET_KEY_FILE": str(tmp_path / "key")})


def test_on_postgresql_the_secret_must_be_given(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="WKMB_SECRET_KEY is missing"):
        read({"WKMB_HOME": str(tmp_path), "WKMB_DATABASE_URL": "postgresql://wkmb@localhost/wkmb"})
