"""What the integrations take as a session."""

import pytest

from amplify_federation import AuthProvider, FederatedUsers, MemoryStore
from amplify_federation.integrations.live_session import LiveSession, require


def test_a_missing_library_is_named_with_the_command():
    with pytest.raises(ModuleNotFoundError, match="pip install nothing"):
        require("no_such_library", "pip install nothing")


async def test_a_handle_and_a_bearer_are_live_sessions(auth, fake, pool, client):
    users = FederatedUsers(pool, store=MemoryStore(), http_client=client)
    bearer = users.bearer(fake.issue_token(AuthProvider.GOOGLE, "alice"), AuthProvider.GOOGLE)
    sessions: list[LiveSession] = [auth, bearer]  # the type checkers judge this line
    assert [each.pool.identity_pool_id for each in sessions] == [pool, pool]
