"""What the steps of the demonstration share: an embedded Cognito, a folder, a clock, a session.

The embedded Cognito of `amplify_federation.testing` is what the demonstration shows. It is imported
when the command runs, and not before.
"""

import json
import os
import subprocess
import sys
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import anyio.to_thread
from attrs import define, field

from amplify_federation import (
    AuthProvider,
    AuthSettings,
    EncryptedFileStore,
    FederatedAuth,
    FederationResult,
    IdentityPool,
    KeyFile,
    MemoryStore,
)
from amplify_federation.cli.demo_s3 import BUCKET, S3StandIn

if TYPE_CHECKING:
    import httpx

    from amplify_federation.testing import FakeCognito


USER = "alice"


@define
class Demo:
    """What the steps work with, and the results of earlier steps that later ones use."""

    fake: "FakeCognito"
    url: str
    folder: Path
    auth: FederatedAuth
    pool: IdentityPool
    client: "httpx.AsyncClient"
    settings: AuthSettings
    s3: S3StandIn
    s3_url: str
    token: str = ""
    first: FederationResult | None = None
    sealed: tuple[str, ...] = ()  # must be neither in the file nor on the screen
    _seen: int = field(default=0)

    def state(self) -> str:
        """Return the name of the session's state."""
        return self.auth.state.name

    def known(self) -> FederationResult:
        """Return the result of the first federation."""
        if self.first is None:  # pragma: no cover  # the federation is an earlier step
            raise AssertionError
        return self.first

    def picture_url(self) -> str:
        """Return the URL of the user's picture."""
        return f"{self.s3_url}/{BUCKET}/{self.known().identity_id}/me.svg"

    def has_no_secret(self, raw: bytes) -> bool:
        """Whether none of the secrets is in these bytes."""
        return not any(secret.encode() in raw for secret in self.sealed)

    def new_calls(self) -> tuple[str, ...]:
        """Return the operations that Cognito was asked for since the last call of this."""
        fresh = self.fake.calls[self._seen :]
        self._seen += len(fresh)
        return tuple(call.operation for call in fresh)

    def sign_in(self, user: str = USER) -> str:
        """Return a new token of Google's for a user, as a sign-in would."""
        return self.fake.issue_token(AuthProvider.GOOGLE, user)

    def other_user(self) -> FederatedAuth:
        """Return a session for another user, in memory."""
        return FederatedAuth(
            self.pool, store=MemoryStore(), http_client=self.client, settings=self.settings
        )

    def session_file(self) -> Path:
        """Return the file that holds the session."""
        return next(self.folder.glob("*.session"))

    def command_of_another_process(self) -> list[str]:
        """Return the arguments of another process: this program's own `session`."""
        pool = self.pool.identity_pool_id
        return ["session", "--json", "--pool", pool, "--store", str(self.folder)]

    async def ask_another_process(self) -> dict[str, Any]:
        """Show the session in a second Python process; return what it printed."""
        arguments = [sys.executable, "-m", "amplify_federation.cli"]
        arguments += self.command_of_another_process()
        kept = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("AMPLIFY_FEDERATION_", "AWS_"))
        }
        # If it called Cognito, it would call this one, and the call would be counted.
        kept["AWS_ENDPOINT_URL_COGNITO_IDENTITY"] = self.url
        done = await anyio.to_thread.run_sync(
            lambda: subprocess.run(  # noqa: S603  # our own interpreter, our own arguments
                arguments, env=kept, capture_output=True, check=False, timeout=30
            )
        )
        try:
            answer: dict[str, Any] = json.loads(done.stdout)
        except ValueError:
            answer = {"state": "unknown", "message": done.stderr.decode(errors="replace")}
        return answer


@asynccontextmanager
async def demo_environment() -> AsyncGenerator[Demo]:
    """Set up the demonstration in a folder of its own, which is deleted in the end."""
    import httpx  # noqa: PLC0415  # heavy

    from amplify_federation.testing import FakeCognito, ManualClock  # noqa: PLC0415  # see above

    clock = ManualClock(time.time())
    fake = FakeCognito(clock=clock)
    pool_id = fake.create_identity_pool([AuthProvider.GOOGLE])
    s3 = S3StandIn(fake.read_session_token, clock.time)
    with s3.serve() as s3_url, TemporaryDirectory(prefix="amplify-federation-demo-") as temporary:
        folder = Path(temporary) / "sessions"
        folder.mkdir(mode=0o700)
        # Key, endpoint and proxy are given, so that nothing in the environment changes it.
        store = EncryptedFileStore(folder, key=KeyFile(folder / "master.key", create=True))
        async with fake.serve() as url, httpx.AsyncClient(trust_env=False) as client:
            pool = IdentityPool(pool_id, endpoint_url=url, use_fips=False, use_dualstack=False)
            settings = AuthSettings(clock=clock)
            async with FederatedAuth(
                pool, store=store, http_client=client, settings=settings
            ) as auth:
                yield Demo(fake, url, folder, auth, pool, client, settings, s3, s3_url)
