"""A provider's metadata, from its discovery document (OpenID Connect Discovery 1.0)."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from attrs import frozen

from amplify_federation._oidc.http import LOOPBACK, ProviderAnswer, ProviderHttp, checked_url
from amplify_federation.errors import ConfigurationError, ExternalServiceError

_WELL_KNOWN = "/.well-known/openid-configuration"


@frozen
class ProviderMetadata:
    """Where a provider's endpoints are, and what they take."""

    issuer: str
    token_endpoint: str
    jwks_uri: str
    authorization_endpoint: str | None
    device_authorization_endpoint: str | None
    revocation_endpoint: str | None
    scopes: tuple[str, ...]
    auth_methods: tuple[str, ...]
    names_itself: bool  # RFC 9207: `iss` stands in each authorization response


def discovery_url_of(issuer: str, discovery_url: str | None) -> str:
    """Return where a provider's metadata are. Raises `ConfigurationError` for an unsafe URL."""
    checked_url(issuer, "issuer")
    return checked_url(discovery_url or f"{issuer.rstrip('/')}{_WELL_KNOWN}", "discovery URL")


async def discover(http: ProviderHttp, issuer: str, discovery_url: str | None) -> ProviderMetadata:
    """Return the metadata of a provider.

    Raises `ConfigurationError` for a document that is not this issuer's, `NetworkError` and
    `ExternalServiceError` for trouble on the way.
    """
    url = discovery_url_of(issuer, discovery_url)
    answer = await http.get(url)
    if answer.is_fault:
        raise provider_fault(answer, url)
    if not answer.is_success or answer.members is None:
        what = "something else" if answer.is_success else f"HTTP status {answer.status}"
        message = f"There is no discovery document at {url}: {what} came back."
        raise ConfigurationError(
            message,
            recovery_suggestion=(
                "Give the issuer exactly as the provider's documentation has it; open "
                f"<issuer>{_WELL_KNOWN} in a browser to see that it is there."
            ),
        )
    return _metadata(answer.members, issuer, local=urlsplit(url).hostname in LOOPBACK)


def provider_fault(answer: ProviderAnswer, url: str) -> ExternalServiceError:
    """Return the error for a provider that has a fault of its own."""
    message = f"{urlsplit(url).hostname} answered with HTTP status {answer.status}."
    return ExternalServiceError(message, status=answer.status, retryable=True)


def _metadata(members: Mapping[str, Any], issuer: str, *, local: bool) -> ProviderMetadata:
    _check_issuer(members.get("issuer"), issuer)

    def endpoint(name: str) -> str:
        return checked_url(members.get(name), f"`{name}` of the provider", loopback=local)

    def optional(name: str) -> str | None:
        return endpoint(name) if members.get(name) is not None else None

    return ProviderMetadata(
        issuer=issuer,
        token_endpoint=endpoint("token_endpoint"),
        jwks_uri=endpoint("jwks_uri"),
        authorization_endpoint=optional("authorization_endpoint"),
        device_authorization_endpoint=optional("device_authorization_endpoint"),
        revocation_endpoint=optional("revocation_endpoint"),
        scopes=_texts(members.get("scopes_supported")),
        auth_methods=_texts(members.get("token_endpoint_auth_methods_supported")),
        names_itself=members.get("authorization_response_iss_parameter_supported") is True,
    )


def _check_issuer(found: object, issuer: str) -> None:
    if found == issuer:
        return
    shown = f"{found!r:.200}" if isinstance(found, str) else "none"
    message = f"The discovery document is of the issuer {shown}, not of {issuer!r}."
    advice = f"Pass the issuer as the document has it: {shown}."
    if isinstance(found, str) and "{" in found:
        advice = (
            "Pass the issuer of one tenant, with its id in the place of the braces: a document for "
            "all tenants names no issuer."
        )
    elif not isinstance(found, str):
        advice = "Check `discovery_url`: that document is no OpenID provider's."
    raise ConfigurationError(message, recovery_suggestion=advice)


def _texts(value: object) -> tuple[str, ...]:
    members: list[object] = value if isinstance(value, list) else []  # pyright: ignore[reportUnknownVariableType]  # of JSON
    return tuple(each for each in members if isinstance(each, str))
