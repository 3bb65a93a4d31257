import json
from contextlib import suppress
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from amplify_federation import (
    AuthProvider,
    AWSCredentials,
    Expired,
    Federated,
    SessionFileCorruptError,
    SessionFormatTooNewError,
    SignedOut,
)
from amplify_federation._model.refresh_grant import RefreshGrant
from amplify_federation._model.state import Grant, Login
from amplify_federation._model.values import Secret, SubjectDigest
from amplify_federation._session.record import (
    SessionRecord,
    decode,
    decode_grant,
    encode,
    with_transient_token,
    without_transient_token,
)
from tests.model.samples import grant as sample_grant

texts = st.text(min_size=1, max_size=20)
times = st.floats(0, 4e9)
credentials = st.builds(
    AWSCredentials,
    texts,
    texts,
    texts,
    st.datetimes(datetime(2000, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001  # the strategy adds the zone
)
grants = st.builds(Grant, texts, credentials, times)
refresh_grants = st.builds(
    RefreshGrant,
    issuer=st.just("https://issuer.example"),
    client_id=st.just("client"),
    refresh_token=texts,
    client_secret=st.none() | texts,
    discovery_url=st.none() | texts,
    scope=st.none() | texts,
)
logins = st.builds(
    Login,
    st.sampled_from([AuthProvider.GOOGLE, AuthProvider.oidc("https://issuer.example")]),
    st.none() | st.builds(Secret, texts),
    st.none() | st.builds(SubjectDigest, st.binary(), st.binary()),
    st.none() | refresh_grants,
)
login_tuples = st.lists(logins, min_size=1, max_size=3).map(tuple)
states = (
    st.builds(SignedOut, st.none() | grants)
    | st.builds(Federated, grants, login_tuples)
    | st.builds(Expired, texts, login_tuples)
)
records = st.builds(SessionRecord, states, st.integers(0, 2**53), texts, times)


@given(records)
def test_a_record_is_read_as_it_was_written(record):
    assert decode(encode(record)) == record


@given(records, st.data())
def test_a_record_with_a_member_missing_or_changed_is_corrupt_or_whole(record, data):
    members = json.loads(encode(record))
    name = data.draw(st.sampled_from(sorted(members)))
    change = data.draw(st.sampled_from(["drop", None, [], {}, "x", -1, True]))
    if change == "drop":
        del members[name]
    else:
        members[name] = change
    with suppress(SessionFileCorruptError, SessionFormatTooNewError):  # and nothing else
        assert isinstance(decode(json.dumps(members).encode()), SessionRecord)


@given(st.binary(max_size=200))
def test_bytes_that_are_no_record_are_corrupt(data):
    with pytest.raises(SessionFileCorruptError):
        decode(data)


def test_a_later_schema_is_told_as_such():
    members = {**json.loads(encode(SessionRecord(SignedOut(), 1, "l"))), "v": 2}
    with pytest.raises(SessionFormatTooNewError, match="2"):
        decode(json.dumps(members).encode())


def test_a_record_never_shows_its_secrets():
    grant = Grant("id", AWSCredentials("a", "SECRET", "SECRET", datetime.now(UTC)), 0.0)
    login = Login(AuthProvider.GOOGLE, Secret("SECRET"), None)
    assert "SECRET" not in repr(SessionRecord(Federated(grant, (login,)), 1, "l"))


@given(records)
def test_the_grant_of_a_record_is_the_one_that_the_whole_record_has(record):
    state = record.state
    expected = state.grant if isinstance(state, Federated) else getattr(state, "guest", None)
    assert decode_grant(encode(record)) == expected


@given(st.binary(max_size=200))
def test_bytes_that_are_no_record_have_no_grant(data):
    assert decode_grant(data) is None


def test_a_record_without_refresh_grants_is_written_as_before():
    record = SessionRecord(Expired("i", (Login(AuthProvider.GOOGLE),)), 1, "f")
    assert json.loads(encode(record))["logins"] == [{"provider": "accounts.google.com"}]


def test_members_of_a_refresh_grant_that_a_later_version_adds_are_passed_over():
    grant = RefreshGrant(issuer="https://issuer.example", client_id="c", refresh_token="r")
    provider = AuthProvider.oidc("https://issuer.example")
    record = SessionRecord(Expired("i", (Login(provider, refresh_grant=grant),)), 1, "f")
    members = json.loads(encode(record))
    members["logins"][0]["refresh_grant"]["later"] = 1
    assert decode(json.dumps(members).encode()) == record


LENT, OTHER = Secret("canary"), Secret("another")
GOOGLE, APPLE = AuthProvider.GOOGLE, AuthProvider.APPLE


def _record(*tokens: Secret | None) -> SessionRecord:
    providers = (GOOGLE, APPLE)
    logins = tuple(Login(each, token) for each, token in zip(providers, tokens, strict=False))
    return SessionRecord(Federated(sample_grant(), logins), 1, "l")


def test_a_transient_token_is_not_written_and_comes_back_when_it_is_brought_again():
    record = _record(LENT, OTHER)
    written = encode(without_transient_token(record, LENT))
    assert b"canary" not in written
    assert b"another" in written
    assert with_transient_token(decode(written), LENT) == record


def test_without_the_token_its_login_has_none():
    written = encode(without_transient_token(_record(LENT), LENT))
    assert with_transient_token(decode(written), None) == _record(None)


def test_a_refused_token_is_not_lent_again():
    assert with_transient_token(
        decode(encode(without_transient_token(_record(None), LENT))), LENT
    ) == _record(None)


def test_sessions_without_a_login_are_as_they_were():
    record = SessionRecord(SignedOut(sample_grant()), 1, "l")
    assert with_transient_token(without_transient_token(record, LENT), LENT) is record


def test_an_expired_session_takes_no_token():
    record = SessionRecord(Expired("i", (Login(GOOGLE),)), 1, "l")
    assert with_transient_token(without_transient_token(record, LENT), LENT) is record


@given(records)
def test_a_record_is_read_as_it_was_written_with_or_without_its_token(record):
    state = record.state
    token = None if isinstance(state, SignedOut) else state.linked_logins[0].token
    assert (
        with_transient_token(decode(encode(without_transient_token(record, token))), token)
        == record
    )
