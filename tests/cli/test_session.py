import os
import time

from amplify_federation import AuthProvider
from amplify_federation.testing import FakeCognito, ManualClock


def test_nobody_signed_in_ends_with_4(command, fake):
    done = command("session")
    assert done.code == 4
    assert "signed_out" in done.stdout
    assert "amplify-federation federate" in done.stderr
    assert fake.calls == []


def test_a_session_is_shown_without_a_call_and_without_a_secret(signed_in, fake):
    calls = len(fake.calls)
    done = signed_in("session")
    assert done.code == 0
    assert "accounts.google.com" in done.stdout
    assert "good for 59 min" in done.stdout or "good for 1 h" in done.stdout
    assert len(fake.calls) == calls
    secret = signed_in("credentials", "--json").json
    assert secret["secret_access_key"] not in done.everything
    assert secret["session_token"] not in done.everything


def test_json_tells_a_program_all_of_it(signed_in, pool):
    told = signed_in("session", "--json").json
    assert told["state"] == "federated"
    assert told["is_signed_in"] is True
    assert told["providers"] == ["accounts.google.com"]
    assert told["pool"] == pool
    assert told["error"] is None


def test_a_refresh_renews(signed_in, fake):
    calls = len(fake.calls)
    assert signed_in("session", "--refresh").code == 0
    assert [call.operation for call in fake.calls[calls:]] == ["GetCredentialsForIdentity"]


def test_an_expired_session_ends_with_5_and_says_what_helps(command, folder):
    past = FakeCognito(clock=ManualClock(time.time() - 3 * 3600))
    pool = past.create_identity_pool()
    token = past.issue_token(AuthProvider.GOOGLE, "alice")
    with past.serve() as url:
        env = {"AWS_ENDPOINT_URL_COGNITO_IDENTITY": url, "AMPLIFY_FEDERATION_POOL_ID": pool}
        arguments = ("federate", "--provider", "google", "--token-file", "-")
        assert command(*arguments, stdin=token, env=env).code == 0
        past.advance(3 * 3600)
        done = command("session", "--refresh", env=env)
        assert done.code == 5, done
        assert "expired" in done.stdout
        assert "Sign in again: amplify-federation login" in done.stderr
        assert command("credentials", env=env).code == 5


def test_names_keep_users_apart(signed_in):
    assert signed_in("session", "--session", "bob").code == 4
    assert signed_in("session", "--session", "default").code == 0


def test_a_session_file_open_to_others_ends_with_9(signed_in, folder):
    (file,) = folder.glob("*.session")
    os.chmod(file, 0o644)  # noqa: PTH101
    done = signed_in("session")
    assert done.code == 9
    assert "chmod 600" in done.stderr


def test_a_wrong_key_ends_with_9(signed_in):
    done = signed_in("session", env={"AMPLIFY_FEDERATION_KEY": "A" * 43 + "="})
    assert done.code == 9


def test_a_session_of_another_key_is_cleared_and_gone(signed_in, folder):
    other = {"AMPLIFY_FEDERATION_KEY": "A" * 43 + "="}
    assert signed_in("session", env=other).code == 9
    assert list(folder.glob("*.session"))
    done = signed_in("clear", env=other)
    assert (done.code, done.stdout) == (0, "Signed out.\n"), done.stderr
    assert not list(folder.glob("*.session"))
    assert signed_in("session", env=other).code == 4


def test_a_guest_is_shown_as_one(command, fake, monkeypatch):
    pool = fake.create_identity_pool(guest_access=True)
    env = {"AMPLIFY_FEDERATION_POOL_ID": pool, "AMPLIFY_FEDERATION_GUEST_ACCESS": "true"}
    done = command("session", env=env)
    assert done.code == 0
    assert "guest" in done.stdout
    assert "signed_out" in done.stdout


def test_a_session_is_forgotten_without_a_call(signed_in, fake):
    calls = len(fake.calls)
    done = signed_in("clear")
    assert (done.code, done.stdout) == (0, "Signed out.\n")
    assert len(fake.calls) == calls
    assert signed_in("session").code == 4


def test_nobody_signed_in_is_no_error(command):
    done = command("clear", "--json")
    assert done.code == 0
    assert done.json == {"state": "signed_out", "session": "default"}


def test_the_sessions_of_every_pool_are_listed_without_a_call(signed_in, fake, pool):
    other = fake.create_identity_pool()
    for name, there in (("bob", pool), ("default", other)):
        token = fake.issue_token(AuthProvider.GOOGLE, name)
        arguments = ("--session", name, "--pool", there, "--provider", "google")
        assert signed_in("federate", *arguments, "--token-file", "-", stdin=token).code == 0
    signed_in("federate", "--session", "gone", "--provider", "google", "--token-file", "-",
              stdin=fake.issue_token(AuthProvider.GOOGLE, "gone"))  # fmt: skip
    signed_in("clear", "--session", "gone")
    calls = len(fake.calls)
    told = signed_in("list", "--json").json
    assert {(each["pool"], each["session"]) for each in told["sessions"]} == {
        (pool, "default"), (pool, "bob"), (other, "default"),
    }  # fmt: skip
    assert told["unopened"] == 0
    assert "bob" in signed_in("list").stdout
    assert len(fake.calls) == calls


def test_without_the_key_a_folder_tells_how_many_and_nothing_else(signed_in):
    done = signed_in("list", env={"AMPLIFY_FEDERATION_KEY": "A" * 43 + "="})
    assert done.code == 0
    assert done.stdout == "No session is stored here.\n" or "us-west-2" not in done.stdout
    assert "1 that the key at hand does not open" in done.stderr


def test_a_folder_that_is_not_there_has_no_session_and_is_not_made(command, folder):
    assert command("list").stdout == "No session is stored here.\n"
    assert not folder.exists()
