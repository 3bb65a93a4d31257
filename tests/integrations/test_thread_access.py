"""From any thread to a session that lives in an event loop, without a deadlock."""

import os
import threading

import anyio
import anyio.from_thread
import anyio.to_thread
import httpx
import pytest

from amplify_federation import (
    AuthSettings,
    FederatedAuth,
    InvalidStateError,
    MemoryStore,
    SignedOutError,
)
from amplify_federation.integrations import boto
from amplify_federation.testing import FakeCognito

pytest.importorskip("boto3")

HOUR = 3600.0
in_thread = anyio.to_thread.run_sync


async def test_a_forced_renewal_is_seen_by_the_next_signature(auth, sign_in):
    await sign_in(auth)
    credentials = boto.botocore_credentials(auth)
    before = await in_thread(credentials.get_frozen_credentials)
    session = await auth.fetch_auth_session(force_refresh=True)
    after = await in_thread(credentials.get_frozen_credentials)
    assert before.access_key != after.access_key == session.credentials.access_key_id


async def test_a_clear_by_another_handle_is_seen_within_a_second(auth, open_auth, sign_in, clock):
    await sign_in(auth)
    credentials = boto.botocore_credentials(auth)
    await in_thread(credentials.get_frozen_credentials)
    async with open_auth() as other:
        await other.clear_federation_to_identity_pool()
    clock.advance(1.0)
    with pytest.raises(SignedOutError):
        await in_thread(credentials.get_frozen_credentials)


async def test_a_fresh_signature_asks_neither_network_nor_loop(auth, sign_in, fake, monkeypatch):
    await sign_in(auth)
    credentials = boto.botocore_credentials(auth)
    before = await in_thread(credentials.get_frozen_credentials)
    calls = len(fake.calls)

    def forbidden(*_, **__):
        raise AssertionError

    monkeypatch.setattr(anyio.from_thread, "run", forbidden)
    after = await in_thread(credentials.get_frozen_credentials)
    assert after is before
    assert len(fake.calls) == calls


async def test_a_wall_clock_that_was_set_is_noticed_at_once(auth, sign_in, clock, fake):
    await sign_in(auth)
    credentials = boto.botocore_credentials(auth)
    before = await in_thread(credentials.get_frozen_credentials)
    clock.jump_wall(HOUR)
    after = await in_thread(credentials.get_frozen_credentials)
    assert after.access_key != before.access_key


async def test_many_threads_with_stale_credentials_cause_one_renewal(auth, sign_in, fake):
    await sign_in(auth)
    credentials = boto.botocore_credentials(auth)
    fake.advance(HOUR)
    calls, keys = len(fake.calls), set()

    def sign():
        keys.add(credentials.get_frozen_credentials().access_key)

    async with anyio.create_task_group() as group:
        for _ in range(20):
            group.start_soon(in_thread, sign)
    assert len(keys) == 1
    assert len(fake.calls) == calls + 1


async def test_the_loops_own_thread_gets_an_error_and_no_deadlock(auth, sign_in, moto):
    await sign_in(auth)
    s3 = boto.boto3_session(auth).client("s3", endpoint_url=moto)
    with pytest.raises(InvalidStateError, match="own thread") as caught:
        s3.list_buckets()
    assert "asyncio.to_thread" in caught.value.recovery_suggestion
    s3.close()


async def test_any_thread_may_sign_not_only_anyios(auth, sign_in):
    result = await sign_in(auth)
    credentials = boto.botocore_credentials(auth)
    keys = []
    thread = threading.Thread(
        target=lambda: keys.append(credentials.get_frozen_credentials().access_key)
    )
    thread.start()
    await in_thread(thread.join)
    assert keys == [result.credentials.access_key_id]


async def test_a_session_can_be_made_in_a_worker_thread(auth, sign_in):
    result = await sign_in(auth)

    def work():
        return boto.botocore_credentials(auth).get_frozen_credentials().access_key

    assert await in_thread(work) == result.credentials.access_key_id


async def test_a_thread_without_a_loop_is_told_where_to_make_the_session(auth):
    failures = []

    def work():
        try:
            boto.botocore_credentials(auth)
        except InvalidStateError as error:
            failures.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    await in_thread(thread.join)
    assert "event loop" in failures[0].recovery_suggestion


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")  # Python 3.12's, of threads here
async def test_a_forked_process_is_told_to_open_its_own(auth, sign_in):
    await sign_in(auth)
    credentials = boto.botocore_credentials(auth)
    await in_thread(credentials.get_frozen_credentials)  # a copy of these is in the child

    def ask():
        reading, writing = os.pipe()
        child = os.fork()
        if child == 0:
            try:
                credentials.get_frozen_credentials()
            except InvalidStateError as error:
                os.write(writing, error.message.encode())
            finally:
                os._exit(0)
        os.close(writing)
        with open(reading, encoding="utf-8") as answer:  # noqa: PTH123  # a descriptor
            text = answer.read()
        os.waitpid(child, 0)
        return text

    assert "forked from" in await in_thread(ask)


def test_after_the_loop_has_ended_a_signature_says_so(clock):
    async def main():
        fake = FakeCognito(clock=clock)
        pool = fake.create_identity_pool()
        settings = AuthSettings(clock=clock)
        async with (
            httpx.AsyncClient(transport=fake.transport) as client,
            FederatedAuth(pool, store=MemoryStore(), http_client=client, settings=settings) as auth,
        ):
            return boto.botocore_credentials(auth)

    credentials = anyio.run(main)
    failures = []

    def work():
        try:
            credentials.get_frozen_credentials()
        except InvalidStateError as error:
            failures.append(error.message)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert failures == ["The event loop of this session has ended."]


def test_after_the_loop_has_ended_its_own_thread_is_told_so(fake, pool):
    async def made():
        client = httpx.AsyncClient(transport=fake.transport)
        return boto.boto3_session(FederatedAuth(pool, store=MemoryStore(), http_client=client))

    session = anyio.run(made)
    with pytest.raises(InvalidStateError, match="event loop of this session has ended"):
        session.get_credentials().get_frozen_credentials()
