"""boto3 in threads, signing as a session that lives on."""

import copy
import pickle

import anyio.to_thread
import pytest

from amplify_federation import (
    AuthSettings,
    FederatedUsers,
    SessionExpiredError,
    SignedOutError,
)
from amplify_federation.integrations import boto

pytest.importorskip("boto3")

HOUR = 3600.0
in_thread = anyio.to_thread.run_sync


async def test_boto3_signs_as_the_federated_user(auth, sign_in, moto, signers_of, pair):
    result = await sign_in(auth)
    s3 = boto.boto3_session(auth).client("s3", endpoint_url=moto)
    seen = signers_of(s3)
    await in_thread(s3.list_buckets)
    assert seen == [pair(result.credentials)]
    s3.close()


async def test_the_region_is_the_pools_unless_configured(auth, monkeypatch):
    assert boto.boto3_session(auth).region_name == "us-west-2"
    assert boto.boto3_session(auth, region_name="eu-west-1").region_name == "eu-west-1"
    monkeypatch.setenv("AWS_DEFAULT_REGION", "ap-south-1")
    assert boto.boto3_session(auth).region_name == "ap-south-1"


async def test_the_environments_keys_are_not_used(auth, sign_in, moto, monkeypatch, signers_of):
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAENVIRONMENT")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "of the machine")
    session = boto.boto3_session(auth)
    s3 = session.client("s3", endpoint_url=moto)
    seen = signers_of(s3)
    with pytest.raises(SignedOutError):
        await in_thread(s3.list_buckets)
    assert seen == []
    s3.close()


async def test_a_bearer_token_of_the_environment_is_not_used(
    auth, sign_in, moto, monkeypatch, signers_of, pair
):
    monkeypatch.setenv("AWS_BEARER_TOKEN_BEDROCK", "of the machine")
    result = await sign_in(auth)
    bedrock = boto.boto3_session(auth).client("bedrock", endpoint_url=moto)
    seen = signers_of(bedrock)
    await in_thread(bedrock.list_custom_models)
    assert seen == [pair(result.credentials)]
    bedrock.close()


async def test_a_renewal_is_seen_by_the_next_request(auth, sign_in, fake, moto, signers_of, pair):
    first = await sign_in(auth)
    s3 = boto.boto3_session(auth).client("s3", endpoint_url=moto)
    seen = signers_of(s3)
    await in_thread(s3.list_buckets)
    fake.advance(HOUR)
    await in_thread(s3.list_buckets)
    renewed = await auth.fetch_auth_session()
    assert seen == [pair(first.credentials), pair(renewed.credentials)]
    assert renewed.identity_id == first.identity_id
    assert [call.operation for call in fake.calls][2:] == ["GetCredentialsForIdentity"]
    s3.close()


async def test_an_expired_session_raises_its_error_and_sends_nothing(
    auth, sign_in, fake, moto, signers_of
):
    await sign_in(auth)
    s3 = boto.boto3_session(auth).client("s3", endpoint_url=moto)
    seen = signers_of(s3)
    await in_thread(s3.list_buckets)
    fake.advance(3 * HOUR)
    with pytest.raises(SessionExpiredError):
        await in_thread(s3.list_buckets)
    assert len(seen) == 1
    s3.close()


async def test_a_cleared_session_stops_signing_at_once(auth, sign_in):
    await sign_in(auth)
    credentials = boto.botocore_credentials(auth)
    await in_thread(credentials.get_frozen_credentials)
    await auth.clear_federation_to_identity_pool()
    with pytest.raises(SignedOutError):
        await in_thread(credentials.get_frozen_credentials)


async def test_another_user_on_the_same_handle_signs_from_the_next_request(auth, sign_in):
    await sign_in(auth, "alice")
    credentials = boto.botocore_credentials(auth)
    await in_thread(credentials.get_frozen_credentials)
    bob = await sign_in(auth, "bob")
    frozen = await in_thread(credentials.get_frozen_credentials)
    assert frozen.access_key == bob.credentials.access_key_id


async def test_each_user_of_many_signs_as_themselves(client, clock, pool, store, sign_in):
    settings = AuthSettings(clock=clock)
    async with FederatedUsers(pool, store=store, http_client=client, settings=settings) as users:
        alice, bob = users.auth("alice"), users.auth("bob")
        first, second = await sign_in(alice, "alice"), await sign_in(bob, "bob")
        as_alice, as_bob = boto.botocore_credentials(alice), boto.botocore_credentials(bob)
        keys = [
            (await in_thread(each.get_frozen_credentials)).access_key for each in (as_alice, as_bob)
        ]
    assert keys == [first.credentials.access_key_id, second.credentials.access_key_id]


async def test_code_that_reads_the_keys_one_by_one_is_served(auth, sign_in):
    result = await sign_in(auth)
    credentials = boto.botocore_credentials(auth)

    def read():
        return credentials.access_key, credentials.secret_key, credentials.token

    assert await in_thread(read) == (
        result.credentials.access_key_id,
        result.credentials.secret_access_key,
        result.credentials.session_token,
    )


async def test_the_credentials_are_silent_and_are_not_pickled(auth, sign_in):
    result = await sign_in(auth)
    credentials = boto.botocore_credentials(auth)
    await in_thread(credentials.get_frozen_credentials)
    assert result.credentials.secret_access_key not in repr(credentials)
    for copied in (pickle.dumps, copy.copy):
        with pytest.raises(TypeError, match="stays in its process"):
            copied(credentials)
    with pytest.raises(TypeError, match="stays in its process"):
        pickle.dumps(boto.boto3_session(auth))


async def test_a_bearers_session_signs_and_follows_its_renewal(
    bearer, fake, moto, signers_of, pair
):
    session, expected = bearer(), []
    s3 = boto.boto3_session(session).client("s3", endpoint_url=moto)
    seen = signers_of(s3)
    for _ in range(2):
        expected.append(pair((await session.fetch_auth_session()).credentials))
        await in_thread(s3.list_buckets)
        fake.advance(HOUR)
    s3.close()
    assert seen == expected
    assert seen[0] != seen[1]
