from datetime import UTC, datetime

from amplify_federation import AWSCredentials
from amplify_federation.cli.demo.play import told


def test_credentials_are_told_without_their_secrets():
    credentials = AWSCredentials(
        "ASIAIOSFODNN7EXAMPLE", "the secret", "the token", datetime(2026, 11, 23, tzinfo=UTC)
    )
    _, text = told(credentials)
    assert text == "ASIA...MPLE (secrets hidden), until 2026-11-23T00:00:00Z"
    assert told(None) == ("credentials", "none")


async def test_a_secret_in_plain_bytes_is_found(play):
    play.sealed = ("the secret",)
    assert play.is_silent(b"something else")
    assert not play.is_silent(b"... the secret ...")


async def test_the_state_is_named(play):
    assert play.state() == "signed_out"
