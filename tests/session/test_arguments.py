import functools
from collections.abc import Awaitable
from unittest.mock import AsyncMock

import pytest

from amplify_federation import (
    ConfigurationError,
    FederatedAuth,
    FederatedUsers,
    KeyFile,
    MemoryStore,
    ValidationError,
)

POOL_ID = "us-west-2:b4cd4809-7ab1-42e1-b044-07dab9eaa768"


@pytest.mark.parametrize("pool", ["", "nonsense", "us-west-2", "us-west-2:", None, 7, b"x:1"])
def test_a_malformed_pool_is_refused_at_construction(pool):
    with pytest.raises(ConfigurationError):
        FederatedAuth(pool, store=MemoryStore())


@pytest.mark.parametrize("name", ["", "x" * 129, None, 7])
def test_a_malformed_session_name_is_refused_at_construction(name):
    with pytest.raises(ValidationError, match="session_name"):
        FederatedAuth(POOL_ID, store=MemoryStore(), session_name=name)


def test_something_else_than_settings_is_refused_at_construction():
    with pytest.raises(ValidationError, match="settings"):
        FederatedAuth(POOL_ID, store=MemoryStore(), settings={"timeout": 1})


def test_something_else_than_a_client_is_refused_at_construction():
    with pytest.raises(ConfigurationError, match="http_client"):
        FederatedAuth(POOL_ID, store=MemoryStore(), http_client=object())


async def _token_for(_request):
    return "token"


class _Source:
    async def __call__(self, request):
        return await _token_for(request)


def _awaitable_for(request) -> Awaitable[str]:
    return _token_for(request)


@functools.wraps(_token_for)
def _decorated(request):
    return _token_for(request)


@pytest.mark.parametrize(
    "source",
    [
        None, _token_for, _Source(), _Source().__call__, functools.partial(_token_for),
        AsyncMock(), _decorated, _awaitable_for, lambda request: _token_for(request),  # noqa: PLW0108  # what is tested
    ],
)  # fmt: skip
def test_a_source_that_may_be_awaited_is_taken(source):
    assert FederatedAuth(POOL_ID, store=MemoryStore(), token_source=source)


def _plain(request):
    return "token"


@pytest.mark.parametrize(
    ("source", "said"),
    [
        (_plain, "`_plain` is a plain function"),
        (_Source, "not the class _Source"), ("a-token", "not str"), (object(), "not object"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("kind", [FederatedAuth, FederatedUsers])
def test_a_source_that_cannot_be_awaited_is_refused_at_construction(kind, source, said):
    with pytest.raises(ValidationError, match=said):
        kind(POOL_ID, store=MemoryStore(), token_source=source)


@pytest.mark.parametrize(
    ("store", "said"),
    [
        ("/tmp/sessions", "not str"), ({}, "not dict"), (MemoryStore, "not the class MemoryStore"),
        (KeyFile("/tmp/key"), "not KeyFile"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("kind", [FederatedAuth, FederatedUsers])
def test_what_is_no_store_is_refused_at_construction(kind, store, said):
    with pytest.raises(ConfigurationError, match=said):
        kind(POOL_ID, store=store)
