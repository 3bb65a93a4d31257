"""boto3 in threads and aiobotocore in tasks, signing as a session that lives on."""

import asyncio
import copy
import pickle
import subprocess
import sys
import threading
from contextlib import asynccontextmanager
from functools import partial

import anyio
import anyio.from_thread
import anyio.to_thread
import httpx
import pytest

from amplify_federation import (
    AuthProvider,
    AuthSettings,
    FederatedAuth,
    FederatedUsers,
    InvalidStateError,
    MemoryStore,
    SessionExpiredError,
    SignedOutError,
)
from amplify_federation.integrations import boto
from amplify_federation.testing import FakeCognito, ManualClock

boto3 = pytest.importorskip("boto3")
moto_server = pytest.importorskip("moto.server")

HOUR = 3600.0
in_thread = anyio.to_thread.run_sync


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch, tmp_path):
    """No profile, no key and no region of whoever runs the tests."""
    for name in ("AWS_PROFILE", "AWS_DEFAULT_REGION", "AWS_REGION", "AWS_ACCESS_KEY_ID"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")


@pytest.fixture(scope="module")
def moto():
    server = moto_server.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def clock():
    return ManualClock()


@pytest.fixture
def fake(clock):
    return FakeCognito(clock=clock)


@pytest.fixture
async def client(fake):
    async with httpx.AsyncClient(transport=fake.transport) as client:
        yield client


@pytest.fixture
def pool(fake):
    return fake.create_identity_pool()


@pytest.fixture
def store():
    return MemoryStore()


@pytest.fixture
def open_auth(client, clock, pool, store):
    return partial(
        FederatedAuth, pool, store=store, http_client=client, settings=AuthSettings(clock=clock)
    )


@pytest.fixture
async def auth(open_auth):
    async with open_auth() as auth:
        yield auth


@pytest.fixture
def sign_in(fake, pool):
    async def sign_in(auth, user="alice"):
        token = fake.issue_token(AuthProvider.GOOGLE, user)
        return await auth.federate_to_identity_pool(token, AuthProvider.GOOGLE)

    return sign_in


def signers_of(client):
    """Remember with which access key id and token each request was signed."""
    seen = []

    def remember(request, **_):
        def text(value):
            return value.decode() if isinstance(value, bytes) else str(value)

        authorization = text(request.headers["Authorization"])
        token = text(request.headers["X-Amz-Security-Token"])
        seen.append((authorization.split("Credential=")[1].split("/")[0], token))

    client.meta.events.register("before-send.*", remember)
    return seen


def pair(credentials):
    return credentials.access_key_id, credentials.session_token


class TestThreads:
    async def test_boto3_signs_as_the_federated_user(self, auth, sign_in, moto):
        result = await sign_in(auth)
        s3 = boto.boto3_session(auth).client("s3", endpoint_url=moto)
        seen = signers_of(s3)
        await in_thread(s3.list_buckets)
        assert seen == [pair(result.credentials)]
        s3.close()

    async def test_the_region_is_the_pools_unless_configured(self, auth, monkeypatch):
        assert boto.boto3_session(auth).region_name == "us-west-2"
        assert boto.boto3_session(auth, region_name="eu-west-1").region_name == "eu-west-1"
        monkeypatch.setenv("AWS_DEFAULT_REGION", "ap-south-1")
        assert boto.boto3_session(auth).region_name == "ap-south-1"

    async def test_the_environments_keys_are_not_used(self, auth, sign_in, moto, monkeypatch):
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAENVIRONMENT")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "of the machine")
        session = boto.boto3_session(auth)
        s3 = session.client("s3", endpoint_url=moto)
        seen = signers_of(s3)
        with pytest.raises(SignedOutError):
            await in_thread(s3.list_buckets)
        assert seen == []
        s3.close()

    async def test_a_renewal_is_seen_by_the_next_request(self, auth, sign_in, fake, moto):
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

    async def test_a_forced_renewal_is_seen_by_the_next_signature(self, auth, sign_in):
        await sign_in(auth)
        credentials = boto.botocore_credentials(auth)
        before = await in_thread(credentials.get_frozen_credentials)
        session = await auth.fetch_auth_session(force_refresh=True)
        after = await in_thread(credentials.get_frozen_credentials)
        assert before.access_key != after.access_key == session.credentials.access_key_id

    async def test_an_expired_session_raises_its_error_and_sends_nothing(
        self, auth, sign_in, fake, moto
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

    async def test_a_cleared_session_stops_signing_at_once(self, auth, sign_in):
        await sign_in(auth)
        credentials = boto.botocore_credentials(auth)
        await in_thread(credentials.get_frozen_credentials)
        await auth.clear_federation_to_identity_pool()
        with pytest.raises(SignedOutError):
            await in_thread(credentials.get_frozen_credentials)

    async def test_a_clear_by_another_handle_is_seen_within_a_second(
        self, auth, open_auth, sign_in, clock
    ):
        await sign_in(auth)
        credentials = boto.botocore_credentials(auth)
        await in_thread(credentials.get_frozen_credentials)
        async with open_auth() as other:
            await other.clear_federation_to_identity_pool()
        clock.advance(1.0)
        with pytest.raises(SignedOutError):
            await in_thread(credentials.get_frozen_credentials)

    async def test_another_user_on_the_same_handle_signs_from_the_next_request(self, auth, sign_in):
        await sign_in(auth, "alice")
        credentials = boto.botocore_credentials(auth)
        await in_thread(credentials.get_frozen_credentials)
        bob = await sign_in(auth, "bob")
        frozen = await in_thread(credentials.get_frozen_credentials)
        assert frozen.access_key == bob.credentials.access_key_id

    async def test_a_fresh_signature_asks_neither_network_nor_loop(
        self, auth, sign_in, fake, monkeypatch
    ):
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

    async def test_a_wall_clock_that_was_set_is_noticed_at_once(self, auth, sign_in, clock, fake):
        await sign_in(auth)
        credentials = boto.botocore_credentials(auth)
        before = await in_thread(credentials.get_frozen_credentials)
        clock.jump_wall(HOUR)
        after = await in_thread(credentials.get_frozen_credentials)
        assert after.access_key != before.access_key

    async def test_many_threads_with_stale_credentials_cause_one_renewal(self, auth, sign_in, fake):
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

    async def test_the_loops_own_thread_gets_an_error_and_no_deadlock(self, auth, sign_in, moto):
        await sign_in(auth)
        s3 = boto.boto3_session(auth).client("s3", endpoint_url=moto)
        with pytest.raises(InvalidStateError, match="own thread") as caught:
            s3.list_buckets()
        assert "asyncio.to_thread" in caught.value.recovery_suggestion
        s3.close()

    async def test_any_thread_may_sign_not_only_anyios(self, auth, sign_in):
        result = await sign_in(auth)
        credentials = boto.botocore_credentials(auth)
        keys = []
        thread = threading.Thread(
            target=lambda: keys.append(credentials.get_frozen_credentials().access_key)
        )
        thread.start()
        await in_thread(thread.join)
        assert keys == [result.credentials.access_key_id]

    async def test_a_session_can_be_made_in_a_worker_thread(self, auth, sign_in):
        result = await sign_in(auth)

        def work():
            return boto.botocore_credentials(auth).get_frozen_credentials().access_key

        assert await in_thread(work) == result.credentials.access_key_id

    async def test_a_thread_without_a_loop_is_told_where_to_make_the_session(self, auth):
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

    async def test_each_user_of_many_signs_as_themselves(self, client, clock, pool, store, sign_in):
        settings = AuthSettings(clock=clock)
        async with FederatedUsers(
            pool, store=store, http_client=client, settings=settings
        ) as users:
            alice, bob = users.auth("alice"), users.auth("bob")
            first, second = await sign_in(alice, "alice"), await sign_in(bob, "bob")
            as_alice, as_bob = boto.botocore_credentials(alice), boto.botocore_credentials(bob)
            keys = [
                (await in_thread(each.get_frozen_credentials)).access_key
                for each in (as_alice, as_bob)
            ]
        assert keys == [first.credentials.access_key_id, second.credentials.access_key_id]

    async def test_code_that_reads_the_keys_one_by_one_is_served(self, auth, sign_in):
        result = await sign_in(auth)
        credentials = boto.botocore_credentials(auth)

        def read():
            return credentials.access_key, credentials.secret_key, credentials.token

        assert await in_thread(read) == (
            result.credentials.access_key_id,
            result.credentials.secret_access_key,
            result.credentials.session_token,
        )

    async def test_the_credentials_are_silent_and_are_not_pickled(self, auth, sign_in):
        result = await sign_in(auth)
        credentials = boto.botocore_credentials(auth)
        await in_thread(credentials.get_frozen_credentials)
        assert result.credentials.secret_access_key not in repr(credentials)
        for copied in (pickle.dumps, copy.copy):
            with pytest.raises(TypeError, match="stay in its process"):
                copied(credentials)


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


class TestTasks:
    """aiobotocore, which is asyncio's."""

    @pytest.fixture
    def anyio_backend(self):
        pytest.importorskip("aiobotocore")
        return "asyncio"

    @staticmethod
    @asynccontextmanager
    async def s3(auth, moto):
        async with boto.aiobotocore_session(auth).create_client("s3", endpoint_url=moto) as client:
            yield client, signers_of(client)

    async def test_aiobotocore_signs_as_the_federated_user_through_a_renewal(
        self, auth, sign_in, fake, moto
    ):
        first = await sign_in(auth)
        async with self.s3(auth, moto) as (s3, seen):
            await s3.list_buckets()
            fake.advance(HOUR)
            await s3.list_buckets()
        renewed = (await auth.fetch_auth_session()).credentials
        assert seen == [pair(first.credentials), pair(renewed)]
        assert len(fake.calls) == 3

    async def test_an_expired_and_a_cleared_session_sign_nothing(self, auth, sign_in, fake, moto):
        await sign_in(auth)
        async with self.s3(auth, moto) as (s3, seen):
            fake.advance(3 * HOUR)
            with pytest.raises(SessionExpiredError):
                await s3.list_buckets()
            await auth.clear_federation_to_identity_pool()
            with pytest.raises(SignedOutError):
                await s3.list_buckets()
        assert seen == []

    async def test_concurrent_requests_with_stale_credentials_cause_one_renewal(
        self, auth, sign_in, fake, moto
    ):
        await sign_in(auth)
        fake.advance(HOUR)
        async with self.s3(auth, moto) as (s3, seen):
            await asyncio.gather(*(s3.list_buckets() for _ in range(10)))
        assert len(set(seen)) == 1
        assert len(fake.calls) == 3

    async def test_a_fresh_signature_makes_no_call_and_no_new_object(self, auth, sign_in, fake):
        await sign_in(auth)
        credentials = await boto.aiobotocore_session(auth).get_credentials()
        calls = len(fake.calls)
        first = await credentials.get_frozen_credentials()
        assert await credentials.get_frozen_credentials() is first
        assert len(fake.calls) == calls

    async def test_the_region_is_the_pools_unless_configured(self, auth):
        def region(session):
            return session.get_config_variable("region")

        assert region(boto.aiobotocore_session(auth)) == "us-west-2"
        assert region(boto.aiobotocore_session(auth, region_name="eu-west-1")) == "eu-west-1"

    async def test_the_credentials_are_silent_and_are_not_pickled(self, auth, sign_in):
        result = await sign_in(auth)
        credentials = await boto.aiobotocore_session(auth).get_credentials()
        await credentials.get_frozen_credentials()
        assert result.credentials.secret_access_key not in repr(credentials)
        with pytest.raises(TypeError, match="stay in its process"):
            pickle.dumps(credentials)


def test_importing_the_integration_imports_no_boto():
    script = (
        "import sys, amplify_federation.integrations.boto\n"
        "print([name for name in sys.modules if 'boto' in name.split('.')[0]])"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"


async def test_a_missing_library_is_named_with_the_command_that_installs_it(auth, monkeypatch):
    monkeypatch.setattr(boto, "find_spec", lambda name: None)
    with pytest.raises(ModuleNotFoundError, match=r"amplify-federation\[boto\]"):
        boto.botocore_credentials(auth)
    with pytest.raises(ModuleNotFoundError, match="pip install boto3"):
        boto.boto3_session(auth)
    with pytest.raises(ModuleNotFoundError, match="pip install aiobotocore"):
        boto.aiobotocore_session(auth)
