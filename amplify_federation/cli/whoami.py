"""`whoami`: the user of a session, with the identity and the role."""

import base64
import json
import os
import re
from typing import Any, cast

import click
from attrs import frozen

from amplify_federation import (
    AuthError,
    AuthSession,
    AWSCredentials,
    Expired,
    Federated,
    IdentityPool,
    SessionExpiredError,
    SignedOut,
    SignedOutError,
)
from amplify_federation.cli.exit_codes import ExitCode, advice_for, exit_code_of
from amplify_federation.cli.options import Target, run, session_command
from amplify_federation.cli.output import (
    print_json,
    print_pairs,
    progress,
    remaining,
    utc_text,
    wants_json,
)
from amplify_federation.cli.session import State, stored_state

_NAMES = ("email", "preferred_username", "cognito:username", "name", "sub")  # the first is shown
_NO_TOKEN = "not known: the session holds no ID token that names the user"
_ASSUMED = re.compile(r"arn:([\w-]+):sts::(\d{12}):assumed-role/([^/]+)/.+", re.ASCII)
_STS_VARIABLES = ("AWS_ENDPOINT_URL_STS", "AWS_ENDPOINT_URL")
_STS_TIMEOUT = 5  # seconds


@frozen
class _Role:
    """The role behind the credentials, or why it is not known."""

    arn: str | None
    text: str


@session_command(
    "whoami",
    "amplify-federation whoami",
    "amplify-federation whoami --session bob --no-network --json",
)
@click.option("--no-network", is_flag=True, help="Call neither STS nor Cognito; renew nothing.")
def command(target: Target, *, no_network: bool) -> None:
    """Show which user the session is of, at which provider, as which identity and role.

    The user's name is a claim of the ID token in the session. AWS alone knows the role of an
    identity: if botocore is installed, it comes from STS's GetCallerIdentity, which needs no
    permission. A name or role that is not known is shown as such. Exits as `session` does.
    """
    state, session = run(
        lambda: _look(target, no_network=no_network), doing="Looking at the session"
    )
    pool = target.pool()
    credentials = None if session is None else session.credentials_result.value_or_none
    if isinstance(state, Federated) and credentials is None and no_network:
        credentials = state.credentials
    error = None if session is None else session.credentials_result.error
    if session is None:
        error = _offline_error(state)
    role = _Role(None, "none: nobody is signed in")
    if not isinstance(state, SignedOut):
        with progress("Asking STS"):
            role = _role(pool, credentials, no_network=no_network)
    if wants_json():
        print_json(_document(target, state, credentials, role))
    else:
        _print(target, state, credentials, role)
        if error is not None:
            click.echo(f"\n{error.message}\n  {advice_for(error)}", err=True)
    click.get_current_context().exit(int(ExitCode.OK if error is None else exit_code_of(error)))


async def _look(target: Target, *, no_network: bool) -> tuple[State, AuthSession | None]:
    if no_network:
        return await stored_state(target.open()), None
    async with target.open() as auth:
        session = await auth.fetch_auth_session()
        return auth.state, session


def _offline_error(state: State) -> AuthError | None:
    if isinstance(state, Federated):
        return None
    if isinstance(state, Expired):
        return SessionExpiredError("The session is over.")
    return SignedOutError("Nobody is signed in.")


def username_of(state: State) -> str | None:
    """Return the user's name from the session's ID token, which is not checked here."""
    for login in () if isinstance(state, SignedOut) else state.linked_logins:
        if login.token is None:
            continue
        claims = _claims(login.token.reveal())
        found = next((claims[name] for name in _NAMES if isinstance(claims.get(name), str)), "")
        if found and found.isprintable():
            return str(found)
    return None


def _claims(token: str) -> dict[str, Any]:
    try:
        payload = token.split(".")[1]
        claims: object = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    except (ValueError, IndexError, RecursionError):
        return {}
    return cast("dict[str, Any]", claims) if isinstance(claims, dict) else {}


def _role(pool: IdentityPool, credentials: AWSCredentials | None, *, no_network: bool) -> _Role:
    if pool.custom_role_arn:
        return _Role(pool.custom_role_arn, f"{pool.custom_role_arn}, as the pool's options ask for")
    if no_network:
        return _Role(None, "not known: AWS alone knows it, and was not asked (--no-network)")
    if credentials is None:
        return _Role(None, "not known: there are no credentials to ask STS with")
    if ".amazonaws." not in pool.endpoint and not any(map(os.environ.get, _STS_VARIABLES)):
        fault = f"the credentials are of {pool.endpoint}, and AWS's STS is not asked with them"
        return _Role(None, f"not known: {fault}; AWS_ENDPOINT_URL_STS names another")
    try:
        import botocore.session  # noqa: PLC0415  # heavy, and an extra
        from botocore.config import Config  # noqa: PLC0415  # the same
        from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415  # the same
    except ImportError:
        return _Role(
            None, "not known: asking STS needs botocore: pip install 'amplify-federation[boto]'"
        )
    try:
        client: Any = botocore.session.Session().create_client(  # pyright: ignore[reportUnknownMemberType]  # its stubs are partial
            "sts",
            region_name=pool.region,
            aws_access_key_id=credentials.access_key_id,
            aws_secret_access_key=credentials.secret_access_key,
            aws_session_token=credentials.session_token,
            config=Config(
                connect_timeout=_STS_TIMEOUT,
                read_timeout=_STS_TIMEOUT,
                retries={"max_attempts": 1},
            ),
        )
        assumed = str(client.get_caller_identity()["Arn"])
    except ClientError as refusal:
        code = str(refusal.response.get("Error", {}).get("Code", "a refusal"))
        return _Role(None, f"not known: STS answered {code}")
    except BotoCoreError as fault:
        return _Role(None, f"not known: STS was not reached ({type(fault).__name__})")
    return _Role(role_of(assumed), assumed)


def role_of(arn: str) -> str:
    """Return the role of an assumed role's ARN.

    STS leaves the path of the role out; where a role has one, its ARN in IAM has it too.
    """
    found = _ASSUMED.fullmatch(arn)
    if found is None:
        return arn
    partition, account, name = found.groups()
    return f"arn:{partition}:iam::{account}:role/{name}"


def _document(
    target: Target, state: State, credentials: AWSCredentials | None, role: _Role
) -> dict[str, Any]:
    logins = () if isinstance(state, SignedOut) else state.logins
    return {
        "state": state.name,
        "user": username_of(state),
        "providers": [each.login_key for each in logins],
        "identity_id": None if isinstance(state, SignedOut) else state.identity_id,
        "role_arn": role.arn,
        "role": role.text,
        "expiration": None if credentials is None else utc_text(credentials.expiration),
        "session": target.session,
        "pool": target.pool().identity_pool_id,
    }


def _print(target: Target, state: State, credentials: AWSCredentials | None, role: _Role) -> None:
    rows = [("state", click.style(state.name, bold=True))]
    if not isinstance(state, SignedOut):
        rows += [
            ("user", username_of(state) or _NO_TOKEN),
            ("provider", ", ".join(each.login_key for each in state.logins)),
            ("identity", state.identity_id),
            ("role", role.arn or role.text),
        ]
    if credentials is not None:
        rows.append(("credentials", remaining(credentials)))
    rows += [("session", target.session), ("pool", target.pool().identity_pool_id)]
    print_pairs(rows)
