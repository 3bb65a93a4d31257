"""How credentials stand: who may be asked about them, and how soon."""

import pytest

from amplify_federation import AuthProvider, AuthSettings, IdentityPool, MemoryStore
from amplify_federation._async.broadcast import Broadcast
from amplify_federation._http.client import CognitoClient
from amplify_federation._model.state import Expired, Federated, SignedOut
from amplify_federation._session.context import Context
from amplify_federation._session.record.schema import SessionRecord
from amplify_federation._session.renewal.refresh_policy import (
    Urgency,
    is_usable,
    life_of,
    may_help,
    urgency_of,
)
from amplify_federation._session.repository import SessionRepository
from amplify_federation.testing import ManualClock
from tests.model.samples import ALICE, ISSUED, grant, login

HELD = (login(AuthProvider.GOOGLE),)
FEDERATED, EXPIRED = Federated(grant(), HELD), Expired(ALICE, HELD)
NOBODY, GUEST = SignedOut(), SignedOut(grant())


async def source(request):
    raise NotImplementedError


@pytest.fixture
def standing():
    """Return a function that makes the context of a session in this state, so long after."""

    def make(state, later=0.0, *, guests=False, asks=False):
        local = ManualClock(time=ISSUED, monotonic=50.0)
        pool = IdentityPool(ALICE, guest_access=guests)
        settings, events = AuthSettings(clock=local), Broadcast()
        client = CognitoClient(pool.endpoint, None, settings)
        repository = SessionRepository(MemoryStore(), "name", client.clock, events)
        repository.record = SessionRecord(state, generation=1, federation_id="a")
        repository.ahead = 50.0 - ISSUED
        local.advance(later)
        token_source = source if asks else None
        return Context(pool, settings, repository._store, client, repository, events, token_source)

    return make


@pytest.mark.parametrize("state", [FEDERATED, GUEST])
@pytest.mark.parametrize(
    ("later", "urgency"),
    [(0, Urgency.NONE), (3289, Urgency.NONE), (3290, Urgency.EARLY), (3589, Urgency.EARLY),
     (3590, Urgency.NOW), (1e6, Urgency.NOW)],
)  # fmt: skip
def test_credentials_grow_urgent_with_time(standing, state, later, urgency):
    context = standing(state, later)
    assert urgency_of(context) is urgency
    assert is_usable(context) is (urgency is not Urgency.NOW)


@pytest.mark.parametrize("state", [NOBODY, EXPIRED])
def test_credentials_that_are_not_there_are_urgent(standing, state):
    context = standing(state)
    assert life_of(context) is None
    assert urgency_of(context) is Urgency.NOW
    assert not is_usable(context)


@pytest.mark.parametrize(
    ("state", "guests", "asks", "helps"),
    [
        (FEDERATED, False, False, True),
        (EXPIRED, False, False, False),
        (EXPIRED, False, True, True),
        (NOBODY, False, False, False),
        (NOBODY, True, False, True),
        (GUEST, False, True, False),
    ],
)
def test_who_may_be_asked_depends_on_the_state(standing, state, guests, asks, helps):
    context = standing(state, guests=guests, asks=asks)
    assert may_help(context) is helps
    context.repository.replaced = True
    assert not may_help(context)
