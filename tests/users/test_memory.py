"""What a cached session weighs: at most 2.5 KiB, the strings of Cognito's answer included."""

import gc
import json
import secrets
import tracemalloc
from contextlib import asynccontextmanager

import anyio
import httpx
import pytest

from amplify_federation import AuthProvider, AuthSettings, FederatedUsers, MemoryStore
from amplify_federation.testing import ManualClock

SESSIONS, WARM_UP = 1_000, 100
BOUND = 2.5 * 1024  # bytes
POOL = "us-west-2:b4cd4809-7ab1-42e1-b044-07dab9eaa768"
TOKEN_SIZE, SESSION_TOKEN_SIZE = 1_100, 1_400  # characters, about what Google and AWS give


CLOCK = ManualClock()  # it stands still: no session is due to be read again


class Elsewhere:
    """A store on another machine: what it keeps is not weighed."""

    async def read(self, name):
        return None

    async def compare_and_set(self, name, data, *, expected):
        return secrets.token_hex(8)

    async def delete(self, name, *, expected):
        pass

    @asynccontextmanager
    async def lock(self, name, *, timeout):  # noqa: ASYNC109  # the protocol's
        yield


def _answer(request: httpx.Request) -> httpx.Response:
    if request.headers["x-amz-target"].endswith(".GetId"):
        return httpx.Response(200, json={"IdentityId": f"us-west-2:{secrets.token_hex(18)}"})
    given = {
        "AccessKeyId": f"ASIA{secrets.token_hex(8).upper()}",
        "SecretKey": secrets.token_urlsafe(30),
        "SessionToken": secrets.token_hex(SESSION_TOKEN_SIZE // 2),
        "Expiration": CLOCK.time() + 3600,
    }
    identity = json.loads(request.content)["IdentityId"]
    return httpx.Response(200, json={"IdentityId": identity, "Credentials": given})


@pytest.fixture
def anyio_backend():
    return "asyncio"  # the weight is the same on both


@pytest.mark.parametrize("make_store", [Elsewhere, MemoryStore])
async def test_a_cached_session_weighs_little_more_than_its_strings(make_store):
    transport = httpx.MockTransport(_answer)
    async with (
        httpx.AsyncClient(transport=transport) as client,
        FederatedUsers(
            POOL, store=make_store(), http_client=client, settings=AuthSettings(clock=CLOCK)
        ) as users,
    ):

        async def add():
            token = secrets.token_hex(TOKEN_SIZE // 2)
            session = await users.session_for(token, AuthProvider.FACEBOOK)
            assert session.credentials.session_token
            await anyio.lowlevel.checkpoint()  # the loop forgets the deadlines that were met

        for _ in range(WARM_UP):
            await add()
        gc.collect()
        tracemalloc.start()
        try:
            for _ in range(SESSIONS):
                await add()
            gc.collect()
            weight = tracemalloc.get_traced_memory()[0] / SESSIONS
        finally:
            tracemalloc.stop()
    assert f"{WARM_UP + SESSIONS} in memory" in repr(users)
    assert weight <= BOUND
    assert weight > SESSION_TOKEN_SIZE  # it was weighed at all
    print(f"{weight:.0f} bytes, {weight - SESSION_TOKEN_SIZE:.0f} beyond the session token")
