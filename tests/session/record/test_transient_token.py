"""A token that is lent is marked in the record, and put back in the place of its mark."""

from hypothesis import given

from amplify_federation import AuthProvider, Federated, SignedOut
from amplify_federation._model.state import Expired, Login
from amplify_federation._model.values import Secret
from amplify_federation._session.record.schema import SessionRecord, decode, encode
from amplify_federation._session.record.transient_token import (
    with_transient_token,
    without_transient_token,
)
from tests.model.samples import grant
from tests.session.record.test_schema import records

LENT, OTHER = Secret("canary"), Secret("another")
GOOGLE, APPLE = AuthProvider.GOOGLE, AuthProvider.APPLE


def _record(*tokens: Secret | None) -> SessionRecord:
    providers = (GOOGLE, APPLE)
    held = tuple(Login(each, token) for each, token in zip(providers, tokens, strict=False))
    return SessionRecord(Federated(grant(), held), 1, "l")


def test_a_lent_token_is_not_written_and_comes_back_to_whoever_brings_it():
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
    record = SessionRecord(SignedOut(grant()), 1, "l")
    assert with_transient_token(without_transient_token(record, LENT), LENT) is record


def test_an_expired_session_takes_no_token():
    record = SessionRecord(Expired("i", (Login(GOOGLE),)), 1, "l")
    assert with_transient_token(without_transient_token(record, LENT), LENT) is record


@given(records)
def test_a_record_is_read_as_it_was_written_whether_or_not_its_token_is_lent(record):
    state = record.state
    lent = None if isinstance(state, SignedOut) else state.held[0].token
    assert (
        with_transient_token(decode(encode(without_transient_token(record, lent))), lent) == record
    )
