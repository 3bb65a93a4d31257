"""What is told while a session works: one logger, fields for programs, hooks, traces; no secret."""

import logging

import anyio
import httpx
import pytest

from amplify_federation import AuthProvider, EncryptedFileStore, FederatedAuth, MemoryStore
from amplify_federation._files import lock
from tests.concurrency import PATIENCE, Gate, pending
from tests.session.kit import BOTH, GET_CREDENTIALS, HOUR, World, federate

OVER = HOUR - 5
KEY = bytes(range(32))


@pytest.fixture
def world():
    return World()


@pytest.fixture
def told(caplog):
    caplog.set_level(logging.DEBUG, logger="amplify_federation")

    def events(name=None):
        ours = [record for record in caplog.records if record.name.startswith("amplify_federation")]
        assert {record.name for record in ours} <= {"amplify_federation"}  # one logger
        assert all(hasattr(record, "event") for record in ours)
        return [record for record in ours if name in (None, record.event)]

    return events


async def test_each_change_of_state_is_one_line_with_its_fields(world, told):
    async with world.auth() as auth:
        await federate(auth, world.token())
        await auth.fetch_auth_session(force_refresh=True)
        world.clock.advance(3 * HOUR)
        await auth.fetch_auth_session()
        await federate(auth, world.token())
        await auth.clear_federation_to_identity_pool()
    changes = [record for record in told() if hasattr(record, "state")]
    assert [(record.event, record.state) for record in changes] == [
        ("federated", "federated"),
        ("credentials_renewed", "federated"),
        ("session_expired", "expired"),
        ("federated", "federated"),
        ("federation_cleared", "signed_out"),
    ]
    assert {record.session for record in changes} == {world.name}


async def test_a_renewal_is_one_line_with_how_it_ended(world, told):
    async with world.auth(max_attempts=1) as auth:
        await federate(auth, world.token())
        assert told("renewal") == []
        await auth.fetch_auth_session(force_refresh=True)
        world.fake.fail_next("InternalErrorException")
        await auth.fetch_auth_session(force_refresh=True)
        world.clock.advance(HOUR - 200)
        await auth.fetch_auth_session()
    lines = told("renewal")
    assert [(line.outcome, line.early, line.levelname) for line in lines] == [
        ("renewed", False, "INFO"),
        ("InternalServiceError", False, "WARNING"),
        ("renewed", True, "INFO"),
    ]
    assert all(line.seconds >= 0 for line in lines)


async def test_a_renewal_that_gave_way_to_another_process_says_so(world, told):
    async with world.auth() as auth:
        await federate(auth, world.token())
        world.clock.advance(HOUR - 200)
        async with world.store.lock(world.name, timeout=0):
            await auth.fetch_auth_session()
    assert [line.outcome for line in told("renewal")] == ["gave_way"]


async def test_a_renewal_that_a_clear_overtook_was_not_needed(world, told):
    async with world.auth() as auth:
        await federate(auth, world.token())
        gate = world.transport.before[GET_CREDENTIALS] = Gate()
        async with pending(auth.fetch_auth_session(force_refresh=True), at=gate):
            await auth.clear_federation_to_identity_pool()
    assert [line.outcome for line in told("renewal")] == ["not_needed"]


async def test_a_retry_is_one_line_with_its_fields(world, told, no_jitter):
    async with world.auth() as auth:
        world.fake.fail_next("InternalErrorException", times=2)
        await federate(auth, world.token())
    assert [(line.operation, line.error, line.attempt, line.delay) for line in told("retry")] == [
        ("GetId", "InternalServiceError", 2, 0.0),
        ("GetId", "InternalServiceError", 3, 0.0),
    ]


async def test_a_damaged_file_is_one_line(world, told, tmp_path):
    folder = tmp_path / "s"
    async with world.auth(store=EncryptedFileStore(folder, key=KEY)) as auth:
        await federate(auth, world.token())
    (file,) = folder.glob("*.session")
    *whole, last = file.read_bytes()
    file.write_bytes(bytes([*whole, last ^ 1]))
    async with world.auth(store=EncryptedFileStore(folder, key=KEY)) as auth:
        for _ in range(3):
            world.clock.advance(1)
            await auth.fetch_auth_session()
    (line,) = told("session_set_aside")
    assert line.levelname == "WARNING"
    assert line.set_aside_as.endswith(".corrupt")


async def test_a_wait_for_a_lock_is_one_line(world, told, tmp_path, monkeypatch):
    refused, try_lock = anyio.Event(), lock.try_lock

    def remembered(path):
        taken = try_lock(path)
        if taken is None:
            refused.set()
        return taken

    monkeypatch.setattr(lock, "try_lock", remembered)
    store = EncryptedFileStore(tmp_path / "s", key=KEY)
    async with world.auth(store=store) as auth:
        await federate(auth, world.token())
        world.clock.advance(OVER)
        with anyio.fail_after(PATIENCE):
            async with anyio.create_task_group() as tasks:
                other = EncryptedFileStore(tmp_path / "s", key=KEY)
                async with other.lock(world.name, timeout=0):
                    tasks.start_soon(auth.fetch_auth_session)
                    await refused.wait()
    (line,) = told("lock_waited")
    assert line.seconds > 0
    assert line.lock


async def test_nothing_that_is_logged_is_a_secret(world, told, caplog):
    token = world.token()
    async with world.auth(max_attempts=1) as auth:
        result = await federate(auth, token)
        world.fake.fail_next("NotAuthorizedException", message=f"Bad {token}")
        await auth.fetch_auth_session(force_refresh=True)
    secrets = (
        token,
        result.credentials.secret_access_key,
        result.credentials.session_token,
        result.identity_id,
    )
    lines = "\n".join(str(vars(record)) + record.getMessage() for record in told())
    assert lines
    assert not any(secret in lines for secret in secrets)


# httpx's own ways to look on


async def test_the_event_hooks_of_a_callers_client_see_each_call(world):
    seen = []

    async def on_request(request):
        seen.append(request.headers["x-amz-target"].rpartition(".")[2])

    async def on_response(response):
        seen.append(response.status_code)

    client = httpx.AsyncClient(
        transport=world.transport, event_hooks={"request": [on_request], "response": [on_response]}
    )
    async with world.auth(http_client=client) as auth:
        await federate(auth, world.token())
    assert seen == ["GetId", 200, "GetCredentialsForIdentity", 200]


async def test_a_hook_that_raises_is_not_taken_for_the_network(world):
    async def on_request(request):
        raise ZeroDivisionError

    client = httpx.AsyncClient(transport=world.transport, event_hooks={"request": [on_request]})
    async with world.auth(http_client=client) as auth:
        with pytest.raises(ZeroDivisionError):
            await federate(auth, world.token())


async def test_instrumentation_that_patches_httpx_sees_the_calls_of_a_default_client(monkeypatch):
    # What OpenTelemetry's httpx instrumentation does: it wraps the transport's method in place.
    world = World()
    world.fake = type(world.fake)()  # on the real clock, as the session is
    monkeypatch.setenv("AMPLIFY_FEDERATION_TRANSPORT", "httpx")
    pool_id = world.fake.create_identity_pool()
    seen = []
    original = httpx.AsyncHTTPTransport.handle_async_request

    async def traced(self, request):
        seen.append(request.headers["x-amz-target"].rpartition(".")[2])
        return await original(self, request)

    monkeypatch.setattr(httpx.AsyncHTTPTransport, "handle_async_request", traced)
    async with world.fake.serve() as url:
        pool = world.pool().__class__(pool_id, endpoint_url=url)
        async with FederatedAuth(pool, store=MemoryStore()) as auth:
            token = world.fake.issue_token(AuthProvider.GOOGLE, "alice")
            await federate(auth, token)
            await auth.fetch_auth_session(force_refresh=True)
    assert seen == [*BOTH, GET_CREDENTIALS]


async def test_opentelemetrys_instrumentation_traces_the_calls_of_a_default_client(monkeypatch):
    monkeypatch.setenv("AMPLIFY_FEDERATION_TRANSPORT", "httpx")
    instrumentation = pytest.importorskip(
        "opentelemetry.instrumentation.httpx", reason="OpenTelemetry is not installed"
    )
    export = pytest.importorskip("opentelemetry.sdk.trace.export.in_memory_span_exporter")
    trace = pytest.importorskip("opentelemetry.sdk.trace")
    exporting = pytest.importorskip("opentelemetry.sdk.trace.export")
    exporter = export.InMemorySpanExporter()
    tracer = trace.TracerProvider()
    tracer.add_span_processor(exporting.SimpleSpanProcessor(exporter))
    instrumentor = instrumentation.HTTPXClientInstrumentor()
    instrumentor.instrument(tracer_provider=tracer)
    try:
        fake = type(World().fake)()
        pool_id = fake.create_identity_pool()
        async with fake.serve() as url:
            pool = World().pool().__class__(pool_id, endpoint_url=url)
            async with FederatedAuth(pool, store=MemoryStore()) as auth:
                await federate(auth, fake.issue_token(AuthProvider.GOOGLE, "alice"))
    finally:
        instrumentor.uninstrument()
        tracer.shutdown()
    spans = exporter.get_finished_spans()
    assert [span.attributes["http.method"] for span in spans] == ["POST", "POST"]
