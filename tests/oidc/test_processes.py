"""Real processes over one folder: one refreshes, others follow, one that dies loses nothing.

And a sign-in in a process of its own that is interrupted.
"""

import json
import os
import signal
import sys
import textwrap
from functools import partial

import anyio
import httpx
import pytest

from amplify_federation import AuthSettings, EncryptedFileStore, FederatedAuth, IdentityPool
from amplify_federation.testing import FakeCognito
from tests.oidc.kit import CLIENT, GOOGLE, HOUR, ISSUER, Person, signed_in

PROGRAM = """
import sys, time, anyio
from amplify_federation import (
    AuthSettings, EncryptedFileStore, FederatedAuth, IdentityPool, sign_in
)

pool, url, folder, backend, discovery_url = sys.argv[1:]

class Later:
    def time(self):
        return time.time() + 7200
    def monotonic(self):
        return time.monotonic() + 7200

async def main():
{body}

anyio.run(main, backend=backend)
"""
FETCH = """
pool_ = IdentityPool(pool, endpoint_url=url)
async with FederatedAuth(
    pool_, store=EncryptedFileStore(folder), settings=AuthSettings(clock=Later())
) as auth:
    print("ready", flush=True)
    sys.stdin.readline()
    print((await auth.fetch_auth_session()).credentials.access_key_id)
"""
SIGN_IN = """
await sign_in(
    issuer="https://accounts.google.com", client_id="desktop-client", discovery_url=discovery_url,
    device=False, prompt=lambda prompt: print(prompt.url, prompt.redirect_uri, flush=True),
)
"""


class Machine:
    def __init__(self, url, fake, folder):
        self.fake, self.url, self.folder = fake, url, folder
        self.pool = fake.create_identity_pool({GOOGLE: [CLIENT]})
        self.discovery_url = f"{url}/{GOOGLE.login_key}/.well-known/openid-configuration"
        self.processes = []

    async def federate(self, *, advance=True):
        """Sign Alice in and federate, two hours before the processes' time."""
        http = httpx.AsyncClient(trust_env=False)
        person = Person(self)
        person.open = partial(httpx.AsyncClient, trust_env=False)
        async with http:
            signed = await signed_in(
                person, issuer=ISSUER, discovery_url=self.discovery_url, http_client=http
            )
        async with self.auth() as auth:
            await auth.federate_to_identity_pool(
                signed.id_token, signed.provider, refresh_grant=signed.refresh_grant
            )
        self.fake.advance(2 * HOUR if advance else 0)
        self.fake.provider_calls.clear()

    def auth(self):
        pool = IdentityPool(self.pool, endpoint_url=self.url)
        return FederatedAuth(pool, store=EncryptedFileStore(self.folder), settings=AuthSettings())

    async def start(self, body, backend):
        program = PROGRAM.format(body=textwrap.indent(body, "    "))
        arguments = (self.pool, self.url, str(self.folder), backend, self.discovery_url)
        process = await anyio.open_process([sys.executable, "-c", program, *arguments])
        self.processes.append(process)
        return process, (await line_of(process))

    def asked(self, endpoint):
        return sum(call.endpoint == endpoint for call in self.fake.provider_calls)


async def line_of(process):
    data = b""
    while not data.endswith(b"\n"):
        data += await process.stdout.receive()
    return data.decode().strip()


@pytest.fixture(scope="module")
def anyio_backend():
    return "asyncio"  # of the tests; their processes choose


@pytest.fixture
async def machine(tmp_path):
    fake = FakeCognito()
    async with fake.serve() as url:
        machine = Machine(url, fake, tmp_path / "s")
        try:
            with anyio.fail_after(60):
                yield machine
        finally:
            for process in machine.processes:
                if process.returncode is None:
                    process.kill()
                await process.wait()
                await process.aclose()


async def test_one_process_refreshes_and_the_others_follow(machine):
    await machine.federate()
    first, _ = await machine.start(FETCH, "asyncio")
    second, _ = await machine.start(FETCH, "trio")
    for process in (first, second):
        await process.stdin.send(b"\n")
    assert await line_of(first) == await line_of(second)
    assert machine.asked("token") == 1


async def test_a_process_killed_between_rotation_and_use_leaves_the_new_refresh_token(machine):
    await machine.federate()
    machine.fake.fail_next(operation="jwks.json", delay=60)
    dying, _ = await machine.start(FETCH, "trio")
    await dying.stdin.send(b"\n")
    # It has rotated by then, and looks at the ID token.
    while not machine.asked("jwks.json"):  # noqa: ASYNC110  # a thread of the fake's tells
        await anyio.sleep(0.01)
    dying.kill()
    await dying.wait()
    survivor, _ = await machine.start(FETCH, "asyncio")
    await survivor.stdin.send(b"\n")
    assert (await line_of(survivor)).startswith("ASIA")
    assert machine.asked("token") == 2


@pytest.mark.skipif(sys.platform == "win32", reason="no SIGINT to another process")
@pytest.mark.parametrize("backend", ["asyncio", "trio"])
async def test_an_interrupted_sign_in_ends_and_leaves_nothing(machine, backend):
    process, shown = await machine.start(SIGN_IN, backend)
    port = int(shown.rpartition(":")[2].strip("/"))
    process.send_signal(signal.SIGINT)
    errors = b"".join([piece async for piece in process.stderr])
    await process.wait()
    assert errors.rstrip().endswith(b"KeyboardInterrupt")
    with pytest.raises(OSError, match="All connection attempts failed"):
        await anyio.connect_tcp("127.0.0.1", port)


async def test_the_command_and_boto_follow_with_the_refresh_token(machine):
    boto = pytest.importorskip("amplify_federation.integrations.boto")
    pytest.importorskip("botocore")
    machine.fake.skew = -2 * HOUR  # the sign-in was two hours ago
    await machine.federate(advance=False)
    machine.fake.skew = 0
    environment = {
        **os.environ,
        "AMPLIFY_FEDERATION_HOME": str(machine.folder),
        "AMPLIFY_FEDERATION_POOL_ID": machine.pool,
        "AWS_ENDPOINT_URL_COGNITO_IDENTITY": machine.url,
    }
    command = [sys.executable, "-m", "amplify_federation.cli", "credentials", "--format", "process"]
    done = await anyio.run_process(command, env=environment)
    printed = json.loads(done.stdout)
    async with machine.auth() as auth:
        credentials = boto.botocore_credentials(auth)
        frozen = await anyio.to_thread.run_sync(credentials.get_frozen_credentials)
    assert frozen.access_key == printed["AccessKeyId"]
    assert machine.asked("token") == 1
