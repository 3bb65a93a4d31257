"""How the story goes on: time passes, credentials and token end, and the user comes and goes.

This file must not know how a scene is printed.
"""

from amplify_federation import AuthProvider, SessionExpiredError, SignedOutError
from amplify_federation.cli.demo.play import Play, told
from amplify_federation.cli.demo.scene import Scene
from amplify_federation.cli.demo.stage import USER

RENEWAL = ("GetCredentialsForIdentity",)
_HOUR = 3600.0  # seconds; the life of Cognito's credentials and of Google's tokens


async def outlive_credentials(play: Play) -> Scene:
    """Move the clock past the credentials: they are renewed with the stored token."""
    play.stage.fake.advance(_HOUR)
    session = await play.stage.auth.fetch_auth_session()
    calls = play.stage.new_calls()
    identity = session.identity_id_result.value_or_none
    same = identity == play.known().identity_id
    return Scene(
        "One hour passes: the credentials are over, and are renewed by themselves",
        "Cognito still takes the stored token (it allows 5 minutes past the token's own end).",
        did="await auth.fetch_auth_session()",
        calls=calls,
        state=play.state(),
        facts=(("identity", f"{identity}{', the same' if same else ''}"),
               told(session.credentials_result.value_or_none)),
        promises=(
            ("one call", calls == RENEWAL),
            ("the same identity", same),
            ("new credentials", session.credentials_result.value_or_none
             not in {None, play.known().credentials}),
        ),
        data={"identity_id": identity},
    )  # fmt: skip


async def outlive_token(play: Play) -> Scene:
    """Move the clock past the token, too: now only a new sign-in helps."""
    play.stage.fake.advance(_HOUR)
    session = await play.stage.auth.fetch_auth_session()
    calls = play.stage.new_calls()
    error = session.credentials_result.error
    expired = isinstance(error, SessionExpiredError)
    told = error.message if error else "nothing"
    advice = error.recovery_suggestion if error else ""
    return Scene(
        "Another hour passes: the token is over, too",
        "Nothing that is held can help, so nobody is asked. The identity is remembered.",
        did="(await auth.fetch_auth_session()).credentials",
        calls=calls,
        state=play.state(),
        facts=(
            ("raises", f"{type(error).__name__}: {told}"),
            ("advice", advice),
            ("secrets", "gone from memory and file"),
        ),
        promises=(
            ("no call", not calls),
            ("expired", expired and play.state() == "expired"),
        ),
        data={"error": type(error).__name__, "message": told, "advice": advice},
    )


async def federate_again(play: Play) -> Scene:
    """Sign in again: the same user gets the same identity."""
    token = play.stage.sign_in()
    again = await play.stage.auth.federate_to_identity_pool(token, AuthProvider.GOOGLE)
    calls = play.stage.new_calls()
    same = again.identity_id == play.known().identity_id
    return Scene(
        f"{USER.capitalize()} signs in with Google again, with a new token",
        "Same user, same identity, so GetId is not asked again; what was stored is still hers.",
        did="await auth.federate_to_identity_pool(new_token, AuthProvider.GOOGLE)",
        calls=calls,
        state=play.state(),
        facts=(("identity", f"{again.identity_id}{', the same' if same else ''}"),
               told(again.credentials)),
        promises=(
            ("one call", calls == RENEWAL),
            ("the same identity", same),
            ("signed in", play.state() == "federated"),
        ),
        data={"identity_id": again.identity_id},
    )  # fmt: skip


async def clear(play: Play) -> Scene:
    """Sign out of AWS."""
    await play.stage.auth.clear_federation_to_identity_pool()
    calls = play.stage.new_calls()
    session = await play.stage.auth.fetch_auth_session()
    calls += play.stage.new_calls()
    error = session.credentials_result.error
    return Scene(
        "The user signs out",
        "Memory and file are cleared, for every process, and no network is needed.",
        did="await auth.clear_federation_to_identity_pool()",
        calls=calls,
        state=play.state(),
        facts=(("then", f"session.credentials raises {type(error).__name__}"),),
        promises=(
            ("no call", not calls),
            ("signed out", play.state() == "signed_out"),
            ("no credentials any more", isinstance(error, SignedOutError)),
        ),
    )
