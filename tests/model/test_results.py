import attrs
import pytest

from amplify_federation import Revocation, SignOutResult
from amplify_federation._model.providers import AuthProvider
from amplify_federation._model.results import (
    AuthUser,
    FederationResult,
    TokenRequest,
    UserPoolTokens,
)
from amplify_federation.errors import (
    ValidationError,
)
from tests.model.samples import ALICE, credentials


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
