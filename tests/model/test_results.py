import traceback

import attrs
import pytest

from amplify_federation import Revocation, SignOutResult
from amplify_federation._model.providers import AuthProvider
from amplify_federation._model.results import (
    AuthEvent,
    AuthEventKind,
    AuthResult,
    AuthSession,
    AuthUser,
    FederationResult,
    TokenRequest,
    UserPoolTokens,
)
from amplify_federation.errors import (
    InvalidStateError,
    NetworkError,
    SignedOutError,
    ValidationError,
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


def test_a_federation_shows_its_identity_and_no_secret():
    result = FederationResult(ALICE, credentials())
    assert result.identity_id == ALICE
    assert ALICE in repr(result)
    assert "made-up" not in repr(result)


def test_a_request_for_a_token_names_provider_identity_and_reason():
    request = TokenRequest(AuthProvider.GOOGLE, ALICE, "token_expired")
    assert request == TokenRequest(AuthProvider.GOOGLE, ALICE, "token_expired")
    assert request.provider.login_key == "accounts.google.com"


def test_user_pool_tokens_are_silent_and_the_access_token_is_optional():
    tokens = UserPoolTokens("canary-id", "canary-access")
    assert (tokens.id_token, tokens.access_token) == ("canary-id", "canary-access")
    assert "canary" not in repr(tokens)
    assert UserPoolTokens("canary-id").access_token is None


def test_a_token_of_a_user_pool_can_be_replaced_alone():
    assert attrs.evolve(UserPoolTokens("id"), access_token="access").id_token == "id"


@pytest.mark.parametrize("tokens", [("",), (None,), (7,), ("id", ""), ("id", 7)])
def test_what_is_no_token_is_refused(tokens):
    with pytest.raises(ValidationError):
        UserPoolTokens(*tokens)


def test_a_user_is_who_its_id_says():
    assert AuthUser("sub", "alice") == AuthUser("sub", "alice")
    assert AuthUser("sub", "alice") != AuthUser("bus", "alice")


@pytest.mark.parametrize("revocation", Revocation)
def test_a_result_says_what_is_left_to_do_where_something_is(revocation):
    result = SignOutResult(revocation, "what happened")
    left = {Revocation.FAILED, Revocation.NOT_OFFERED}
    assert (result.recovery_suggestion is not None) == (revocation in left)


def test_an_event_says_what_happened_and_what_the_session_is_now():
    event = AuthEvent(AuthEventKind.FEDERATED, "federated")
    assert (event.kind, event.state) == ("federated", "federated")
    assert f"{event.kind}" == "federated"


def test_an_event_cannot_be_changed():
    event = AuthEvent(AuthEventKind.FEDERATED, "federated")
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        event.state = "expired"
