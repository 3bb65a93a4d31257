import pytest
from hypothesis import given
from hypothesis import strategies as st

from amplify_federation import (
    AuthProvider,
    AuthSettings,
    Expired,
    Federated,
    FederatedAuth,
    IdentityPool,
    MemoryStore,
    SignedOut,
)
from amplify_federation._http.server_clock import ServerClock
from amplify_federation._session.record import SessionRecord
from amplify_federation._session.refresh_policy import (
    RenewalNeed,
    grant_of,
    is_usable,
    life_of,
    lifespan_of,
    may_help,
    renewal_need,
)
from amplify_federation.testing import ManualClock
from tests.model.samples import ALICE, ISSUED, grant, login

DURATIONS = st.floats(0, 1e7, allow_nan=False)


@pytest.fixture
def local():
    return ManualClock(time=ISSUED, monotonic=50.0)


@pytest.fixture
def life():
    return lifespan_of(grant(), AuthSettings(), ahead=50.0 - ISSUED)


@pytest.mark.parametrize(
    ("seconds", "due", "over"),
    [(0, False, False), (3289, False, False), (3290, True, False), (3589, True, False),
     (3590, True, True), (1e6, True, True)],
)  # fmt: skip
@pytest.mark.parametrize("moved", ["both", "wall", "monotonic"])
def test_the_first_of_two_clocks_that_says_over_is_believed(local, life, seconds, due, over, moved):
    if moved == "wall":
        local.suspend(seconds)
    else:
        local.advance(seconds)
    if moved == "monotonic":
        local.jump_wall(-seconds)
    clock = ServerClock(local)
    assert life.is_due(clock) is due
    assert life.is_over(clock) is over


@pytest.mark.parametrize(("back", "over"), [(299, False), (300, False), (301, True)])
def test_a_grant_from_the_future_is_over(local, life, back, over):
    local.jump_wall(-back)
    assert life.is_over(ServerClock(local)) is over


@pytest.mark.parametrize(("lifetime", "margin"), [(3600, 10), (12, 6), (0, 0), (-5, 0)])
def test_short_lives_have_short_margins(local, lifetime, margin):
    life = lifespan_of(grant(lifetime=lifetime), AuthSettings(), ahead=50.0 - ISSUED)
    assert life.over_at == ISSUED + lifetime - margin
    assert life.renew_at == life.over_at - min(300.0, max(0, lifetime) / 10)


def test_only_a_session_with_credentials_has_a_grant():
    present = grant()
    assert grant_of(Federated(present, ())) is present
    assert grant_of(SignedOut(present)) is present
    assert grant_of(SignedOut()) is None
    assert grant_of(Expired("id", ())) is None


@given(DURATIONS, DURATIONS, DURATIONS)
def test_renewal_comes_before_the_end_and_the_end_before_the_expiration(lifetime, margin, early):
    settings = AuthSettings(expiry_margin=margin, refresh_window=early)
    life = lifespan_of(grant(lifetime=lifetime), settings, ahead=0.0)
    assert (
        life.renew_at <= life.over_at <= grant(lifetime=lifetime).credentials.expiration.timestamp()
    )


@given(DURATIONS, DURATIONS, DURATIONS)
def test_credentials_serve_for_four_tenths_of_their_life_at_least(lifetime, margin, early):
    settings = AuthSettings(expiry_margin=margin, refresh_window=early)
    life = lifespan_of(grant(lifetime=lifetime), settings, ahead=0.0)
    assert life.renew_at - ISSUED >= 0.4 * lifetime - 1e-3


LOGINS = (login(AuthProvider.GOOGLE),)
FEDERATED, EXPIRED = Federated(grant(), LOGINS), Expired(ALICE, LOGINS)
NOBODY, GUEST = SignedOut(), SignedOut(grant())


async def source(request):
    raise NotImplementedError


@pytest.fixture
def context_of():
    """Return a function that makes the context of a session in this state, so long after."""

    def make(state, later=0.0, *, guests=False, asks=False):
        local = ManualClock(time=ISSUED, monotonic=50.0)
        auth = FederatedAuth(
            IdentityPool(ALICE, guest_access=guests),
            store=MemoryStore(),
            settings=AuthSettings(clock=local),
            token_source=source if asks else None,
        )
        context = auth._session.context
        context.repository.record = SessionRecord(state, generation=1, federation_id="a")
        context.repository.ahead = 50.0 - ISSUED
        local.advance(later)
        return context

    return make


@pytest.mark.parametrize("state", [FEDERATED, GUEST])
@pytest.mark.parametrize(
    ("later", "need"),
    [(0, RenewalNeed.NONE), (3289, RenewalNeed.NONE),
     (3290, RenewalNeed.ADVISORY), (3589, RenewalNeed.ADVISORY),
     (3590, RenewalNeed.MANDATORY), (1e6, RenewalNeed.MANDATORY)],
)  # fmt: skip
def test_credentials_need_renewal_with_time(context_of, state, later, need):
    context = context_of(state, later)
    assert renewal_need(context) is need
    assert is_usable(context) is (need is not RenewalNeed.MANDATORY)


@pytest.mark.parametrize("state", [NOBODY, EXPIRED])
def test_credentials_that_are_not_there_are_urgent(context_of, state):
    context = context_of(state)
    assert life_of(context) is None
    assert renewal_need(context) is RenewalNeed.MANDATORY
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
def test_whether_a_renewal_may_help_depends_on_the_state(context_of, state, guests, asks, helps):
    context = context_of(state, guests=guests, asks=asks)
    assert may_help(context) is helps
    context.repository.replaced = True
    assert not may_help(context)
