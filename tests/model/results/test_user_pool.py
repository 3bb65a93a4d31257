import attrs
import pytest

from amplify_federation._model.results.user_pool import AuthUser, UserPoolTokens
from amplify_federation.errors import ValidationError


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
