import json

import pytest
from attrs import frozen

from amplify_federation.testing import FakeCognito, ManualClock
from amplify_federation.testing._http.messages import Request, Response


@pytest.fixture(autouse=True)
def _mocks_intercept(monkeypatch):
    monkeypatch.setenv("AMPLIFY_FEDERATION_TRANSPORT", "httpx")  # as the plugin would


@frozen
class Reply:
    status: int
    headers: dict
    body: dict
    wire: Response

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
        wire_headers = {name.replace("_", "-"): value for name, value in headers.items()}
        answer = self.fake._endpoint.answer(Request(method, host, path, wire_headers, body))
        is_json = "json" in answer.headers["content-type"]
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


@pytest.fixture
def clock():
    return ManualClock()


@pytest.fixture
def fake(clock):
    return FakeCognito(clock=clock)


@pytest.fixture
def call(fake):
    return Caller(fake)
