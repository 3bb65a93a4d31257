"""When credentials are over, when one caller renews them early, and when a token still helps.

All times are epoch seconds on the server's clock; `now` is an argument. This file must not read a
clock.
"""

from attrs import frozen

from amplify_federation._core.claims import peek
from amplify_federation._core.settings import AuthSettings
from amplify_federation._core.state import Grant, Login

COGNITO_GRACE = 300.0  # seconds that Cognito allows beyond a token's `exp`
MAX_CLOCK_LEAD = 300.0  # seconds that an issue time may lie ahead of the clock


@frozen
class Window:
    """From `renew_at` on one caller renews; from `over_at` on nobody uses the credentials."""

    renew_at: float
    over_at: float


def window_of(grant: Grant, settings: AuthSettings) -> Window:
    """Return the window of a grant; short-lived credentials get short margins."""
    expiration = grant.credentials.expiration.timestamp()
    lifetime = max(0.0, expiration - grant.issued_at)
    over_at = expiration - min(settings.expiry_margin, lifetime / 2)
    return Window(over_at - min(settings.refresh_window, lifetime / 10), over_at)


def is_from_the_future(grant: Grant, now: float) -> bool:
    """Tell whether a grant was issued after `now`: then the clock jumped back, and it is over."""
    return grant.issued_at > now + MAX_CLOCK_LEAD


def token_helps(login: Login, now: float) -> bool:
    """Tell whether Cognito may still take the held token, as far as the token itself says."""
    if login.token is None:
        return False
    claims = peek(login.token)
    if claims is None or claims.expires is None:
        return True
    return now <= claims.expires + COGNITO_GRACE
