"""Fixtures of every test that starts a Redis."""

import gc

import pytest

from amplify_federation.stores import _redis_client
from amplify_federation.stores.redis import RedisStore
from tests.stores.redis_server import (
    KEY,
    RedisServer,
)


@pytest.fixture
def anyio_backend():
    return "asyncio"  # redis-py's only event loop


@pytest.fixture(autouse=True)
def leaks_are_blamed_on_their_test():
    yield
    gc.collect()


@pytest.fixture(autouse=True)
def patience(monkeypatch):
    """Let a busy machine take its time, where the deadline itself is not what is tested."""
    monkeypatch.setattr(_redis_client, "DEADLINE", 20.0)


@pytest.fixture
def server(tmp_path):
    server = RedisServer(tmp_path)
    yield server
    server.stop()


@pytest.fixture
async def store(server):
    async with RedisStore(server.url, key=KEY) as store:
        yield store
