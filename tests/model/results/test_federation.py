from amplify_federation._model.providers import AuthProvider
from amplify_federation._model.results.federation import FederationResult, TokenRequest
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
