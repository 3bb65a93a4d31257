"""The story that the demonstration tells: one session, from the first token to the clear.

Each scene does something, and shows what it cost and what came of it. This file must not know how
a scene is printed.
"""

import stat
from collections.abc import AsyncGenerator, Awaitable, Callable

from attrs import define

from amplify_federation import (
    AuthProvider,
    AWSCredentials,
    FederationResult,
    SessionExpiredError,
    SignedOutError,
)
from amplify_federation.cli.demo.scene import Scene
from amplify_federation.cli.demo.stage import USER, Stage, set_stage
from amplify_federation.cli.showing import moment, name_of, shown_id

BOTH = ("GetId", "GetCredentialsForIdentity")
RENEWAL = ("GetCredentialsForIdentity",)
HOUR = 3600.0  # seconds; the life of Cognito's credentials and of Google's tokens
_SHOWN_BYTES = 24


async def tell() -> AsyncGenerator[Scene]:
    """Play the story; yield each scene when it has been played."""
    async with set_stage() as stage:
        story = Story(stage)
        yield story.opening()
        for play in story.plays():
            yield await play()


@define
class Story:
    """The scenes, in their order. Later ones rely on what earlier ones left."""

    stage: Stage
    token: str = ""
    first: FederationResult | None = None
    sealed: tuple[str, ...] = ()  # what must not be found in the file

    def plays(self) -> tuple[Callable[[], Awaitable[Scene]], ...]:
        """Return the scenes after the opening."""
        return (
            self.sign_in, self.federate, self.fetch, self.look_at_file, self.second_process,
            self.outlive_credentials, self.outlive_token, self.federate_again, self.clear,
        )  # fmt: skip

    def opening(self) -> Scene:
        """Show where everything happens."""
        return Scene(
            "An embedded Cognito starts on this machine",
            "It stands in for AWS: same calls, same checks, same errors, and a clock that moves.",
            facts=(
                ("endpoint", self.stage.url),
                ("pool", f"{self.stage.pool.identity_pool_id}, which trusts Google"),
            ),
            data={"endpoint": self.stage.url, "pool": self.stage.pool.identity_pool_id},
        )

    async def sign_in(self) -> Scene:
        """Get a token, as an application gets one from Google's sign-in."""
        self.token = self.stage.sign_in()
        size = len(self.token)
        return Scene(
            f"The user, {USER}, signs in with Google",
            "Google gives the application an ID token: a signed statement of who this is.",
            facts=(("token", f"{self.token[:10]}... ({size} characters, good for 1 hour)"),),
            data={"token_characters": size},
        )

    async def federate(self) -> Scene:
        """Trade the token for credentials."""
        auth = self.stage.auth
        self.first = await auth.federate_to_identity_pool(self.token, AuthProvider.GOOGLE)
        credentials = self.first.credentials
        self.sealed = (
            self.token,
            credentials.secret_access_key,
            credentials.session_token,
            self.first.identity_id,
        )
        calls = self.stage.new_calls()
        return Scene(
            "The token is traded for an identity and AWS credentials",
            "Cognito checks the token, and from now on this user has rights of their own in AWS.",
            did="await auth.federate_to_identity_pool(token, AuthProvider.GOOGLE)",
            calls=calls,
            state=self._state(),
            facts=(("identity", self.first.identity_id), _told(credentials)),
            promises=(("two calls", calls == BOTH), ("signed in", self._state() == "federated")),
            data={"identity_id": self.first.identity_id},
        )

    async def fetch(self) -> Scene:
        """Ask for the session, as an application does before each use."""
        session = await self.stage.auth.fetch_auth_session()
        calls = self.stage.new_calls()
        return Scene(
            "The application asks for the session, as often as it likes",
            "Fresh credentials come from memory.",
            did="await auth.fetch_auth_session()",
            calls=calls,
            state=self._state(),
            facts=(_told(session.credentials),),
            promises=(
                ("no call", not calls),
                ("the same credentials", session.credentials == self._known().credentials),
            ),
        )

    async def look_at_file(self) -> Scene:
        """Show what is on the disk."""
        path = self.stage.session_file()
        raw = path.read_bytes()  # 4 KiB, once
        status = path.stat()  # the same
        mode, silent = stat.filemode(status.st_mode), self._is_silent(raw)
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

    async def second_process(self) -> Scene:
        """Let another process find the session."""
        answer = await self.stage.ask_another_process()
        calls = self.stage.new_calls()
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
                ("the same identity", answer.get("identity_id") == self._known().identity_id),
            ),
            data={"answer": answer},
        )

    async def outlive_credentials(self) -> Scene:
        """Move the clock past the credentials: they are renewed with the stored token."""
        self.stage.fake.advance(HOUR)
        session = await self.stage.auth.fetch_auth_session()
        calls = self.stage.new_calls()
        identity = session.identity_id_result.value_or_none
        same = identity == self._known().identity_id
        return Scene(
            "One hour passes: the credentials are over, and are renewed by themselves",
            "Cognito still takes the stored token (it allows 5 minutes past the token's own end).",
            did="await auth.fetch_auth_session()",
            calls=calls,
            state=self._state(),
            facts=(("identity", f"{identity}{', the same' if same else ''}"),
                   _told(session.credentials_result.value_or_none)),
            promises=(
                ("one call", calls == RENEWAL),
                ("the same identity", same),
                ("new credentials", session.credentials_result.value_or_none
                 not in {None, self._known().credentials}),
            ),
            data={"identity_id": identity},
        )  # fmt: skip

    async def outlive_token(self) -> Scene:
        """Move the clock past the token, too: now only a new sign-in helps."""
        self.stage.fake.advance(HOUR)
        session = await self.stage.auth.fetch_auth_session()
        calls = self.stage.new_calls()
        error = session.credentials_result.error
        expired = isinstance(error, SessionExpiredError)
        told = error.message if error else "nothing"
        advice = error.recovery_suggestion if error else ""
        return Scene(
            "Another hour passes: the token is over, too",
            "Nothing that is held can help, so nobody is asked. The identity is remembered.",
            did="(await auth.fetch_auth_session()).credentials",
            calls=calls,
            state=self._state(),
            facts=(
                ("raises", f"{type(error).__name__}: {told}"),
                ("advice", advice),
                ("secrets", "gone from memory and file"),
            ),
            promises=(
                ("no call", not calls),
                ("expired", expired and self._state() == "expired"),
            ),
            data={"error": type(error).__name__, "message": told, "advice": advice},
        )

    async def federate_again(self) -> Scene:
        """Sign in again: the same user gets the same identity."""
        token = self.stage.sign_in()
        again = await self.stage.auth.federate_to_identity_pool(token, AuthProvider.GOOGLE)
        calls = self.stage.new_calls()
        same = again.identity_id == self._known().identity_id
        return Scene(
            f"{USER.capitalize()} signs in with Google again, with a new token",
            "Same user, same identity, so GetId is not asked again; what was stored is still hers.",
            did="await auth.federate_to_identity_pool(new_token, AuthProvider.GOOGLE)",
            calls=calls,
            state=self._state(),
            facts=(("identity", f"{again.identity_id}{', the same' if same else ''}"),
                   _told(again.credentials)),
            promises=(
                ("one call", calls == RENEWAL),
                ("the same identity", same),
                ("signed in", self._state() == "federated"),
            ),
            data={"identity_id": again.identity_id},
        )  # fmt: skip

    async def clear(self) -> Scene:
        """Sign out of AWS."""
        await self.stage.auth.clear_federation_to_identity_pool()
        calls = self.stage.new_calls()
        session = await self.stage.auth.fetch_auth_session()
        calls += self.stage.new_calls()
        error = session.credentials_result.error
        return Scene(
            "The user signs out",
            "Memory and file are cleared, for every process, and no network is needed.",
            did="await auth.clear_federation_to_identity_pool()",
            calls=calls,
            state=self._state(),
            facts=(("then", f"session.credentials raises {type(error).__name__}"),),
            promises=(
                ("no call", not calls),
                ("signed out", self._state() == "signed_out"),
                ("no credentials any more", isinstance(error, SignedOutError)),
            ),
        )

    def _state(self) -> str:
        return name_of(self.stage.auth.state)

    def _known(self) -> FederationResult:
        if self.first is None:  # pragma: no cover  # `federate` comes before whatever asks
            raise AssertionError
        return self.first

    def _is_silent(self, raw: bytes) -> bool:
        return not any(secret.encode() in raw for secret in self.sealed)


def _told(credentials: AWSCredentials | None) -> tuple[str, str]:
    if credentials is None:
        return "credentials", "none"
    until = moment(credentials.expiration)
    return "credentials", f"{shown_id(credentials)} (secrets hidden), until {until}"
