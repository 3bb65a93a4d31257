"""smithy-python's identity resolver, asked by smithy's own signer."""

import sys
from datetime import UTC, datetime

import pytest

from amplify_federation import SignedOutError
from amplify_federation.integrations import live_session
from amplify_federation.integrations.smithy import IdentityResolver, identity_resolver

HOUR = 3600.0


class Identity(dict):
    """Stands for smithy's class of credentials, where smithy is not installed."""

    def __init__(self, **members):
        super().__init__(members)


async def test_each_request_gets_the_live_credentials(auth, sign_in, fake):
    resolver = IdentityResolver(auth, Identity)
    with pytest.raises(SignedOutError):
        await resolver.get_identity(properties={})
    await sign_in(auth)
    first = await resolver.get_identity(properties={})
    fake.advance(HOUR)
    second = await resolver.get_identity(properties={})
    now = (await auth.fetch_auth_session()).credentials
    assert first["access_key_id"] != second["access_key_id"] == now.access_key_id
    assert second["expiration"] == now.expiration


async def test_credentials_that_a_service_refused_are_renewed_once(auth, sign_in):
    await sign_in(auth)
    resolver = IdentityResolver(auth, Identity)
    first = await resolver.get_identity(properties={})
    await resolver.invalidate()
    second = await resolver.get_identity(properties={})
    assert first["access_key_id"] != second["access_key_id"]
    assert await resolver.get_identity(properties={}) == second


async def test_smithy_takes_what_the_resolver_gives(auth, sign_in):
    reason = "smithy-aws-core is not installed"
    if sys.version_info < (3, 12):
        reason += ", and needs Python 3.12"
    smithy = pytest.importorskip("smithy_aws_core.identity", reason=reason)
    result = await sign_in(auth)
    given = await identity_resolver(auth).get_identity(properties={})
    assert isinstance(given, smithy.AWSCredentialsIdentity)
    assert given.access_key_id == result.credentials.access_key_id
    assert given.session_token == result.credentials.session_token
    assert given.expiration == result.credentials.expiration
    assert given.is_expired == (result.credentials.expiration <= datetime.now(UTC))


async def test_a_missing_smithy_is_named(auth, monkeypatch):
    monkeypatch.setattr(live_session, "find_spec", lambda name: None)
    with pytest.raises(ModuleNotFoundError, match=r"amplify-federation\[smithy\]"):
        identity_resolver(auth)
