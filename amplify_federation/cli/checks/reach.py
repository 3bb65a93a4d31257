"""Whether Cognito's endpoint answers, and how far this machine's clock is from its.

One request without any content, which no account is charged for and no quota counts. This file
must not know the session.
"""

import time
from collections.abc import Iterator
from email.utils import parsedate_to_datetime

from amplify_federation import IdentityPool
from amplify_federation.cli.checks.finding import Finding, note, ok, wrong
from amplify_federation.cli.terminal.exit_codes import ExitCode

PATIENCE = 5.0  # seconds
_NOISE = 2.0  # seconds: the header counts whole seconds, and the answer took its way
_REFUSED = 300.0  # seconds; AWS refuses signatures that are farther off


async def reach_findings(pool: IdentityPool) -> list[Finding]:
    """Return whether the endpoint answers, and what its clock says."""
    import httpx  # noqa: PLC0415  # heavy

    try:
        # As sessions do by default: proxies and certificates as the environment has them.
        async with httpx.AsyncClient(timeout=PATIENCE) as client:
            began = time.monotonic()
            answer = await client.get(f"{pool.endpoint}/")
            took = (time.monotonic() - began) * 1000
    except (httpx.HTTPError, OSError) as error:
        found = f"{pool.endpoint} does not answer ({type(error).__name__})"
        advice = "Check the network, the proxy (HTTPS_PROXY) and the endpoint."
        return [wrong("network", found, advice, ExitCode.NETWORK)]
    return [ok("network", f"answers in {took:.0f} ms"), *_clock(answer.headers.get("date"))]


def _clock(date: str | None) -> Iterator[Finding]:
    try:
        offset = parsedate_to_datetime(date or "").timestamp() - time.time()
    except (ValueError, TypeError, OverflowError):
        yield note("clock", "the answer carries no date to compare with")
        return
    if abs(offset) <= _NOISE:
        yield ok("clock", "right, within 2 s")
        return
    where = "behind" if offset > 0 else "ahead of"
    found = f"this machine is {abs(offset):.0f} s {where} Cognito"
    if abs(offset) < _REFUSED:
        yield note("clock", found, "Sessions allow for it; better set the clock (NTP).")
    else:
        yield wrong("clock", found, "Set the clock (NTP): AWS refuses signatures that far off.")
