"""Who may sign in, how often it may be tried, and when a session is over."""

from __future__ import annotations

import pytest
import sqlalchemy as sa

from hub import revisions
from hub.access import accounts, limits
from hub.access.accounts import SignedIn, SignInRefused
from hub.errors import HubError
from hub.tables import accounts as table
from hub.tables import rate_limits, web_sessions

PASSWORD = "kata sandi yang panjang"


@pytest.fixture
def admin(hub):
    with hub.db.write() as conn:
        return accounts.add(conn, hub, "Rina", "admin", PASSWORD)


def session_of(hub, token):
    with hub.db.read() as conn:
        return accounts.find_session(conn, hub, token)


@pytest.mark.usefixtures("admin")
def test_whoever_knows_the_password_is_signed_in_for_eight_hours(hub, clock):
    signed_in = accounts.sign_in(hub, " RINA ", PASSWORD, "192.0.2.1")

    assert isinstance(signed_in, SignedIn)
    assert session_of(hub, signed_in.token) == signed_in.session
    assert (signed_in.session.username, signed_in.session.role) == ("rina", "admin")
    clock.advance(hours=7, minutes=59)
    assert session_of(hub, signed_in.token) == signed_in.session
    clock.advance(minutes=1)
    assert session_of(hub, signed_in.token) is None


@pytest.mark.usefixtures("true_password_cost", "admin")
def test_the_database_holds_neither_password_nor_token(hub):
    signed_in = accounts.sign_in(hub, "rina", PASSWORD, "192.0.2.1")

    with hub.db.read() as conn:
        stored = conn.execute(sa.select(table.c.password)).scalar_one()
        session = conn.execute(sa.select(web_sessions.c.id)).scalar_one()
    assert stored.startswith("$argon2id$v=19$m=19456,t=2,p=1$")
    assert signed_in.token.encode() not in session


@pytest.mark.usefixtures("admin")
@pytest.mark.parametrize(("username", "password"), [("rina", "another one"), ("nobody", PASSWORD), ("rina", "")])
def test_a_wrong_password_and_an_unknown_name_get_one_answer(hub, username, password):
    assert accounts.sign_in(hub, username, password, "192.0.2.1") == SignInRefused("wrong")


@pytest.mark.usefixtures("admin")
def test_a_locked_account_neither_signs_in_nor_stays_signed_in(hub):
    signed_in = accounts.sign_in(hub, "rina", PASSWORD, "192.0.2.1")
    assert session_of(hub, signed_in.token) == signed_in.session
    with hub.db.write() as conn:
        assert accounts.set_disabled(conn, "rina", True)

    assert session_of(hub, signed_in.token) is None
    assert accounts.sign_in(hub, "rina", PASSWORD, "192.0.2.1") == SignInRefused("wrong")


@pytest.mark.usefixtures("admin")
def test_a_process_that_knew_an_account_before_it_was_locked_does_not_know_it_after(hub):
    """Also where what it reads late is from before the lock: that is good for the revision of before alone."""
    signed_in = accounts.sign_in(hub, "rina", PASSWORD, "192.0.2.1")
    with hub.db.read() as conn:
        before = revisions.read(conn)
        account = accounts.find(conn, "rina")
    with hub.db.write() as conn:
        accounts.set_disabled(conn, "rina", True)
    assert session_of(hub, signed_in.token) is None

    assert hub.accounts.find(before, "rina", lambda: account) == account

    assert session_of(hub, signed_in.token) is None
    with hub.db.write() as conn:
        accounts.set_disabled(conn, "rina", False)
    assert session_of(hub, signed_in.token) == signed_in.session


@pytest.mark.usefixtures("admin")
def test_a_session_is_found_together_with_the_revisions_of_what_is_kept_in_memory(hub):
    """By one statement: it is asked at every request, also where no revision was ever bumped."""
    signed_in = accounts.sign_in(hub, "rina", PASSWORD, "192.0.2.1")
    assert session_of(hub, signed_in.token).numbers == {}
    with hub.db.write() as conn:
        revisions.bump(conn, "accounts")
        revisions.bump(conn, "systems")
    session_of(hub, signed_in.token)
    asked = []
    sa.event.listen(hub.db._reader, "before_cursor_execute", lambda *said: asked.append(said[2]))

    found = session_of(hub, signed_in.token)

    assert found.numbers == {"accounts": 1, "systems": 1}
    assert len(asked) == 1


@pytest.mark.usefixtures("admin")
def test_after_ten_failures_in_a_minute_not_even_the_right_password_helps_from_there(hub, clock):
    for _ in range(10):
        assert accounts.sign_in(hub, "rina", "wrong one", "192.0.2.1") == SignInRefused("wrong")

    assert accounts.sign_in(hub, "rina", PASSWORD, "192.0.2.1") == SignInRefused("too_many")
    assert isinstance(accounts.sign_in(hub, "rina", PASSWORD, "192.0.2.2"), SignedIn)
    clock.advance(seconds=61)
    assert isinstance(accounts.sign_in(hub, "rina", PASSWORD, "192.0.2.1"), SignedIn)


@pytest.mark.usefixtures("admin")
def test_signing_in_is_no_failure(hub):
    for _ in range(12):
        assert isinstance(accounts.sign_in(hub, "rina", PASSWORD, "192.0.2.1"), SignedIn)


@pytest.mark.usefixtures("admin")
def test_signing_out_ends_the_session_everywhere(hub):
    signed_in = accounts.sign_in(hub, "rina", PASSWORD, "192.0.2.1")

    with hub.db.write() as conn:
        accounts.sign_out(conn, signed_in.session)

    assert session_of(hub, signed_in.token) is None


@pytest.mark.usefixtures("admin")
def test_sessions_that_are_over_are_forgotten(hub, clock):
    accounts.sign_in(hub, "rina", PASSWORD, "192.0.2.1")
    clock.advance(hours=4)
    accounts.sign_in(hub, "rina", PASSWORD, "192.0.2.1")
    clock.advance(hours=4)

    with hub.db.write() as conn:
        assert accounts.forget_expired(conn, clock()) == 1


@pytest.mark.parametrize(
    ("username", "role", "password", "code"),
    [
        ("rina", "admin", PASSWORD, "account_taken"),
        ("RINA", "auditor", PASSWORD, "account_taken"),
        ("two words", "admin", PASSWORD, "account_name"),
        ("", "admin", PASSWORD, "account_name"),
        ("x" * 65, "admin", PASSWORD, "account_name"),
        ("budi", "king", PASSWORD, "account_role"),
        ("budi", "learner", PASSWORD, "account_learner"),
        ("budi", "admin", "short", "password_short"),
        ("budi", "admin", "x" * 1025, "password_long"),
    ],
)
@pytest.mark.usefixtures("admin")
def test_an_account_that_cannot_be_is_refused(hub, username, role, password, code):
    with pytest.raises(HubError) as refused, hub.db.write() as conn:
        accounts.add(conn, hub, username, role, password)

    assert refused.value.code == code
    assert refused.value.action


@pytest.mark.usefixtures("admin")
def test_a_new_password_replaces_the_old_one(hub):
    with hub.db.write() as conn:
        assert accounts.set_password(conn, "rina", "an entirely new one")
        assert not accounts.set_password(conn, "nobody", "an entirely new one")

    assert accounts.sign_in(hub, "rina", PASSWORD, "192.0.2.1") == SignInRefused("wrong")
    assert isinstance(accounts.sign_in(hub, "rina", "an entirely new one", "192.0.2.1"), SignedIn)


@pytest.mark.usefixtures("admin")
def test_accounts_are_listed_by_name(hub):
    with hub.db.write() as conn:
        accounts.add(conn, hub, "agus", "auditor", PASSWORD)

    with hub.db.read() as conn:
        assert [account.username for account in accounts.list_accounts(conn)] == ["agus", "rina"]
        assert [account.username for account in accounts.list_accounts(conn, after="agus")] == ["rina"]


def test_a_window_counts_until_it_is_over_and_then_begins_again(hub, clock):
    def allowed(who="a"):
        return limits.allow(hub, "something", who, most=2, seconds=60)

    assert [allowed(), allowed(), allowed()] == [True, True, False]
    assert allowed("b")
    clock.advance(seconds=60)
    assert [allowed(), allowed(), allowed()] == [True, True, False]
    limits.forget(hub, "something", "a")
    assert allowed()


def test_windows_that_are_over_are_forgotten(hub, clock):
    limits.allow(hub, "something", "a", most=2, seconds=60)
    clock.advance(seconds=30)
    limits.allow(hub, "something", "b", most=2, seconds=60)
    clock.advance(seconds=30)

    with hub.db.write() as conn:
        assert limits.forget_ended(conn, clock()) == 1
        assert conn.execute(sa.select(sa.func.count()).select_from(rate_limits)).scalar_one() == 1
