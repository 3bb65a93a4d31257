"""Discovery: whose document it is, where its endpoints may be, and what is said if it is none."""

import re

import httpx
import pytest

from amplify_federation import ConfigurationError, ExternalServiceError
from amplify_federation._oidc.discovery import discover, discovery_url_of
from amplify_federation._oidc.http import provider_http
from tests.oidc.kit import GOOGLE, ISSUER


async def discovered(respond, issuer=ISSUER, discovery_url=None):
    """Return the metadata of what `respond` answers: a response, or members for a document."""
    answer = respond if isinstance(respond, httpx.Response) else httpx.Response(200, json=respond)
    asked = []

    def handle(request):
        asked.append(str(request.url))
        return httpx.Response(answer.status_code, headers=answer.headers, content=answer.content)

    async with (
        httpx.AsyncClient(transport=httpx.MockTransport(handle)) as client,
        provider_http(client, issuer) as http,
    ):
        metadata = await discover(http, issuer, discovery_url)
    assert len(asked) == 1
    return metadata, asked[0]


@pytest.fixture
def document(world):
    return world.fake.discovery_document(GOOGLE)


async def test_the_document_is_below_the_issuer(document):
    metadata, asked = await discovered(document)
    assert asked == f"{ISSUER}/.well-known/openid-configuration"
    assert metadata.token_endpoint == document["token_endpoint"]
    assert "email" in metadata.scopes
    assert metadata.names_itself


async def test_a_discovery_url_is_taken_as_it_is(document):
    url = "https://meta.example.com/google"
    assert (await discovered(document, discovery_url=url))[1] == url


@pytest.mark.parametrize(
    ("found", "advice"),
    [
        ("https://accounts.google.com/", "'https://accounts.google.com/'"),
        ("https://login.microsoftonline.com/{tenantid}/v2.0", "one tenant"),
        (None, "no OpenID provider's"),
    ],
)
async def test_a_document_of_another_issuer_is_refused(document, found, advice):
    with pytest.raises(ConfigurationError) as caught:
        await discovered({**document, "issuer": found})
    assert advice in caught.value.recovery_suggestion


async def test_the_issuer_of_the_advice_is_taken(document):
    with pytest.raises(ConfigurationError) as caught:
        await discovered({**document, "issuer": f"{ISSUER}/"})
    (advised,) = re.findall(r"'([^']+)'", caught.value.recovery_suggestion)
    metadata, _ = await discovered({**document, "issuer": f"{ISSUER}/"}, issuer=advised)
    assert metadata.issuer == advised


@pytest.mark.parametrize(
    "answer",
    [
        httpx.Response(404, html="<html>"),
        httpx.Response(200, html="<html>Sign in to the wireless network"),
        httpx.Response(200, json=["no object"]),
        httpx.Response(302, headers={"location": "https://elsewhere.example.com"}),
        httpx.Response(200, content=b'{"issuer": "' + b"x" * 300_000),
    ],
    ids=["404", "HTML", "list", "redirect", "too long"],
)
async def test_what_is_no_document_is_a_fault_of_the_configuration(answer):
    with pytest.raises(ConfigurationError) as caught:
        await discovered(answer)
    assert "no discovery document at https://accounts.google.com/.well-known" in str(caught.value)
    assert "exactly" in caught.value.recovery_suggestion


async def test_a_provider_with_a_fault_may_be_asked_again():
    with pytest.raises(ExternalServiceError) as caught:
        await discovered(httpx.Response(503))
    assert caught.value.retryable


@pytest.mark.parametrize("name", ["token_endpoint", "jwks_uri", "authorization_endpoint"])
@pytest.mark.parametrize(
    "url",
    [
        "http://accounts.google.com/x",
        "http://127.0.0.1:1/x",  # a document from elsewhere must not point into this machine
        "https://user@accounts.google.com/x",
        "ftp://accounts.google.com/x",
        "https:///x",
        "https://a.example.com:99999/",
        "https://a.example.com/#f",
        "https://a.example.com/\n",
        1,
    ],
)
async def test_an_endpoint_that_no_secret_may_go_to_is_refused(document, name, url):
    with pytest.raises(ConfigurationError, match=name):
        await discovered({**document, name: url})


async def test_a_document_on_loopback_may_name_endpoints_there(document):
    local = {**document, "token_endpoint": "http://127.0.0.1:1/token"}
    url = "http://127.0.0.1:1/accounts.google.com"
    metadata, _ = await discovered(local, discovery_url=url)
    assert metadata.token_endpoint == "http://127.0.0.1:1/token"


@pytest.mark.parametrize("missing", ["token_endpoint", "jwks_uri"])
async def test_a_document_without_what_a_client_needs_is_refused(document, missing):
    del document[missing]
    with pytest.raises(ConfigurationError, match=missing):
        await discovered(document)


@pytest.mark.parametrize(
    ("issuer", "url"),
    [("http://accounts.google.com", None), (ISSUER, "http://example.com/x"), (ISSUER, "/x")],
)
def test_an_unsafe_url_is_refused_unsent(issuer, url):
    with pytest.raises(ConfigurationError):
        discovery_url_of(issuer, url)
