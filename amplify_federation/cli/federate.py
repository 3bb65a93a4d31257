"""`federate`: make a session from a provider's token."""

import click
from click.shell_completion import CompletionItem

from amplify_federation import AuthProvider, FederationResult, ValidationError
from amplify_federation.cli.client_settings import PROVIDER_VARIABLE
from amplify_federation.cli.options import Target, run, session_command
from amplify_federation.cli.output import (
    credentials_text,
    print_json,
    print_pairs,
    utc_text,
    wants_json,
)
from amplify_federation.cli.tokens import TOKEN_VARIABLE, read_token

_BY_NAME: dict[str, AuthProvider] = {
    name: getattr(AuthProvider, name.upper())  # GOOGLE, ...
    for name in ("google", "facebook", "amazon", "apple", "twitter", "developer")
}
_MAKERS = {
    "oidc": AuthProvider.oidc,
    "saml": AuthProvider.saml,
    "user-pool": AuthProvider.cognito_user_pool,
    "custom": AuthProvider.custom,
}
_NAMES = f"{', '.join(_BY_NAME)}, oidc:ISSUER, saml:ARN, user-pool:ID, custom:LOGIN_KEY"


class ProviderType(click.ParamType):  # type: ignore[type-arg,unused-ignore]  # generic since click 8.5
    """A provider: a name such as `google`, or a kind with its argument, such as `oidc:ISSUER`."""

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
            self.fail(f"{text!r} is none of {_NAMES}.", param, ctx)
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


@session_command(
    "federate",
    "amplify-federation federate --pool ID --provider google --token-file token.txt",
    "get-token | amplify-federation federate --provider google --token-file -",
    "AMPLIFY_FEDERATION_TOKEN=... amplify-federation federate \\",
    "    --provider oidc:https://issuer.example.com",
)
@click.option(
    "--provider",
    required=True,
    type=ProviderType(),
    envvar=PROVIDER_VARIABLE,
    help=f"Issuer of the token: {_NAMES}.  [default: the variable {PROVIDER_VARIABLE}]",
)
@click.option(
    "--token-file",
    metavar="FILE",
    type=click.Path(dir_okay=False, allow_dash=True, path_type=str),
    help=f"File with the token; - is stdin.  [default: the variable {TOKEN_VARIABLE}]",
)
@click.option(
    "--identity-id",
    metavar="ID",
    help="Identity id to federate with, if your backend or a guest session has given one.",
)
def command(
    target: Target, *, provider: AuthProvider, token_file: str | None, identity_id: str | None
) -> None:
    """Exchange an identity provider's token for an identity and AWS credentials, and store them.

    The token comes by file, by stdin or by environment, and never as an argument, which every
    process of the machine can read. If anything fails, the previous session stays.
    """
    token = read_token(token_file, provider)

    async def work() -> FederationResult:
        async with target.open() as auth:
            return await auth.federate_to_identity_pool(
                token, provider, developer_provided_identity_id=identity_id
            )

    report(target, provider, run(work, doing="Asking Cognito"))


def report(
    target: Target,
    provider: AuthProvider,
    result: FederationResult,
    *,
    user: str | None = None,
    **more: object,
) -> None:
    """Print the session that a federation has made, with the user's name if it is known.

    `more`: further members of the JSON document.
    """
    credentials = result.credentials
    known = {} if user is None else {"user": user}
    if wants_json():
        document = {
            "state": "federated",
            **known,
            "provider": provider.login_key,
            "identity_id": result.identity_id,
            "expiration": utc_text(credentials.expiration),
            "session": target.session,
        }
        print_json({**document, **more})
        return
    print_pairs(
        [
            ("state", click.style("federated", bold=True)),
            *known.items(),
            ("provider", provider.login_key),
            ("identity", result.identity_id),
            ("credentials", credentials_text(credentials)),
        ]
    )
