"""Who is measured: each peer makes the same federation, GetId and GetCredentialsForIdentity.

A peer is an async context manager over the server's URL that yields `federate()`, a coroutine
function. What a peer needs is imported inside it, so that each runs in a process of its own with
nothing but its own libraries. Each checks that it got the credentials.
"""

import json
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

from benchmarks.rig.server import CONTENT_TYPE, POOL_ID, REGION

Federate = Callable[[], Awaitable[object]]
TOKEN = "eyJhbGciOiJSUzI1NiJ9." + "x" * 900 + ".sig"  # as long as a Google ID token
LOGINS = {"accounts.google.com": TOKEN}
TARGET = "AWSCognitoIdentityService."


def _headers(operation: str) -> dict[str, str]:
    return {"Content-Type": CONTENT_TYPE, "X-Amz-Target": TARGET + operation}


_GET_ID = _headers("GetId")
_GET_CREDENTIALS = _headers("GetCredentialsForIdentity")


def _get_id_body() -> bytes:
    return json.dumps({"IdentityPoolId": POOL_ID, "Logins": LOGINS}).encode()


def _get_credentials_body(identity_id: str) -> bytes:
    return json.dumps({"IdentityId": identity_id, "Logins": LOGINS}).encode()


def _check(answer: dict[str, Any]) -> None:
    assert answer["Credentials"]["SecretKey"]


@asynccontextmanager
async def sdk(url: str) -> AsyncIterator[Federate]:
    """Us, as a user gets it: a `FederatedAuth` per user over one memory store."""
    from amplify_federation import AuthProvider, FederatedAuth, IdentityPool, MemoryStore

    pool = IdentityPool(POOL_ID, endpoint_url=url)
    store = MemoryStore()
    sessions: list[FederatedAuth] = []
    idle: list[FederatedAuth] = []

    async def federate() -> object:
        if not idle:
            sessions.append(FederatedAuth(pool, store=store, session_name=f"user-{len(sessions)}"))
            idle.append(sessions[-1])
        auth = idle.pop()
        result = await auth.federate_to_identity_pool(TOKEN, AuthProvider.GOOGLE)
        idle.append(auth)
        assert result.credentials.secret_access_key
        return result

    try:
        yield federate
    finally:
        for auth in sessions:
            await auth.aclose()


@asynccontextmanager
async def sdk_httpx(url: str) -> AsyncIterator[Federate]:
    """Us over httpx's own transport, as behind a proxy, with our bound of calls at once."""
    os.environ["AMPLIFY_FEDERATION_TRANSPORT"] = "httpx"
    async with sdk(url) as federate:
        yield federate


@asynccontextmanager
async def sdk_users(url: str) -> AsyncIterator[Federate]:
    """Us, as a web backend gets it: the sessions of one `FederatedUsers`, over its connections."""
    from amplify_federation import AuthProvider, FederatedUsers, IdentityPool, MemoryStore

    pool = IdentityPool(POOL_ID, endpoint_url=url)
    async with FederatedUsers(pool, store=MemoryStore()) as users:
        idle: list[Any] = []
        made = 0

        async def federate() -> object:
            nonlocal made
            if not idle:
                made += 1
                idle.append(users.auth(f"user-{made}"))
            auth = idle.pop()
            result = await auth.federate_to_identity_pool(TOKEN, AuthProvider.GOOGLE)
            idle.append(auth)
            assert result.credentials.secret_access_key
            return result

        yield federate


@asynccontextmanager
async def lean_transport(url: str) -> AsyncIterator[Federate]:
    """`LeanTransport` under an `httpx.AsyncClient`, with the JSON and nothing else."""
    import httpx

    from amplify_federation.transport import LeanTransport

    client = httpx.AsyncClient(transport=LeanTransport(), timeout=None)  # noqa: S113  # a closed loop
    async with client:

        async def federate() -> object:
            found = await client.post(url, headers=_GET_ID, content=_get_id_body())
            body = _get_credentials_body(found.json()["IdentityId"])
            answer = await client.post(url, headers=_GET_CREDENTIALS, content=body)
            _check(answer.json())
            return answer

        yield federate


@asynccontextmanager
async def aiobotocore(url: str) -> AsyncIterator[Federate]:
    """The aiobotocore client with unsigned calls and as many connections as there are callers."""
    from aiobotocore.config import AioConfig
    from aiobotocore.session import get_session
    from botocore import UNSIGNED

    config = AioConfig(signature_version=UNSIGNED, max_pool_connections=5_000)
    async with get_session().create_client(
        "cognito-identity", region_name=REGION, endpoint_url=url, config=config
    ) as client:

        async def federate() -> object:
            found = await client.get_id(IdentityPoolId=POOL_ID, Logins=LOGINS)
            answer = await client.get_credentials_for_identity(
                IdentityId=found["IdentityId"], Logins=LOGINS
            )
            _check(answer)
            return answer

        yield federate


@asynccontextmanager
async def boto3_threads(url: str) -> AsyncIterator[Federate]:
    """boto3 as asyncio programs use it: each call in a worker thread."""
    import asyncio
    from concurrent.futures import ThreadPoolExecutor

    import boto3
    from botocore import UNSIGNED
    from botocore.config import Config

    config = Config(signature_version=UNSIGNED, max_pool_connections=100)
    client = boto3.client("cognito-identity", region_name=REGION, endpoint_url=url, config=config)

    def call() -> object:
        found = client.get_id(IdentityPoolId=POOL_ID, Logins=LOGINS)
        answer = client.get_credentials_for_identity(IdentityId=found["IdentityId"], Logins=LOGINS)
        _check(answer)
        return answer

    with ThreadPoolExecutor(100) as threads:

        async def federate() -> object:
            return await asyncio.get_running_loop().run_in_executor(threads, call)

        yield federate
    client.close()


@asynccontextmanager
async def httpx_tuned(url: str) -> AsyncIterator[Federate]:
    """The httpx client with limits and timeouts out of the way."""
    import httpx

    limits = httpx.Limits(max_connections=None, max_keepalive_connections=None)
    async with httpx.AsyncClient(limits=limits, timeout=None) as client:  # noqa: S113  # no deadline is measured

        async def federate() -> object:
            found = await client.post(url, content=_get_id_body(), headers=_GET_ID)
            answer = await client.post(
                url,
                content=_get_credentials_body(found.json()["IdentityId"]),
                headers=_GET_CREDENTIALS,
            )
            _check(answer.json())
            return answer

        yield federate


@asynccontextmanager
async def raw_aiohttp(url: str) -> AsyncIterator[Federate]:
    """An aiohttp session with no connection limit and nothing above it."""
    import aiohttp

    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(connector=connector) as session:

        async def federate() -> object:
            async with session.post(url, data=_get_id_body(), headers=_GET_ID) as found:
                identity = json.loads(await found.read())["IdentityId"]
            body = _get_credentials_body(identity)
            async with session.post(url, data=body, headers=_GET_CREDENTIALS) as answer:
                result = json.loads(await answer.read())
            _check(result)
            return result

        yield federate


@asynccontextmanager
async def floor(url: str) -> AsyncIterator[Federate]:
    """Bare asyncio streams, one connection per caller, no check of anything: the floor."""
    import asyncio
    from urllib.parse import urlsplit

    parts = urlsplit(url)
    idle: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []

    async def post(operation: str, body: bytes) -> dict[str, Any]:
        stream = idle.pop() if idle else await asyncio.open_connection(parts.hostname, parts.port)
        reader, writer = stream
        head = (
            f"POST / HTTP/1.1\r\nHost: {parts.netloc}\r\nContent-Type: {CONTENT_TYPE}\r\n"
            f"X-Amz-Target: {TARGET}{operation}\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        writer.write(head.encode() + body)
        answer_head = (await reader.readuntil(b"\r\n\r\n")).lower()
        start = answer_head.index(b"content-length:") + len(b"content-length:")
        length = int(answer_head[start : answer_head.index(b"\r\n", start)])
        answer: dict[str, Any] = json.loads(await reader.readexactly(length))
        idle.append(stream)
        return answer

    async def federate() -> object:
        found = await post("GetId", _get_id_body())
        answer = await post("GetCredentialsForIdentity", _get_credentials_body(found["IdentityId"]))
        _check(answer)
        return answer

    yield federate
    for _, writer in idle:
        writer.close()


PEERS = {
    "amplify_federation": sdk,
    "amplify_federation, uvloop": sdk,
    "amplify_federation, FederatedUsers": sdk_users,
    "amplify_federation over httpx's own transport": sdk_httpx,
    "httpx over LeanTransport, no SDK": lean_transport,
    "aiobotocore": aiobotocore,
    "boto3 in threads": boto3_threads,
    "httpx, tuned": httpx_tuned,
    "aiohttp, raw": raw_aiohttp,
    "asyncio streams (floor)": floor,
}
MODULES: dict[str, tuple[str, ...]] = {
    "amplify_federation": ("anyio",),
    "amplify_federation, uvloop": ("uvloop",),
    "amplify_federation, FederatedUsers": ("anyio",),
    "amplify_federation over httpx's own transport": ("httpx",),
    "httpx over LeanTransport, no SDK": ("httpx",),
    "aiobotocore": ("aiobotocore",),
    "boto3 in threads": ("boto3",),
    "httpx, tuned": ("httpx",),
    "aiohttp, raw": ("aiohttp",),
    "asyncio streams (floor)": (),
}
