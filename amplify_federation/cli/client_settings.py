"""Where a sign-in gets its provider and client from: options, then environment, then a file.

A source that names another provider than the one before it is ignored: its client is another, too.
The client's secret comes by environment or file alone, since every process can read arguments.
"""

import json
import os
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, cast

import click
from attrs import evolve, frozen

from amplify_federation import AuthProvider, ConfigurationError, ValidationError

PROVIDER_VARIABLE = "AMPLIFY_FEDERATION_PROVIDER"
CLIENT_ID_VARIABLE = "AMPLIFY_FEDERATION_CLIENT_ID"
SECRET_VARIABLE = "AMPLIFY_FEDERATION_CLIENT_SECRET"
SECRET_FILE_VARIABLE = "AMPLIFY_FEDERATION_CLIENT_SECRET_FILE"
_CONFIG_VARIABLE = "AMPLIFY_FEDERATION_CONFIG"
_VARIABLES = {
    "provider": PROVIDER_VARIABLE,
    "client_id": CLIENT_ID_VARIABLE,
    "discovery_url": "AMPLIFY_FEDERATION_DISCOVERY_URL",
    "scope": "AMPLIFY_FEDERATION_SCOPE",
}
SECTION = "amplify_federation"  # of the configuration file
FORMS = "google, oidc:ISSUER, user-pool:ID"
_GOOGLE = "https://accounts.google.com"
# None of them gives an ID token to a program that redirects to loopback.
_WITHOUT_LOGIN = frozenset({"facebook", "amazon", "apple", "twitter", "developer", "saml"})
_ENOUGH = 20_000  # bytes of a file with a client's secret


@frozen
class ClientSettings:
    """A sign-in's provider and client. No secret is among them."""

    provider: str | None = None
    client_id: str | None = None
    discovery_url: str | None = None
    scope: str | None = None

    def over(self, below: "ClientSettings") -> "ClientSettings":
        """Return these, filled up from the next source, unless that names another provider."""
        if self.provider and below.provider:
            if issuer_of(self.provider) != issuer_of(below.provider):
                return self
            below = evolve(below, provider=None)
        elif self.provider and below.discovery_url:
            below = evolve(below, discovery_url=None)  # of whichever provider
        missing = {name: getattr(below, name) for name in _VARIABLES if not getattr(self, name)}
        return evolve(self, **missing)


def resolved(options: ClientSettings, config: str | None) -> ClientSettings:
    """Return the settings of a sign-in. Raises `click.UsageError` without provider or client."""
    variables = {name: os.environ.get(key) or None for name, key in _VARIABLES.items()}
    found = options.over(ClientSettings(**variables)).over(_from_file(config))
    if found.provider is None:
        message = f"Give --provider ({FORMS}), or set {PROVIDER_VARIABLE}."
        raise click.UsageError(message)
    if found.client_id is None:
        message = (
            f"Give --client-id ID, the id that {found.provider} gave to your application, or set "
            f"{CLIENT_ID_VARIABLE}."
        )
        raise click.UsageError(message)
    return found


def issuer_of(provider: str) -> str:
    """Return the issuer of a provider as the options have it, exactly as it was given.

    Raises `click.UsageError` for a provider that has none.
    """
    kind, _, rest = provider.partition(":")
    kind = kind.lower()
    if kind in _WITHOUT_LOGIN:
        message = (
            f"{kind} gives no ID token to a program of this kind; sign in in your own application, "
            f"and give the token to: amplify-federation federate --provider {provider}"
        )
        raise click.UsageError(message)
    if provider.lower() == "google":
        return _GOOGLE
    try:
        if kind == "user-pool":
            return f"https://{AuthProvider.cognito_user_pool(rest).login_key}"
        if kind in {"oidc", "custom"}:
            AuthProvider.oidc(rest)  # checked here; a trailing slash of the issuer stays
            return rest if "://" in rest else f"https://{rest}"
    except ValidationError as error:
        fault = error.message
    else:
        fault = f"{provider!r} is none of {FORMS}."
    raise click.UsageError(fault)


def _from_file(config: str | None) -> ClientSettings:
    """Return the settings in a configuration file: our own section, or what Amplify writes."""
    path = config or os.environ.get(_CONFIG_VARIABLE)
    if not path:
        return ClientSettings()
    try:
        document: object = json.loads(Path(path).read_bytes())
    except (OSError, ValueError, RecursionError):
        return ClientSettings()  # the pool, which is read from it too, says what is wrong
    members = _section(document)
    if own := _section(members.get(SECTION)):
        return ClientSettings(**{name: _text(own.get(name), name) for name in _VARIABLES})
    for pool, client in (
        # amplify_outputs.json
        (_section(members.get("auth")).get("user_pool_id"),
         _section(members.get("auth")).get("user_pool_client_id")),
        # aws-exports.js and amplifyconfiguration.json of JavaScript projects
        (members.get("aws_user_pools_id"), members.get("aws_user_pools_web_client_id")),
    ):  # fmt: skip
        if isinstance(pool, str) and isinstance(client, str):
            return ClientSettings(f"user-pool:{pool}", client)
    return ClientSettings()


def _section(value: object) -> Mapping[str, Any]:
    return cast("Mapping[str, Any]", value) if isinstance(value, dict) else {}


def _text(value: object, name: str) -> str | None:
    if value is None or (isinstance(value, str) and value):
        return value
    message = f"`{SECTION}.{name}` of the configuration must be a string."
    raise ConfigurationError(message)


def client_secret(file: str | None) -> Callable[[], str | None]:
    """Return a function that gives the client's secret, if there is one.

    Of a file, or of the environment: a file's content, or the JSON that Google gives for download.
    Raises `ConfigurationError` for a file that cannot be read or has none.
    """
    path = file or os.environ.get(SECRET_FILE_VARIABLE)
    if not path:
        return lambda: os.environ.get(SECRET_VARIABLE) or None
    found = [_secret_in(path)]
    return lambda: found[0]


def _secret_in(path: str) -> str:
    try:
        with Path(path).open("rb") as file:
            text = file.read(_ENOUGH).decode("utf-8-sig").strip()
    except (OSError, UnicodeDecodeError) as error:
        fault = f"cannot be read ({getattr(error, 'strerror', None) or 'it is not text'})"
    else:
        members: Mapping[str, Any] = {}
        with suppress(ValueError, RecursionError):
            members = _section(json.loads(text))
        client = _section(members.get("installed", members.get("web")))
        secret = client.get("client_secret") if members else text
        if isinstance(secret, str) and secret and not any(map(str.isspace, secret)):
            return secret
        fault = "holds no client secret"
        del text, members, client, secret  # no frame of a traceback may hold them
    message = f"The file {path} {fault}."
    advice = "Give a file with the secret alone, or the JSON that Google offers for download."
    raise ConfigurationError(message, recovery_suggestion=advice)
