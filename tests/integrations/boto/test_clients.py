"""One AWS client a service, in the name of many users."""

import asyncio
import gc
import time
import tracemalloc

import pytest

from amplify_federation import InvalidStateError
from amplify_federation.integrations import boto

pytest.importorskip("aiobotocore")

HOUR = 3600.0


@pytest.fixture
def anyio_backend():
    return "asyncio"


async def test_each_call_is_signed_by_its_own_user_through_a_renewal(
    bearer, fake, moto, signers_of
):
    async with boto.aws_clients() as clients:
        everybody = [bearer(f"user-{number}") for number in range(20)]
        made = [await clients.client(each, "s3", endpoint_url=moto) for each in everybody]
        seen = signers_of(made[0]._client)

        async def use(session, s3):
            for _ in range(3):
                mine = (await session.fetch_auth_session()).credentials
                before = len(seen)
                await s3.list_buckets()
                assert (mine.access_key_id, mine.session_token) in seen[before:]

        await asyncio.gather(*map(use, everybody, made))
        fake.advance(HOUR)
        await asyncio.gather(*map(use, everybody, made))
    assert len({key for key, _ in seen}) == 40
    assert len(seen) == 120


async def test_what_is_called_without_a_user_signs_nothing(bearer, moto, signers_of):
    async with boto.aws_clients() as clients:
        s3 = await clients.client(bearer("alice"), "s3", endpoint_url=moto)
        seen = signers_of(s3._client)
        with pytest.raises(InvalidStateError, match="shared client"):
            await s3._client.list_buckets()
        assert seen == []


async def test_pages_waiters_and_errors_are_there(bearer, moto):
    async with boto.aws_clients() as clients:
        s3 = await clients.client(bearer("alice"), "s3", endpoint_url=moto, region_name="us-east-1")
        await s3.create_bucket(Bucket="pages")
        for number in range(3):
            await s3.put_object(Bucket="pages", Key=str(number), Body=b"x")
        await s3.wait("object_exists", Bucket="pages", Key="0")
        pages = s3.get_paginator("list_objects_v2").paginate(
            Bucket="pages", PaginationConfig={"PageSize": 2}
        )
        assert [len(page["Contents"]) async for page in pages] == [2, 1]
        with pytest.raises(s3.exceptions.NoSuchKey):
            await s3.get_object(Bucket="pages", Key="missing")
        with pytest.raises(AttributeError, match="no operation"):
            s3.close  # noqa: B018  # the access is what is tested


async def test_users_share_a_client_of_a_service_and_its_end(bearer, moto):
    async with boto.aws_clients(max_clients=1) as clients:
        first = await clients.client(bearer("alice"), "s3", endpoint_url=moto)
        second = await clients.client(bearer("bob"), "s3", endpoint_url=moto)
        assert first._client is second._client
        with pytest.raises(InvalidStateError, match="1 clients") as caught:
            await clients.client(bearer("bob"), "sqs", endpoint_url=moto)
        assert "max_clients" in caught.value.recovery_suggestion
    with pytest.raises(InvalidStateError, match="closed"):
        await clients.client(bearer("bob"), "sqs", endpoint_url=moto)


async def test_no_client_keeps_credentials_of_s3_express(bearer, moto):
    config = __import__("aiobotocore.config").config.AioConfig(s3={"addressing_style": "path"})
    async with boto.aws_clients(config=config) as clients:
        s3 = await clients.client(bearer("alice"), "s3", endpoint_url=moto)
        used = s3._client.meta.config.s3
    assert used["addressing_style"] == "path"
    assert used["disable_s3_express_session_auth"] is True


async def test_a_hundred_users_cost_little_each(bearer, moto):
    everybody = [bearer(f"user-{number}") for number in range(100)]
    for each in everybody:
        await each.fetch_auth_session()
    async with boto.aws_clients() as clients:
        await clients.client(everybody[0], "s3", endpoint_url=moto)
        gc.collect()
        tracemalloc.start()
        made = [await clients.client(each, "s3", endpoint_url=moto) for each in everybody]
        size, _ = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert size / len(made) < 100 * 1024
        started = time.process_time()
        for _ in range(100):
            for each in everybody:
                s3 = await clients.client(each, "s3", endpoint_url=moto)
                await s3._in_name_of_session(nothing)()
        spent = time.process_time() - started
        print(f"a cached user: {size / len(made):.0f} bytes; a call: {spent / 10_000 * 1e6:.1f} us")


async def nothing():
    """Stand for an operation of botocore, of which nothing is measured."""
