"""How an identity provider is named on the command line. This file must not know tokens."""

import click
from click.shell_completion import CompletionItem

from amplify_federation import AuthProvider, ValidationError

_BY_NAME = {
    "google": AuthProvider.GOOGLE,
    "facebook": AuthProvider.FACEBOOK,
    "amazon": AuthProvider.AMAZON,
    "apple": AuthProvider.APPLE,
    "twitter": AuthProvider.TWITTER,
    "developer": AuthProvider.DEVELOPER,
}
_MAKERS = {
    "oidc": AuthProvider.oidc,
    "saml": AuthProvider.saml,
    "user-pool": AuthProvider.cognito_user_pool,
    "custom": AuthProvider.custom,
}
NAMES = f"{', '.join(_BY_NAME)}, oidc:ISSUER, saml:ARN, user-pool:ID, custom:LOGIN_KEY"


class ProviderType(click.ParamType):  # type: ignore[type-arg,unused-ignore]  # generic since click 8.5
    """A provider by its name, or by its kind and what the kind needs."""

    name = "provider"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> AuthProvider:
        """Return the provider."""
        if isinstance(value, AuthProvider):
            return value
        text = str(value)
        if text.lower() in _BY_NAME:
            return _BY_NAME[text.lower()]
        kind, _, rest = text.partition(":")
        maker = _MAKERS.get(kind.lower())
        if maker is None:
            self.fail(f"{text!r} is none of {NAMES}.", param, ctx)
        try:
            return maker(rest)
        except ValidationError as error:
            fault = error.message
        return self.fail(fault, param, ctx)

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        """Offer the names, and the kinds with their colon."""
        del ctx, param
        offers = [*_BY_NAME, *(f"{kind}:" for kind in _MAKERS)]
        return [CompletionItem(offer) for offer in offers if offer.startswith(incomplete)]
