import traceback

import pytest

from amplify_federation import AuthResult, AuthSession, UserPoolTokens
from amplify_federation.errors import (
    InvalidStateError,
    NetworkError,
    SignedOutError,
)
from tests.model.samples import ALICE, credentials


def test_a_result_gives_its_value():
    result = AuthResult(7)
    assert result.value == 7
    assert result.value_or_none == 7
    assert result.error is None


def test_a_result_may_be_a_value_that_is_false():
    assert AuthResult("").value == ""


def test_a_result_raises_the_error_in_the_values_place():
    result = AuthResult[int](error=NetworkError("no route"))
    assert result.value_or_none is None
    with pytest.raises(NetworkError, match="no route"):
        _ = result.value


def test_each_reader_gets_an_error_of_its_own():
    cause = ValueError("x")
    error = SignedOutError("signed out")
    error.__cause__ = cause
    result = AuthResult[int](error=error)
    seen = []
    for _ in range(2):
        with pytest.raises(SignedOutError) as caught:
            _ = result.value
        seen.append(caught.value)
    assert seen[0] is not seen[1]
    assert error.__traceback__ is None
    assert seen[0].__cause__ is cause
    assert len(traceback.extract_tb(seen[1].__traceback__)) == 2


def test_a_session_reads_like_its_results():
    tokens = UserPoolTokens("id")
    session = AuthSession(
        is_signed_in=True,
        identity_id_result=AuthResult(ALICE),
        credentials_result=AuthResult(credentials()),
        user_pool_tokens_result=AuthResult(tokens),
        user_sub_result=AuthResult("sub"),
    )
    assert session.identity_id == ALICE
    assert session.credentials == credentials()
    assert session.user_pool_tokens is tokens
    assert session.user_sub == "sub"
    assert session.renewal_error is None


def test_each_field_of_a_session_raises_its_own_error():
    session = AuthSession(
        is_signed_in=False,
        identity_id_result=AuthResult(error=InvalidStateError("identity")),
        credentials_result=AuthResult(error=InvalidStateError("credentials")),
        user_pool_tokens_result=AuthResult(error=InvalidStateError("tokens")),
        user_sub_result=AuthResult(error=InvalidStateError("sub")),
    )
    for name, word in [
        ("identity_id", "identity"),
        ("credentials", "credentials"),
        ("user_pool_tokens", "tokens"),
        ("user_sub", "sub"),
    ]:
        with pytest.raises(InvalidStateError, match=word):
            getattr(session, name)
