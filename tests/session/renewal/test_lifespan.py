"""How long a grant serves, by two clocks."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from amplify_federation import AuthSettings, AWSCredentials, Expired, Federated, SignedOut
from amplify_federation._http.server_clock import ServerClock
from amplify_federation._model.state import Grant
from amplify_federation._session.renewal.lifespan import grant_of, lifespan_of
from amplify_federation.testing import ManualClock

ISSUED = 1_800_000_000.0
DURATIONS = st.floats(0, 1e7, allow_nan=False)


def grant(lifetime=3600.0):
    expiration = datetime.fromtimestamp(ISSUED + lifetime, UTC)
    return Grant("id", AWSCredentials("key", "secret", "token", expiration), ISSUED)


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
    life = lifespan_of(grant(lifetime), AuthSettings(), ahead=50.0 - ISSUED)
    assert life.over_at == ISSUED + lifetime - margin
    assert life.renew_at == life.over_at - min(300.0, max(0, lifetime) / 10)


def test_only_a_session_with_credentials_has_a_grant():
    held = grant()
    assert grant_of(Federated(held, ())) is held
    assert grant_of(SignedOut(held)) is held
    assert grant_of(SignedOut()) is None
    assert grant_of(Expired("id", ())) is None


@given(DURATIONS, DURATIONS, DURATIONS)
def test_renewal_comes_before_the_end_and_the_end_before_the_expiration(lifetime, margin, early):
    settings = AuthSettings(expiry_margin=margin, refresh_window=early)
    life = lifespan_of(grant(lifetime), settings, ahead=0.0)
    assert life.renew_at <= life.over_at <= grant(lifetime).credentials.expiration.timestamp()


@given(DURATIONS, DURATIONS, DURATIONS)
def test_credentials_serve_for_four_tenths_of_their_life_at_least(lifetime, margin, early):
    settings = AuthSettings(expiry_margin=margin, refresh_window=early)
    life = lifespan_of(grant(lifetime), settings, ahead=0.0)
    assert life.renew_at - ISSUED >= 0.4 * lifetime - 1e-3
