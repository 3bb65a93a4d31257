"""What the sessions of one application share, and what a bearer's has of its own."""

from amplify_federation import AuthProvider, EncryptedFileStore, MemoryStore
from amplify_federation._model.values import Secret
from amplify_federation.stores.protocol import (
    checks_writing,
    discards_set_aside,
    writes_at_once,
)
from tests.users.conftest import *  # noqa: F403  # fixtures


def test_all_sessions_share_the_way_to_cognito_and_the_settings(world):
    users = world.users()
    bearer = users._bearers.bearer(Secret("t"), AuthProvider.GOOGLE)
    sessions = users._user_session("alice"), users._bearers._new(bearer)
    for session in sessions:
        assert session.context.client is users._factory.client
        assert session.context.settings is users._factory.settings


def test_a_bearers_session_knows_no_guests_and_no_token_source(world):
    async def source(_request):
        return ""

    users = world.users(pool=world.pool(guest_access=True), token_source=source)
    user = users._user_session("alice").context
    bearer = users._bearers._new(users._bearers.bearer(Secret("t"), AuthProvider.GOOGLE)).context
    assert (user.pool.guest_access, bearer.pool.guest_access) == (True, False)
    assert user.token_source is source
    assert bearer.token_source is None


def test_a_bound_of_leases_hides_nothing_that_its_store_offers(world, tmp_path):
    factory = world.users()._factory
    file_store = factory.bounded(EncryptedFileStore(tmp_path))
    assert checks_writing(file_store)
    assert discards_set_aside(file_store)
    assert not writes_at_once(file_store)
    assert writes_at_once(factory.bounded(MemoryStore()))
    assert not checks_writing(factory.bounded(MemoryStore()))


def test_a_subclass_of_the_memory_store_may_suspend():
    class Slow(MemoryStore):
        pass

    assert not writes_at_once(Slow())
