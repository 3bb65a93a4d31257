"""Leases of holders that live, die, and lose them."""

import pytest

from amplify_federation import (
    StoreLockedError,
)
from amplify_federation.stores._redis import lease
from amplify_federation.stores.redis import RedisStore
from tests.stores.redis_server import KEY, PLENTY, needs_redis


@needs_redis
async def test_a_lease_of_a_killed_holder_ends_by_itself(store, server, monkeypatch):
    monkeypatch.setattr(lease, "LEASE", 0.2)
    dead = RedisStore(server.url, key=KEY)
    await dead.read("a")
    key = await dead._records._names.key_of("a", kind="lease")
    await lease._acquire(dead._link, key, "token of the dead", 0)
    with pytest.raises(StoreLockedError):
        async with store.lock("a", timeout=0):
            pass
    async with store.lock("a", timeout=PLENTY):
        pass
    await dead.aclose()


@needs_redis
async def test_a_living_holder_keeps_its_lease_beyond_its_time(store, server, monkeypatch):
    monkeypatch.setattr(lease, "LEASE", 0.3)
    monkeypatch.setattr(lease, "_EXTEND_EVERY", 0.05)
    async with store.lock("a", timeout=0):
        with pytest.raises(StoreLockedError):
            async with store.lock("a", timeout=0.9):
                pass


@needs_redis
async def test_a_holder_that_lost_its_lease_leaves_the_next_ones_alone(store, server):
    async with store.lock("a", timeout=0):
        server.ask("FLUSHALL")
        held = store.lock("a", timeout=0)
        await held.__aenter__()
    with pytest.raises(StoreLockedError):
        async with store.lock("a", timeout=0):
            pass
    await held.__aexit__(None, None, None)


@needs_redis
async def test_a_lease_whose_redis_goes_away_fails_no_work(store, server):
    done = False
    async with store.lock("a", timeout=0):
        server.kill()
        done = True
    assert done
