import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest
from attrs import frozen
from filelock import FileLock

from amplify_federation import AuthProvider
from amplify_federation.testing import ManualClock
from amplify_federation.testing._http.messages import Request, Response

GOOGLE = AuthProvider.GOOGLE


@pytest.fixture(autouse=True)
def _mocks_intercept(monkeypatch):
    monkeypatch.setenv("AMPLIFY_FEDERATION_TRANSPORT", "httpx")  # as the plugin would


@frozen
class Reply:
    status: int
    headers: dict
    body: dict
    response: Response

    @property
    def code(self):
        return self.body.get("__type")

    @property
    def message(self):
        return self.body.get("message")


class Caller:
    """Calls a fake without a socket and without a loop."""

    def __init__(self, fake):
        self.fake = fake

    def send(self, body=b"{}", *, method="POST", path="/", host="cognito.test", **headers):
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        answer = self.fake._endpoint.answer(Request(method, host, path, given, body))
        is_json = "json" in answer.headers["content-type"] and answer.body
        decoded = json.loads(answer.body) if is_json else {}
        return Reply(answer.status, dict(answer.headers), decoded, answer)

    def __call__(self, operation, **given):
        return self.send(
            json.dumps(given).encode(),
            content_type="application/x-amz-json-1.1",
            x_amz_target=f"AWSCognitoIdentityService.{operation}",
        )

    def get_id(self, pool, **logins):
        return self("GetId", IdentityPoolId=pool, **logins)

    def identity(self, pool, logins=None):
        given = {} if logins is None else {"Logins": logins}
        reply = self("GetId", IdentityPoolId=pool, **given)
        assert reply.status == 200, reply.body
        return reply.body["IdentityId"]

    def credentials(self, identity_id, logins=None, **more):
        given = {} if logins is None else {"Logins": logins}
        return self("GetCredentialsForIdentity", IdentityId=identity_id, **given, **more)

    def role(self, *of, **more):
        """The role of an identity's credentials."""
        reply = self.credentials(*of, **more)
        assert reply.status == 200, reply.body
        return self.fake.read_session_token(reply.body["Credentials"]["SessionToken"]).role_arn


@pytest.fixture
def clock():
    return ManualClock(time=1_800_000_000.0)


@pytest.fixture
def call(fake):
    return Caller(fake)


@pytest.fixture
def pool(fake):
    return fake.create_identity_pool(
        {
            GOOGLE: ["web"],
            AuthProvider.FACEBOOK: ["app"],
            AuthProvider.DEVELOPER: ["login.example"],
        },
        guest_access=True,
        classic_flow=True,
    )


@pytest.fixture
def google(fake, pool):
    """Make the `Logins` of a user of Google."""

    def logins(subject="alice", **claims):
        return {GOOGLE.login_key: fake.issue_token(GOOGLE, subject, claims=claims)}

    return logins


SOURCES = Path(__file__).parent / "javascript"
NPM_PACKAGES = [
    "@aws-amplify/auth",
    "@aws-amplify/core",
    "@aws-sdk/client-cognito-identity",
    "@aws-sdk/credential-provider-cognito-identity",
    "@aws-sdk/credential-providers",
    "esbuild",
    "openid-client",
]


@pytest.fixture(scope="session")
def node_modules(pytestconfig):
    """The folder of npm's packages: one of NODE_PATH, else installed once into pytest's cache."""
    if not (npm := shutil.which("npm")) or not shutil.which("node"):
        pytest.skip("Node and npm are not installed")
    for entry in os.environ.get("NODE_PATH", "").split(os.pathsep):
        if entry and all((Path(entry) / name).is_dir() for name in NPM_PACKAGES):
            return Path(entry)
    if not hasattr(pytestconfig, "cache"):  # with `-p no:cacheprovider`
        pytest.skip("npm's packages are kept in pytest's cache, which is off")
    folder = pytestconfig.cache.mkdir("amplify_federation_javascript")
    modules = folder / "node_modules"
    with FileLock(folder / "lock"):
        if not all((modules / name).is_dir() for name in NPM_PACKAGES):
            quiet = ["--silent", "--no-audit", "--no-fund"]
            quick = ["--prefer-offline", "--fetch-retries=0"]
            done = subprocess.run(
                [npm, "install", *quiet, *quick, "--prefix", str(folder), *NPM_PACKAGES],
                capture_output=True, text=True, check=False,
            )  # fmt: skip
            if done.returncode:
                pytest.skip(f"npm could not install the packages: {done.stderr[-300:]}")
    return modules


@pytest.fixture(scope="session")
def node_folder(node_modules, tmp_path_factory):
    """A folder with the scripts, in which Node finds the packages."""
    folder = tmp_path_factory.mktemp("javascript")
    for source in SOURCES.iterdir():
        shutil.copy(source, folder)
    (folder / "node_modules").symlink_to(node_modules)
    return folder


@pytest.fixture(scope="session")
def node_program(node_folder):
    """The command line of one of the scripts."""
    return lambda name: ["node", str(node_folder / name)]
