"""How the story begins: a sign-in, credentials, a file, and a second process that finds it.

This file must not know how a scene is printed.
"""

import stat

from amplify_federation import AuthProvider
from amplify_federation.cli.demo.play import Play, told
from amplify_federation.cli.demo.scene import Scene
from amplify_federation.cli.demo.stage import USER

_FEDERATION = ("GetId", "GetCredentialsForIdentity")
_SHOWN_BYTES = 24


async def opening(play: Play) -> Scene:
    """Show where everything happens."""
    return Scene(
        "An embedded Cognito starts on this machine",
        "It stands in for AWS: same calls, same checks, same errors, and a clock that moves.",
        facts=(
            ("endpoint", play.stage.url),
            ("pool", f"{play.stage.pool.identity_pool_id}, which trusts Google"),
        ),
        data={"endpoint": play.stage.url, "pool": play.stage.pool.identity_pool_id},
    )


async def sign_in(play: Play) -> Scene:
    """Get a token, as an application gets one from Google's sign-in."""
    play.token = play.stage.sign_in()
    size = len(play.token)
    return Scene(
        f"The user, {USER}, signs in with Google",
        "Google gives the application an ID token: a signed statement of who this is.",
        facts=(("token", f"{play.token[:10]}... ({size} characters, good for 1 hour)"),),
        data={"token_characters": size},
    )


async def federate(play: Play) -> Scene:
    """Trade the token for credentials."""
    auth = play.stage.auth
    play.first = await auth.federate_to_identity_pool(play.token, AuthProvider.GOOGLE)
    credentials = play.first.credentials
    play.sealed = (
        play.token,
        credentials.secret_access_key,
        credentials.session_token,
        play.first.identity_id,
    )
    calls = play.stage.new_calls()
    return Scene(
        "The token is traded for an identity and AWS credentials",
        "Cognito checks the token, and from now on this user has rights of their own in AWS.",
        did="await auth.federate_to_identity_pool(token, AuthProvider.GOOGLE)",
        calls=calls,
        state=play.state(),
        facts=(("identity", play.first.identity_id), told(credentials)),
        promises=(("two calls", calls == _FEDERATION), ("signed in", play.state() == "federated")),
        data={"identity_id": play.first.identity_id},
    )


async def fetch(play: Play) -> Scene:
    """Ask for the session, as an application does before each use."""
    session = await play.stage.auth.fetch_auth_session()
    calls = play.stage.new_calls()
    return Scene(
        "The application asks for the session, as often as it likes",
        "Fresh credentials come from memory.",
        did="await auth.fetch_auth_session()",
        calls=calls,
        state=play.state(),
        facts=(told(session.credentials),),
        promises=(
            ("no call", not calls),
            ("the same credentials", session.credentials == play.known().credentials),
        ),
    )


async def look_at_file(play: Play) -> Scene:
    """Show what is on the disk."""
    path = play.stage.session_file()
    raw = path.read_bytes()  # 4 KiB, once
    status = path.stat()  # the same
    mode, silent = stat.filemode(status.st_mode), play.is_silent(raw)
    return Scene(
        "The session is kept in a file, sealed",
        "AES-256-GCM. Its name, its size and its bytes tell neither the user nor the pool.",
        facts=(
            ("file", path.name),
            ("mode", f"{mode} ({stat.S_IMODE(status.st_mode):04o}: its owner and nobody else)"),
            ("size", f"{len(raw)} bytes, padded, so that the token's length does not show"),
            ("begins", f"{raw[:_SHOWN_BYTES].hex(' ')} ..."),
            ("inside", "token, secrets and identity id: none of them is readable in it"),
        ),
        promises=(("no secret in the file", silent),),
        data={"file": path.name, "mode": f"{stat.S_IMODE(status.st_mode):04o}",
              "size": len(raw), "begins": raw[:_SHOWN_BYTES].hex()},
    )  # fmt: skip


async def second_process(play: Play) -> Scene:
    """Let another process find the session."""
    answer = await play.stage.ask_another_process()
    calls = play.stage.new_calls()
    command = "amplify-federation session --pool ... --store ..."
    return Scene(
        "A second process finds the session in the file",
        "A restart, or a second worker, is signed in at once: nobody signs in twice.",
        did=f"$ {command}",
        calls=calls,
        state=str(answer["state"]),
        facts=(("it says", str(answer.get("identity_id") or answer.get("message"))),),
        promises=(
            ("no call", not calls),
            ("the same identity", answer.get("identity_id") == play.known().identity_id),
        ),
        data={"answer": answer},
    )
