"""How values are written for a reader. This file must not know where they are printed."""

from datetime import UTC, datetime

from amplify_federation import AWSCredentials, Expired, Federated, SignedOut

_MINUTE, _HOUR = 60, 3600


def name_of(state: SignedOut | Federated | Expired) -> str:
    """Return the state's name, as events have it."""
    match state:
        case SignedOut():
            return "signed_out"
        case Federated():
            return "federated"
        case Expired():
            return "expired"


def shown_id(credentials: AWSCredentials) -> str:
    """Return the access key id, which is no secret, short enough to compare by eye."""
    whole = credentials.access_key_id
    return f"{whole[:4]}...{whole[-4:]}"


def moment(when: datetime) -> str:
    """Return a time in UTC as AWS writes it, to the second."""
    return when.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def remaining(credentials: AWSCredentials, now: datetime | None = None) -> str:
    """Say how long credentials are good for."""
    left = (credentials.expiration - (now or datetime.now(UTC))).total_seconds()
    if left <= 0:
        return f"over since {moment(credentials.expiration)}"
    return f"good for {duration(left)} (until {moment(credentials.expiration)})"


def duration(seconds: float) -> str:
    """Return a duration in the two units that matter."""
    whole = int(seconds)
    if whole < _MINUTE:
        return f"{whole} s"
    if whole < _HOUR:
        return f"{whole // _MINUTE} min"
    hours, rest = divmod(whole, _HOUR)
    return f"{hours} h {rest // _MINUTE} min"
