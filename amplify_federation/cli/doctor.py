"""`doctor`: a check of all that a session needs, with advice for each fault.

The check of the network is one request without content, which costs nothing and uses no quota.
"""

import os
import platform
import time
from collections.abc import Iterator
from email.utils import parsedate_to_datetime
from importlib.metadata import version

import click
from attrs import evolve

from amplify_federation import (
    AuthError,
    EnvironmentKey,
    Expired,
    IdentityPool,
    SignedOut,
)
from amplify_federation.cli.checks import (
    Finding,
    Verdict,
    folder_findings,
    from_error,
    key_finding,
    lock_finding,
    note,
    ok,
    pool_findings,
    store_findings,
    wrong,
)
from amplify_federation.cli.exit_codes import SIGN_IN, ExitCode
from amplify_federation.cli.options import Target, run, session_command
from amplify_federation.cli.output import print_json, remaining, wants_json
from amplify_federation.cli.session import stored_state

STORE_URL_VARIABLE = "AMPLIFY_FEDERATION_STORE_URL"
_IN_ARGUMENTS = (
    "The URL in --store has a user name or a password, which other users of this machine can read "
    f"in the list of processes. Set {STORE_URL_VARIABLE} to the URL, and leave out --store."
)
_COLOURS = {Verdict.OK: "green", Verdict.NOTE: "yellow", Verdict.WRONG: "red"}


@session_command(
    "doctor",
    "amplify-federation doctor --pool ID",
    "amplify-federation doctor --config amplify_outputs.json --json",
    "amplify-federation doctor --store redis://redis.internal:6379/0",
)
@click.option("--offline", is_flag=True, help="Skip the check of the network.")
def command(target: Target, *, offline: bool) -> None:
    """Check all that a session needs, and print what to do about each fault.

    Checks the source of each value of the configuration, the folder of the sessions and the modes
    of its files, the key, the lock, the session, and Cognito's endpoint and clock. Changes nothing,
    and prints no secret, so the output can go into a bug report. Exits with 0 if nothing is wrong,
    else with the code of the first fault.

    With the URL of a Redis in AMPLIFY_FEDERATION_STORE_URL, and no --store, checks whether that
    Redis can store a backend's sessions with the key of AMPLIFY_FEDERATION_KEY; a record is written
    there and deleted. A URL without a password may be given as --store.
    """
    target = _with_url(target)
    findings = run(lambda: _examine(target, offline=offline), doing="Checking")
    if wants_json():
        print_json([_document(finding) for finding in findings])
    else:
        _print(findings)
    codes = [finding.exit_code for finding in findings if finding.verdict is Verdict.WRONG]
    click.get_current_context().exit(int(codes[0] if codes else ExitCode.OK))


def _with_url(target: Target) -> Target:
    """Take the URL of a Redis from the environment; warn of a password among the arguments."""
    if target.store_url is not None:
        if "@" in target.store_url or "password=" in target.store_url:
            click.echo(_IN_ARGUMENTS, err=True)
        return target
    url = os.environ.get(STORE_URL_VARIABLE) if target.folder is None else None
    return evolve(target, store_url=url or None)


async def _examine(target: Target, *, offline: bool) -> list[Finding]:
    python = f"Python {platform.python_version()} on {platform.system()}"
    pool, findings = pool_findings(target)
    findings.insert(0, ok("version", f"{version('amplify-federation')}, {python}"))
    if target.store_url is not None:
        findings.append(await redis_finding(target.store_url))
        return findings + await _network(pool, offline=offline)
    try:
        target.store()
    except AuthError as error:  # such as a user without a home
        findings.append(from_error("store", error))
        return findings + await _network(pool, offline=offline)
    findings += store_findings(target)
    findings += await folder_findings(target)
    findings.append(await key_finding(target))
    if pool is not None:
        for finding in (await lock_finding(target, pool), await session_finding(target)):
            if finding.found not in {each.found for each in findings}:  # a fault of the folder
                findings.append(finding)
    return findings + await _network(pool, offline=offline)


async def _network(pool: IdentityPool | None, *, offline: bool) -> list[Finding]:
    if pool is None:
        return []
    reach = [] if offline else await reach_findings(pool)
    return [transport_finding(pool), *reach]


def transport_finding(pool: IdentityPool) -> Finding:
    """Return over which transport calls to the endpoint go."""
    from amplify_federation.transport import transport_for  # noqa: PLC0415  # loads httpx

    try:
        return ok("transport", transport_for(pool.endpoint))
    except AuthError as error:  # of the proxy's port, or an unknown transport
        return from_error("transport", error)


def _document(finding: Finding) -> dict[str, str]:
    return {
        "subject": finding.subject,
        "verdict": finding.verdict.value,
        "found": finding.found,
        "advice": finding.advice,
    }


def _print(findings: list[Finding]) -> None:
    for finding in findings:
        verdict = click.style(f"{finding.verdict.value:<5}", fg=_COLOURS[finding.verdict])
        click.echo(f"{verdict}  {finding.subject:<8}  {finding.found}")
        if finding.advice:
            click.echo(f"{'':<17}{finding.advice}")
    faults = sum(finding.verdict is Verdict.WRONG for finding in findings)
    click.echo(f"\n{faults} wrong." if faults else "\nNothing is wrong.")


_TIMEOUT = 5.0  # seconds
_NOISE = 2.0  # seconds: the header has whole seconds, and the response was on its way
_REFUSED = 300.0  # seconds; AWS refuses signatures beyond it


async def reach_findings(pool: IdentityPool) -> list[Finding]:
    """Return whether the endpoint answers, and what its clock says."""
    import httpx  # noqa: PLC0415  # heavy

    from amplify_federation.transport import failure_at  # noqa: PLC0415  # the same

    try:
        # Proxies and certificates of the environment, as sessions use them by default.
        async with httpx.AsyncClient(timeout=_TIMEOUT) as client:
            began = time.monotonic()
            answer = await client.get(f"{pool.endpoint}/")
            took = (time.monotonic() - began) * 1000
    except (httpx.HTTPError, OSError) as error:
        failure = failure_at(pool.endpoint, error)
        if failure is None:
            raise
        return [from_error("network", failure)]
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


async def redis_finding(url: str) -> Finding:
    """Return whether the Redis of a URL serves sessions under the key of the environment."""
    try:
        from amplify_federation.stores.redis import RedisStore  # noqa: PLC0415  # an extra

        key = EnvironmentKey()
        await key.sealing_key()  # an error of the key comes before one of Redis
        async with RedisStore(url, key=key) as store:
            await store.check()
            return ok("store", f"{store!r} answers, the key opens it, and it can be written")
    except AuthError as error:
        return from_error("store", error)


async def session_finding(target: Target) -> Finding:
    """Return the state of the session as it is in the store."""
    try:
        state = await stored_state(target.open())
    except AuthError as error:
        return from_error("session", error)
    if isinstance(state, SignedOut):
        return note("session", f"{target.session!r}: nobody is signed in", f"Sign in: {SIGN_IN}")
    if isinstance(state, Expired):
        return note("session", f"{target.session!r}: expired", f"Sign in again: {SIGN_IN}")
    return ok("session", f"{target.session!r}: federated, {remaining(state.credentials)}")
