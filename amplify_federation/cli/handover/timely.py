"""A session whose credentials are good for long enough to be handed to another program.

AWS SDKs ask their source anew on every request once less than 15 minutes are left (botocore's
`_DEFAULT_ADVISORY_REFRESH_TIMEOUT`). A session renews 5 minutes before the end at most, so in
between each request of such a program would start a process or a call here. This file must not
know to whom credentials are handed.
"""

from datetime import datetime, timedelta

from amplify_federation import AuthSession, FederatedAuth

ENOUGH = timedelta(minutes=16)  # botocore's 15, and a minute for clocks that differ


async def timely_session(auth: FederatedAuth, *, now: datetime) -> AuthSession:
    """Return the session, renewed if its credentials are good for less than 16 minutes.

    What is still good is returned if it cannot be renewed.
    """
    session = await auth.fetch_auth_session()
    credentials = session.credentials_result.value_or_none
    if credentials is None or credentials.expiration - now >= ENOUGH:
        return session
    return await auth.fetch_auth_session(force_refresh=True)
