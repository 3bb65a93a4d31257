import json
import os
import subprocess
import sys
import time

import pytest
from click.testing import CliRunner

from amplify_federation import AuthProvider
from amplify_federation.cli.demo_environment import demo_environment
from amplify_federation.cli.program import program
from amplify_federation.testing import FakeCognito, ManualClock


@pytest.fixture(params=["asyncio"])
def anyio_backend(request):
    """The command runs on asyncio."""
    return request.param


class Result:
    """How a command ended."""

    def __init__(self, code, stdout, stderr):
        self.code, self.stdout, self.stderr = code, stdout, stderr

    @property
    def json(self):
        return json.loads(self.stdout)

    @property
    def error(self):
        return json.loads(self.stderr)

    @property
    def everything(self):
        return self.stdout + self.stderr

    def __repr__(self):
        return f"exit code {self.code}\n{self.stdout}\n{self.stderr}"


class Command:
    """Runs the command in this process, or in one of its own."""

    def __init__(self, url, pool, folder):
        self.url, self.pool, self.folder = url, pool, folder

    def __call__(self, *arguments, stdin=None, env=None):
        done = CliRunner().invoke(
            program, arguments, input=stdin, env={**self.variables(), **(env or {})}
        )
        return Result(done.exit_code, done.stdout, done.stderr)

    def variables(self):
        return {
            "AMPLIFY_FEDERATION_POOL_ID": self.pool,
            "AMPLIFY_FEDERATION_HOME": str(self.folder),
            "AWS_ENDPOINT_URL_COGNITO_IDENTITY": self.url,
        }

    def environment(self, **more):
        kept = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("AWS_", "AMPLIFY_FEDERATION_"))
        }
        return {**kept, **self.variables(), **more}

    def in_a_process(self, *arguments, stdin=None, **env):
        done = subprocess.run(
            [sys.executable, "-m", "amplify_federation.cli", *arguments],
            input=stdin,
            env=self.environment(**env),
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        return Result(done.returncode, done.stdout, done.stderr)


@pytest.fixture
def clock():
    """A clock that begins at the real time: the command has no other."""
    return ManualClock(time.time())


@pytest.fixture
def fake(clock):
    return FakeCognito(clock=clock)


@pytest.fixture
def pool(fake):
    return fake.create_identity_pool()


@pytest.fixture
def url(fake):
    with fake.serve() as url:
        yield url


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "sessions"


@pytest.fixture
def command(url, pool, folder):
    return Command(url, pool, folder)


@pytest.fixture
def token(fake, pool):
    return fake.issue_token(AuthProvider.GOOGLE, "alice")


@pytest.fixture
def signed_in(command, token):
    """The command, after a federation."""
    done = command("federate", "--provider", "google", "--token-file", "-", stdin=token)
    assert done.code == 0, done
    return command


@pytest.fixture
async def demo():
    async with demo_environment() as demo:
        yield demo
