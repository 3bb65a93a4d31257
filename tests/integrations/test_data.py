"""Data tools over S3 by moto: each goes on through a renewal, with the new credentials."""

import itertools
import pickle
import re
from datetime import timedelta
from pathlib import Path

import anyio
import anyio.from_thread
import anyio.to_thread
import httpx
import pytest

import amplify_federation
from amplify_federation import (
    AuthProvider,
    FederatedAuth,
    FederatedUsers,
    IdentityPool,
    InvalidStateError,
    MemoryStore,
)
from amplify_federation.integrations import boto, thread_access
from amplify_federation.integrations.data import (
    obstore_credentials,
    polars_credentials,
    s3_file_system,
)
from amplify_federation.testing import FakeCognito
from amplify_federation.testing._service import credentials as issued
from tests.documents import blocks_of
from tests.integrations.recording_s3 import RecordingS3

GOOGLE = AuthProvider.GOOGLE
REGION = "us-west-2"
README = Path(amplify_federation.__file__).parent / "integrations" / "README.md"
in_thread = anyio.to_thread.run_sync


@pytest.fixture
def anyio_backend():
    return "asyncio"


@pytest.fixture(scope="module")
def recording_s3():
    with RecordingS3() as s3:
        yield s3


@pytest.fixture
async def s3(recording_s3):
    """Give the recorder, with a bucket and a Parquet file in it."""
    async with httpx.AsyncClient(base_url=recording_s3.url) as client:
        where = "<CreateBucketConfiguration><LocationConstraint>us-west-2</LocationConstraint>"
        key = {"Authorization": "AWS4-HMAC-SHA256 Credential=test/20260101/us-west-2/s3/x"}
        body = f"{where}</CreateBucketConfiguration>"
        await client.put("/bucket", headers=key, content=body)
        await client.put("/bucket/hello.txt", headers=key, content=b"hello")
        await client.put("/bucket/rows.csv", headers=key, content=b"a,b\n1,2\n")
    recording_s3.seen.clear()
    return recording_s3


@pytest.fixture
async def live_auth(monkeypatch):
    """Give a federated session on the machine's clock, whose credentials last three seconds."""
    monkeypatch.setattr(issued, "LIFETIME", 3.0)
    fake = FakeCognito()
    async with (
        httpx.AsyncClient(transport=fake.transport) as client,
        FederatedAuth(fake.create_identity_pool(), store=MemoryStore(), http_client=client) as auth,
    ):
        await auth.federate_to_identity_pool(fake.issue_token(GOOGLE, "alice"), GOOGLE)
        yield auth


async def through_a_renewal(auth, s3, use):
    """Use a tool, let the credentials end, use it again: old keys never sign after new ones.

    A tool that is slow to load may outlive the first credentials before it signs anything, so the
    keys are those that S3 saw, in the order of their first use.
    """
    await use()
    credentials = (await auth.fetch_auth_session()).credentials
    await anyio.sleep(max(credentials.expiration.timestamp() - auth.settings.clock.time(), 0) + 0.1)
    last_before = [each for each in s3.signers if each][-1]
    await use()
    used = [each for each in s3.signers if each]
    assert used[-1] != last_before
    assert [key for key, _ in itertools.groupby(used)] == list(dict.fromkeys(used))


async def test_obstore_blocking_in_worker_threads_and_asynchronous(live_auth, s3):
    obstore = pytest.importorskip("obstore")
    from obstore.store import S3Store  # noqa: PLC0415  # where it is installed

    store = S3Store(
        "bucket",
        endpoint=s3.url,
        region=REGION,
        client_options={"allow_http": True},
        virtual_hosted_style_request=False,
        credential_provider=obstore_credentials(live_auth),
    )

    async def use():
        read = await in_thread(lambda: bytes(obstore.get(store, "hello.txt").bytes()))
        assert read == b"hello"
        answer = await obstore.get_async(store, "hello.txt")
        assert bytes(await answer.bytes_async()) == b"hello"

    await through_a_renewal(live_auth, s3, use)


async def test_polars_in_worker_threads(live_auth, s3):
    pl = pytest.importorskip("polars")
    provider = polars_credentials(live_auth)
    options = {"endpoint_url": s3.url, "region": REGION}

    def work():
        return pl.scan_csv(
            "s3://bucket/rows.csv", storage_options=options, credential_provider=provider
        ).collect()

    async def use():
        assert (await in_thread(work)).rows() == [(1, 2)]

    await through_a_renewal(live_auth, s3, use)


async def test_s3fs_blocking_in_worker_threads(live_auth, s3):
    pytest.importorskip("s3fs")
    files = s3_file_system(live_auth, endpoint_url=s3.url)

    async def use():
        assert await in_thread(files.cat, "bucket/hello.txt") == b"hello"

    await through_a_renewal(live_auth, s3, use)


async def test_s3fs_asynchronous(live_auth, s3):
    pytest.importorskip("s3fs")
    files = s3_file_system(live_auth, endpoint_url=s3.url, asynchronous=True)
    session = await files.set_session()

    async def use():
        assert await files._cat_file("bucket/hello.txt") == b"hello"

    await through_a_renewal(live_auth, s3, use)
    await session.close()


async def test_pyarrow_over_s3fs(live_auth, s3):
    pytest.importorskip("s3fs")
    fs = pytest.importorskip("pyarrow.fs")
    files = fs.PyFileSystem(fs.FSSpecHandler(s3_file_system(live_auth, endpoint_url=s3.url)))

    def work():
        with files.open_input_stream("bucket/hello.txt") as stream:
            return stream.read()

    async def use():
        assert await in_thread(work) == b"hello"

    await through_a_renewal(live_auth, s3, use)


async def test_duckdb_over_s3fs(live_auth, s3):
    pytest.importorskip("s3fs")
    duckdb = pytest.importorskip("duckdb")
    files = s3_file_system(live_auth, endpoint_url=s3.url)

    def work():
        with duckdb.connect() as connection:
            connection.register_filesystem(files)
            return connection.sql("select * from read_csv('s3://bucket/rows.csv')").fetchall()

    async def use():
        assert await in_thread(work) == [(1, 2)]

    await through_a_renewal(live_auth, s3, use)


async def test_a_library_that_reads_botocores_expiry_finds_it(live_auth, s3):
    credentials = boto.botocore_credentials(live_auth)
    assert credentials.expiration is None
    await in_thread(credentials.get_frozen_credentials)
    expected = (await live_auth.fetch_auth_session()).credentials.expiration
    assert credentials.expiration == credentials._expiry_time == expected


async def test_the_expiry_told_is_the_true_one(auth, sign_in):
    result = await sign_in(auth)
    told = await in_thread(obstore_credentials(auth))
    assert told["expires_at"] == result.credentials.expiration
    _, seconds = await in_thread(polars_credentials(auth))
    assert timedelta(0) <= result.credentials.expiration - told["expires_at"] < timedelta(seconds=1)
    assert seconds == int(result.credentials.expiration.timestamp())


async def test_a_blocking_call_in_the_loops_own_thread_is_told_so(live_auth, s3, monkeypatch):
    pytest.importorskip("s3fs")
    monkeypatch.setattr(thread_access, "LOOP_PATIENCE", 0.2)
    files = s3_file_system(live_auth, endpoint_url=s3.url)
    with pytest.raises(InvalidStateError, match="something blocks it") as caught:
        files.cat("bucket/hello.txt")
    assert "worker thread" in caught.value.recovery_suggestion
    assert await in_thread(files.cat, "bucket/hello.txt") == b"hello"  # the advice


@pytest.mark.parametrize("others", [{"key": "AKIA", "secret": "of the machine"}, {"anon": True}])
async def test_s3fs_has_no_credentials_of_fsspec_s_configuration(
    auth, sign_in, s3, monkeypatch, others
):
    config = pytest.importorskip("fsspec.config")
    pytest.importorskip("s3fs")
    monkeypatch.setitem(config.conf, "s3", others)
    result = await sign_in(auth)
    files = s3_file_system(auth, endpoint_url=s3.url)
    assert await in_thread(files.cat, "bucket/hello.txt") == b"hello"
    assert set(s3.signers) == {result.credentials.access_key_id}
    with pytest.raises(TypeError, match="stays in its process"):  # as Dask would, for a worker
        pickle.dumps(files)


async def test_two_users_have_two_file_systems(auth, sign_in, open_auth):
    pytest.importorskip("s3fs")
    async with open_auth(session_name="bob") as bob:
        assert s3_file_system(auth) is not s3_file_system(bob)
        assert s3_file_system(auth) is not s3_file_system(auth)


def blocks_of_readme():
    """Return what the README's programs define."""
    found = {}
    for block in blocks_of("amplify_federation/integrations/README.md", "python"):
        if block.file_name is None:  # the files are run in `test_blocking.py`
            exec(block.code, found)  # noqa: S102  # our own README
    return found


def test_each_row_of_the_readme_has_a_test_that_exists():
    rows = re.findall(r"^\|.*`(test_\w+\.py)` \|$", README.read_text(), re.MULTILINE)
    here = {path.name for path in Path(__file__).parent.rglob("test_*.py")}
    assert len(rows) > 10
    assert set(rows) <= here


async def test_the_readmes_programs_do_what_they_say(monkeypatch, s3):
    pytest.importorskip("s3fs")
    programs = blocks_of_readme()
    fake = FakeCognito()
    pool, store = fake.create_identity_pool(), MemoryStore()
    async with httpx.AsyncClient(transport=fake.transport) as client:
        auth = FederatedAuth(pool, store=store, http_client=client)
        await auth.federate_to_identity_pool(fake.issue_token(GOOGLE, "alice"), GOOGLE)
        users = FederatedUsers(pool, store=MemoryStore(), http_client=client)
        monkeypatch.setenv("AWS_ENDPOINT_URL", s3.url)
        url = f"{s3.url}/bucket/hello.txt"
        _, signed = await programs["call_and_share"](auth, s3.url, url)
        assert (await client_get(signed)) == b"hello"
        await programs["store_for"](users, fake.issue_token(GOOGLE, "bob"), GOOGLE, "bucket")
    with fake.serve() as cognito:
        monkeypatch.setenv("AWS_ENDPOINT_URL_COGNITO_IDENTITY", cognito)
        read = await in_thread(
            programs["read"], lambda: FederatedAuth(pool, store=store), "bucket/hello.txt"
        )
    assert read == b"hello"


async def client_get(url):
    async with httpx.AsyncClient() as client:
        return (await client.get(url)).content


async def test_the_readmes_backend_gives_its_users_identities(monkeypatch):
    pytest.importorskip("aiobotocore")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIABACKEND")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "of the backend")
    programs = blocks_of_readme()
    fake = FakeCognito()
    providers = {AuthProvider.DEVELOPER: ["login.example.app"]}
    async with fake.serve() as url:
        pool = IdentityPool(fake.create_identity_pool(providers), endpoint_url=url)
        given = await programs["token_for"](pool, "user-17")
        async with FederatedAuth(pool, store=MemoryStore()) as auth:
            result = await programs["federate"](auth, given)
    assert result.identity_id == given.identity_id


async def test_the_readmes_providers_give_live_credentials(live_auth):
    pytest.importorskip("awscrt", reason="awscrt is not installed")
    provider = blocks_of_readme()["provider_for_mqtt"](live_auth)
    given = await in_thread(lambda: provider.get_credentials().result(10))
    assert given.access_key_id == (await live_auth.fetch_auth_session()).credentials.access_key_id
