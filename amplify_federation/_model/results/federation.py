"""What a federation gives, and what an application is told when a new token is wanted."""

from attrs import frozen

from amplify_federation._model.providers import AuthProvider
from amplify_federation._model.values import AWSCredentials


@frozen
class FederationResult:
    """What a federation gives: the identity of Cognito's answer, and its credentials."""

    identity_id: str
    credentials: AWSCredentials


@frozen
class TokenRequest:
    """Why a `token_source` is asked for a new provider token."""

    provider: AuthProvider
    identity_id: str
    reason: str
