"""RefreshGrant: what a new ID token takes, once a user has signed in at an OpenID provider."""

from functools import partial

from attrs import field, frozen

from amplify_federation._model.providers import AuthProvider, login_key_of
from amplify_federation._model.values import Secret, as_secret, checked_secret
from amplify_federation.errors import ValidationError


def provider_of(issuer: object) -> AuthProvider:
    """Return the provider whose login key an issuer's ID tokens go under.

    Raises `ValidationError` if it is no issuer URL.
    """
    if not isinstance(issuer, str) or not issuer.startswith(("https://", "http://")):
        message = "`issuer` must be a URL such as 'https://accounts.google.com'."
        raise ValidationError(message)
    return AuthProvider.oidc(login_key_of(issuer.partition("://")[2]))


def checked_client_id(client_id: object) -> str:
    """Return the client id; raises `ValidationError` if it is none."""
    if not isinstance(client_id, str) or not client_id or not client_id.isprintable():
        message = "`client_id` must be the id that the provider gave to your application."
        raise ValidationError(message)
    return client_id


@frozen(init=False)
class RefreshGrant:
    """A refresh token, with the client and the provider that it belongs to.

    `refresh_token` and `client_secret` are read as `str` by property; `repr`, `attrs.asdict` and
    pickling do not give them. `discovery_url` is where the provider's metadata are, if not at
    `<issuer>/.well-known/openid-configuration`. `scope` is the scope of the sign-in.

    Raises `ValidationError` for an empty secret or a malformed issuer.
    """

    issuer: str
    client_id: str
    discovery_url: str | None
    scope: str | None
    provider: AuthProvider = field(repr=False)
    _client_secret: Secret | None
    _refresh_token: Secret

    def __init__(  # what a refresh takes, all keyword-only
        self,
        *,
        issuer: str,
        client_id: str,
        refresh_token: str | Secret,
        client_secret: str | Secret | None = None,
        discovery_url: str | None = None,
        scope: str | None = None,
    ) -> None:
        token = as_secret(refresh_token)
        secret = None if client_secret is None else as_secret(client_secret)
        del refresh_token, client_secret  # no frame of a traceback may hold them
        put = partial(object.__setattr__, self)
        put("issuer", issuer)
        put("client_id", checked_client_id(client_id))
        put("discovery_url", discovery_url)
        put("scope", scope)
        put("provider", provider_of(issuer))
        put("_client_secret", None if secret is None else checked_secret(secret))
        put("_refresh_token", checked_secret(token))

    @property
    def refresh_token(self) -> str:
        """The refresh token."""
        return self._refresh_token.reveal()

    @property
    def client_secret(self) -> str | None:
        """The client's secret, if the client has one."""
        return None if self._client_secret is None else self._client_secret.reveal()

    def rotated(self, refresh_token: Secret) -> "RefreshGrant":
        """Return the grant with the refresh token that the provider gave in place of this one."""
        return RefreshGrant(
            issuer=self.issuer,
            client_id=self.client_id,
            refresh_token=refresh_token,
            client_secret=self._client_secret,
            discovery_url=self.discovery_url,
            scope=self.scope,
        )
