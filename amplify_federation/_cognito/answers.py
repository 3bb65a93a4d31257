"""What Cognito gave, once it is understood. How that came about is `decoding`'s."""

from typing import NamedTuple

from amplify_federation._model.values import AWSCredentials, Secret


class Answer(NamedTuple):
    """A whole answer: the identity, where promised the credentials, or an OpenID token."""

    identity_id: str = ""
    credentials: AWSCredentials | None = None
    open_id_token: Secret | None = None
