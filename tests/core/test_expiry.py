import pytest
from hypothesis import given
from hypothesis import strategies as st

from amplify_federation._core.expiry import (
    COGNITO_GRACE,
    MAX_CLOCK_LEAD,
    is_from_the_future,
    token_helps,
    window_of,
)
from amplify_federation._core.settings import AuthSettings
from tests.core.samples import ISSUED, grant, jwt, login

DURATIONS = st.floats(0, 1e7, allow_nan=False)


@pytest.mark.parametrize(
    ("lifetime", "renew_in", "over_in"),
    [
        (3600.0, 3290.0, 3590.0),  # 300 s before that, and 10 s of margin
        (1000.0, 890.0, 990.0),  # a tenth of the lifetime
        (10.0, 4.0, 5.0),  # half of the lifetime
        (0.0, 0.0, 0.0),
        (-60.0, -60.0, -60.0),  # was over before it came
    ],
)
def test_margins_shrink_with_the_lifetime(lifetime, renew_in, over_in):
    window = window_of(grant(lifetime=lifetime), AuthSettings())
    assert window.renew_at - ISSUED == pytest.approx(renew_in)
    assert window.over_at - ISSUED == pytest.approx(over_in)


@given(DURATIONS, DURATIONS, DURATIONS)
def test_renewal_comes_before_the_end_and_the_end_before_the_expiration(lifetime, margin, early):
    settings = AuthSettings(expiry_margin=margin, refresh_window=early)
    window = window_of(grant(lifetime=lifetime), settings)
    expiration = grant(lifetime=lifetime).credentials.expiration.timestamp()
    assert window.renew_at <= window.over_at <= expiration


@given(DURATIONS, DURATIONS, DURATIONS)
def test_credentials_serve_for_four_tenths_of_their_life_at_least(lifetime, margin, early):
    settings = AuthSettings(expiry_margin=margin, refresh_window=early)
    window = window_of(grant(lifetime=lifetime), settings)
    assert window.renew_at - ISSUED >= 0.4 * lifetime - 1e-3


def test_a_grant_issued_later_than_now_is_from_the_future():
    assert not is_from_the_future(grant(), ISSUED)
    assert not is_from_the_future(grant(), ISSUED - MAX_CLOCK_LEAD)
    assert is_from_the_future(grant(), ISSUED - MAX_CLOCK_LEAD - 1)


def test_a_token_helps_until_cognitos_grace_is_over():
    held = login(token=jwt({"exp": ISSUED}))
    assert COGNITO_GRACE == 300
    assert token_helps(held, ISSUED + 300)
    assert not token_helps(held, ISSUED + 300.5)


@pytest.mark.parametrize("token", ["opaque", jwt({}), jwt({"exp": "soon"})])
def test_a_token_that_does_not_say_its_end_is_worth_a_try(token):
    assert token_helps(login(token=token), 1e12)


def test_a_token_that_was_not_kept_does_not_help():
    assert not token_helps(login(token=None), 0)
