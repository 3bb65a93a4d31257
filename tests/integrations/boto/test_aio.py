"""aiobotocore, which is asyncio's, signing as a session that lives on."""

import asyncio
import pickle
from contextlib import asynccontextmanager

import pytest

from amplify_federation import (
    SessionExpiredError,
    SignedOutError,
)
from amplify_federation.integrations import boto

pytest.importorskip("aiobotocore")

HOUR = 3600.0


@pytest.fixture
def anyio_backend():
    pytest.importorskip("aiobotocore")
    return "asyncio"


@pytest.fixture
def client_of(moto, signers_of):
    """Open an S3 client, and remember who signs its requests."""

    @asynccontextmanager
    async def opened(auth):
        session = boto.aiobotocore_session(auth)
        async with session.create_client("s3", endpoint_url=moto) as client:
            yield client, signers_of(client)

    return opened


async def test_aiobotocore_signs_as_the_federated_user_through_a_renewal(
    auth, sign_in, fake, client_of, pair
):
    first = await sign_in(auth)
    async with client_of(auth) as (s3, seen):
        await s3.list_buckets()
        fake.advance(HOUR)
        await s3.list_buckets()
    renewed = (await auth.fetch_auth_session()).credentials
    assert seen == [pair(first.credentials), pair(renewed)]
    assert len(fake.calls) == 3


async def test_a_bearer_token_of_the_environment_is_not_used(
    auth, sign_in, moto, monkeypatch, signers_of, pair
):
    monkeypatch.setenv("AWS_BEARER_TOKEN_BEDROCK", "of the machine")
    result = await sign_in(auth)
    session = boto.aiobotocore_session(auth)
    async with session.create_client("bedrock", endpoint_url=moto) as bedrock:
        seen = signers_of(bedrock)
        await bedrock.list_custom_models()
    assert seen == [pair(result.credentials)]


async def test_an_expired_and_a_cleared_session_sign_nothing(auth, sign_in, fake, client_of):
    await sign_in(auth)
    async with client_of(auth) as (s3, seen):
        fake.advance(3 * HOUR)
        with pytest.raises(SessionExpiredError):
            await s3.list_buckets()
        await auth.clear_federation_to_identity_pool()
        with pytest.raises(SignedOutError):
            await s3.list_buckets()
    assert seen == []


async def test_concurrent_requests_with_stale_credentials_cause_one_renewal(
    auth, sign_in, fake, client_of
):
    await sign_in(auth)
    fake.advance(HOUR)
    async with client_of(auth) as (s3, seen):
        await asyncio.gather(*(s3.list_buckets() for _ in range(10)))
    assert len(set(seen)) == 1
    assert len(fake.calls) == 3


async def test_a_fresh_signature_makes_no_call_and_no_new_object(auth, sign_in, fake):
    await sign_in(auth)
    credentials = await boto.aiobotocore_session(auth).get_credentials()
    calls = len(fake.calls)
    first = await credentials.get_frozen_credentials()
    assert await credentials.get_frozen_credentials() is first
    assert len(fake.calls) == calls


async def test_the_region_is_the_pools_unless_configured(auth):
    def region(session):
        return session.get_config_variable("region")

    assert region(boto.aiobotocore_session(auth)) == "us-west-2"
    assert region(boto.aiobotocore_session(auth, region_name="eu-west-1")) == "eu-west-1"


async def test_the_credentials_are_silent_and_are_not_pickled(auth, sign_in):
    result = await sign_in(auth)
    credentials = await boto.aiobotocore_session(auth).get_credentials()
    await credentials.get_frozen_credentials()
    assert result.credentials.secret_access_key not in repr(credentials)
    with pytest.raises(TypeError, match="stays in its process"):
        pickle.dumps(credentials)


async def test_a_bearers_session_signs_and_follows_its_renewal(bearer, fake, client_of, pair):
    session, expected = bearer(), []
    async with client_of(session) as (s3, seen):
        for _ in range(2):
            expected.append(pair((await session.fetch_auth_session()).credentials))
            await s3.list_buckets()
            fake.advance(HOUR)
    assert seen == expected
    assert seen[0] != seen[1]


async def test_a_second_event_loop_signs_with_the_live_credentials(auth, sign_in):
    result = await sign_in(auth)
    session = boto.aiobotocore_session(auth)

    async def sign():
        return await (await session.get_credentials()).get_frozen_credentials()

    frozen = await asyncio.to_thread(asyncio.run, sign())
    assert frozen.access_key == result.credentials.access_key_id


async def test_a_session_made_before_there_is_a_loop_serves_in_the_first(auth, sign_in):
    session = await asyncio.to_thread(boto.aiobotocore_session, auth)
    result = await sign_in(auth)
    frozen = await (await session.get_credentials()).get_frozen_credentials()
    assert frozen.access_key == result.credentials.access_key_id
