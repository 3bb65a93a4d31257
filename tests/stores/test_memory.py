"""What is the memory store's own; its promises are tested in `tests/testing`."""

import pytest

from amplify_federation.errors import StoreConflictError
from amplify_federation.stores.memory import MemoryStore


async def test_it_shows_no_session():
    store = MemoryStore()
    await store.compare_and_set("name", b"canary", expected=None)
    assert "canary" not in repr(store)
    assert "1 sessions" in repr(store)


async def test_two_stores_share_nothing():
    await MemoryStore().compare_and_set("name", b"one", expected=None)
    assert await MemoryStore().read("name") is None


async def test_no_error_holds_the_session():
    store = MemoryStore()
    await store.compare_and_set("name", b"one", expected=None)
    with pytest.raises(StoreConflictError) as caught:
        await store.compare_and_set("name", b"canary", expected=None)
    assert "canary" not in repr([entry.frame.f_locals for entry in caught.traceback[1:]])
    assert (await store.read("name")).data == b"one"


async def test_a_record_at_hand_is_the_one_that_is_read():
    store = MemoryStore()
    assert store.at_hand("name") is None
    data = bytes(bytearray(b"one"))
    await store.compare_and_set("name", data, expected=None)
    assert store.at_hand("name") is await store.read("name")
    assert store.at_hand("name").data is data
    await store.delete("name", expected=None)
    assert store.at_hand("name") is None
