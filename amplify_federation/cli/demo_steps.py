"""The steps of the demonstration, in their order: from the first token to the sign-out.

Each step does something with the session and checks what it shows. Printing is in `demo`.
"""

import stat
from collections.abc import AsyncGenerator
from http import HTTPStatus
from importlib.util import find_spec
from typing import Any

from attrs import field, frozen

from amplify_federation import (
    AuthProvider,
    AWSCredentials,
    SessionExpiredError,
    SignedOutError,
)
from amplify_federation.cli.demo_environment import USER, Demo, demo_environment
from amplify_federation.cli.demo_s3 import BUCKET, RESOURCE
from amplify_federation.cli.output import masked_key_id, utc_text


@frozen
class Step:
    """The result of a step. `facts` are for people, `data` for programs; no secret is in either.

    `did` is the line of code of this step; `calls` are the operations that Cognito was asked for;
    `checks` are what this step proves, each with whether it passed.
    """

    title: str
    why: str
    did: str = ""
    calls: tuple[str, ...] | None = None  # None: a step that has nothing to do with Cognito
    state: str | None = None
    facts: tuple[tuple[str, str], ...] = ()
    checks: tuple[tuple[str, bool], ...] = ()
    data: dict[str, Any] = field(factory=dict[str, Any])

    @property
    def passed(self) -> bool:
        """Whether every check of this step passed."""
        return all(passed for _, passed in self.checks)


def masked(credentials: AWSCredentials | None) -> tuple[str, str]:
    """Return credentials as a step shows them: without their secrets."""
    if credentials is None:
        return "credentials", "none"
    until = utc_text(credentials.expiration)
    return "credentials", f"{masked_key_id(credentials)} (secrets hidden), until {until}"


_HOUR = 3600.0  # seconds; the life of Cognito's credentials and of Google's tokens
_FEDERATION = ("GetId", "GetCredentialsForIdentity")
_SHOWN_BYTES = 24
_PICTURE = b'<svg xmlns="http://www.w3.org/2000/svg"><circle r="9" fill="orange"/></svg>'
RENEWAL = ("GetCredentialsForIdentity",)


async def opening(demo: Demo) -> Step:
    """Show the endpoint and the pool."""
    return Step(
        "An embedded Cognito starts on this machine",
        "It stands in for AWS: same calls, same checks, same errors, and a clock that moves.",
        facts=(
            ("endpoint", demo.url),
            ("pool", f"{demo.pool.identity_pool_id}, which trusts Google"),
        ),
        data={"endpoint": demo.url, "pool": demo.pool.identity_pool_id},
    )


async def sign_in(demo: Demo) -> Step:
    """Get a token, as an application gets one from Google's sign-in."""
    demo.token = demo.sign_in()
    size = len(demo.token)
    return Step(
        f"The user, {USER}, signs in with Google",
        "Google gives the application an ID token: a signed statement of who this is.",
        facts=(("token", f"{demo.token[:10]}... ({size} characters, good for 1 hour)"),),
        data={"token_characters": size},
    )


async def federate(demo: Demo) -> Step:
    """Exchange the token for credentials."""
    auth = demo.auth
    demo.first = await auth.federate_to_identity_pool(demo.token, AuthProvider.GOOGLE)
    credentials = demo.first.credentials
    demo.sealed = (
        demo.token,
        credentials.secret_access_key,
        credentials.session_token,
        demo.first.identity_id,
    )
    calls = demo.new_calls()
    return Step(
        "The token is exchanged for an identity and AWS credentials",
        "Cognito checks the token, and from now on this user has rights of their own in AWS.",
        did="await auth.federate_to_identity_pool(token, AuthProvider.GOOGLE)",
        calls=calls,
        state=demo.state(),
        facts=(("identity", demo.first.identity_id), masked(credentials)),
        checks=(("two calls", calls == _FEDERATION), ("signed in", demo.state() == "federated")),
        data={"identity_id": demo.first.identity_id},
    )


async def fetch(demo: Demo) -> Step:
    """Ask for the session, as an application does before each use."""
    session = await demo.auth.fetch_auth_session()
    calls = demo.new_calls()
    return Step(
        "The application asks for the session, as often as it likes",
        "Fresh credentials come from memory.",
        did="await auth.fetch_auth_session()",
        calls=calls,
        state=demo.state(),
        facts=(masked(session.credentials),),
        checks=(
            ("no call", not calls),
            ("the same credentials", session.credentials == demo.known().credentials),
        ),
    )


async def look_at_file(demo: Demo) -> Step:
    """Show the file of the session."""
    path = demo.session_file()
    raw = path.read_bytes()  # 4 KiB, once
    status = path.stat()  # the same
    mode, silent = stat.filemode(status.st_mode), demo.has_no_secret(raw)
    return Step(
        "The session is stored in an encrypted file",
        "AES-256-GCM. Its name, its size and its bytes tell neither the user nor the pool.",
        facts=(
            ("file", path.name),
            ("mode", f"{mode} ({stat.S_IMODE(status.st_mode):04o}: its owner and nobody else)"),
            ("size", f"{len(raw)} bytes, padded, so that the token's length does not show"),
            ("begins", f"{raw[:_SHOWN_BYTES].hex(' ')} ..."),
            ("inside", "token, secrets and identity id: none of them is readable in it"),
        ),
        checks=(("no secret in the file", silent),),
        data={"file": path.name, "mode": f"{stat.S_IMODE(status.st_mode):04o}",
              "size": len(raw), "begins": raw[:_SHOWN_BYTES].hex()},
    )  # fmt: skip


async def second_process(demo: Demo) -> Step:
    """Show the session in another process."""
    answer = await demo.ask_another_process()
    calls = demo.new_calls()
    command = "amplify-federation session --pool ... --store ..."
    return Step(
        "A second process finds the session in the file",
        "A restart, or a second worker, is signed in at once: nobody signs in twice.",
        did=f"$ {command}",
        calls=calls,
        state=str(answer["state"]),
        facts=(("it says", str(answer.get("identity_id") or answer.get("message"))),),
        checks=(
            ("no call", not calls),
            ("the same identity", answer.get("identity_id") == demo.known().identity_id),
        ),
        data={"answer": answer},
    )


async def outlive_credentials(demo: Demo) -> Step:
    """Move the clock past the expiration of the credentials; the stored token renews them."""
    demo.fake.advance(_HOUR)
    session = await demo.auth.fetch_auth_session()
    calls = demo.new_calls()
    identity = session.identity_id_result.value_or_none
    same = identity == demo.known().identity_id
    return Step(
        "One hour passes: the credentials have expired, and are renewed with the stored token",
        "Cognito takes a token for 5 minutes after its expiration, which is why this works.",
        did="await auth.fetch_auth_session()",
        calls=calls,
        state=demo.state(),
        facts=(("identity", f"{identity}{', the same' if same else ''}"),
               masked(session.credentials_result.value_or_none)),
        checks=(
            ("one call", calls == RENEWAL),
            ("the same identity", same),
            ("new credentials", session.credentials_result.value_or_none
             not in {None, demo.known().credentials}),
        ),
        data={"identity_id": identity},
    )  # fmt: skip


async def outlive_token(demo: Demo) -> Step:
    """Move the clock past the expiration of the token, too; now only a new sign-in helps."""
    demo.fake.advance(_HOUR)
    session = await demo.auth.fetch_auth_session()
    calls = demo.new_calls()
    error = session.credentials_result.error
    expired = isinstance(error, SessionExpiredError)
    message = error.message if error else "nothing"
    advice = error.recovery_suggestion if error else ""
    return Step(
        "Another hour passes: the token has expired, too",
        "No token can renew the credentials, so Cognito is not called. The identity is kept.",
        did="(await auth.fetch_auth_session()).credentials",
        calls=calls,
        state=demo.state(),
        facts=(
            ("raises", f"{type(error).__name__}: {message}"),
            ("advice", advice),
            ("secrets", "gone from memory and file"),
        ),
        checks=(
            ("no call", not calls),
            ("expired", expired and demo.state() == "expired"),
        ),
        data={"error": type(error).__name__, "message": message, "advice": advice},
    )


async def federate_again(demo: Demo) -> Step:
    """Sign in again: the same user gets the same identity."""
    token = demo.sign_in()
    again = await demo.auth.federate_to_identity_pool(token, AuthProvider.GOOGLE)
    calls = demo.new_calls()
    same = again.identity_id == demo.known().identity_id
    return Step(
        f"{USER.capitalize()} signs in with Google again, with a new token",
        "Same user, same identity, so GetId is not asked again; what was stored is still hers.",
        did="await auth.federate_to_identity_pool(new_token, AuthProvider.GOOGLE)",
        calls=calls,
        state=demo.state(),
        facts=(("identity", f"{again.identity_id}{', the same' if same else ''}"),
               masked(again.credentials)),
        checks=(
            ("one call", calls == RENEWAL),
            ("the same identity", same),
            ("signed in", demo.state() == "federated"),
        ),
        data={"identity_id": again.identity_id},
    )  # fmt: skip


async def keep_picture(demo: Demo) -> Step:
    """Write an object to S3 with the user's credentials, and read it back."""
    from amplify_federation.integrations.boto import SigV4Auth  # noqa: PLC0415  # needs botocore

    demo.s3.learn((await demo.auth.fetch_auth_session()).credentials)
    signer, url = SigV4Auth(demo.auth, "s3"), demo.picture_url()
    put = await demo.client.put(url, content=_PICTURE, auth=signer)
    got = await demo.client.get(url, auth=signer)
    return Step(
        f"{USER.capitalize()} keeps a picture in S3, with these credentials, and reads it back",
        "A small S3 on this machine checks the signature and the role's policy as AWS would.",
        did='await client.put(url, content=picture, auth=SigV4Auth(auth, "s3"))',
        calls=demo.new_calls(),
        state=demo.state(),
        facts=(
            ("policy", f"allows {RESOURCE}"),
            ("object", f"/{BUCKET}/{demo.known().identity_id}/me.svg"),
            ("written", f"{len(_PICTURE)} bytes, {put.status_code} {put.reason_phrase}"),
            ("read", f"{len(got.content)} bytes, the same: {got.text[:25]}..."),
        ),
        checks=(
            ("written", put.status_code == HTTPStatus.OK),
            ("the same bytes came back", got.content == _PICTURE),
        ),
        data={"written": put.status_code, "bytes": len(got.content)},
    )


async def refuse_other_user(demo: Demo) -> Step:
    """Let another user ask for the picture of the first."""
    from amplify_federation.integrations.boto import SigV4Auth  # noqa: PLC0415  # needs botocore

    async with demo.other_user() as bob:
        given = await bob.federate_to_identity_pool(demo.sign_in("bob"), AuthProvider.GOOGLE)
        demo.s3.learn(given.credentials)
        refused = await demo.client.get(demo.picture_url(), auth=SigV4Auth(bob, "s3"))
    return Step(
        f"Bob signs in, and asks for {USER.capitalize()}'s picture",
        "His credentials are good, and his own; the policy gives him his own folder alone.",
        did='await client.get(url_of_alice, auth=SigV4Auth(bob, "s3"))',
        calls=demo.new_calls(),
        facts=(
            ("identity", given.identity_id),
            ("answer", f"{refused.status_code} {refused.reason_phrase}: {refused.text}"),
        ),
        checks=(
            ("another identity", given.identity_id != demo.known().identity_id),
            ("refused", refused.status_code == HTTPStatus.FORBIDDEN
             and "AccessDenied" in refused.text),
        ),
        data={"answer": refused.status_code},
    )  # fmt: skip


async def picture_not_shown(_demo: Demo) -> Step:
    """Say what would be shown if botocore, which signs, were installed."""
    return Step(
        "Not shown, since botocore is not installed: a picture in S3",
        f"{USER.capitalize()} would write a picture to a small S3 on this machine, signed with "
        "these credentials, and read it back; Bob, who asks for it, would be refused.",
        facts=(("to see it", "pip install 'amplify-federation[cli,boto]'"),),
    )


async def clear(demo: Demo) -> Step:
    """Sign out of AWS."""
    await demo.auth.clear_federation_to_identity_pool()
    calls = demo.new_calls()
    session = await demo.auth.fetch_auth_session()
    calls += demo.new_calls()
    error = session.credentials_result.error
    return Step(
        "The user signs out",
        "Memory and file are cleared, for every process, and no network is needed.",
        did="await auth.clear_federation_to_identity_pool()",
        calls=calls,
        state=demo.state(),
        facts=(("then", f"session.credentials raises {type(error).__name__}"),),
        checks=(
            ("no call", not calls),
            ("signed out", demo.state() == "signed_out"),
            ("no credentials any more", isinstance(error, SignedOutError)),
        ),
    )


STEPS = (
    opening,
    sign_in,
    federate,
    fetch,
    look_at_file,
    second_process,
    outlive_credentials,
    outlive_token,
    federate_again,
    *((keep_picture, refuse_other_user) if find_spec("botocore") else (picture_not_shown,)),
    clear,
)


async def run_steps() -> AsyncGenerator[Step]:
    """Run every step; yield each when it is done."""
    async with demo_environment() as demo:
        for step in STEPS:
            yield await step(demo)
