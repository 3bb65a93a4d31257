import httpx
import pytest

from amplify_federation.testing import FakeCognito, ManualClock, serve_control
from amplify_federation.testing.control import Control, provider_named


@pytest.fixture(scope="module")
def served():
    fake = FakeCognito(clock=ManualClock())
    with (
        fake.serve() as url,
        serve_control(fake) as access,
        httpx.Client(
            base_url=access.url, headers={"authorization": f"Bearer {access.token}"}
        ) as client,
    ):
        yield fake, url, client


def get_id(url, pool, token):
    return httpx.post(
        url,
        json={"IdentityPoolId": pool, "Logins": {"accounts.google.com": token} if token else {}},
        headers={
            "content-type": "application/x-amz-json-1.1",
            "x-amz-target": "AWSCognitoIdentityService.GetId",
        },
    )


def test_suite_of_another_language_administers_the_fake(served):
    fake, url, control = served
    settings = {"providers": {"google": ["web"]}, "guest_access": True}
    pool = control.post("/pools", json=settings).json()["identity_pool_id"]
    assert pool in control.get("/state").json()["pools"]
    order = {"provider": "google", "subject": "alice", "claims": {"email": "a@example.com"}}
    issued = control.post("/tokens", json=order).json()
    assert issued["login_key"] == "accounts.google.com"
    assert get_id(url, pool, issued["token"]).status_code == 200
    control.post("/faults", json={"code": "TooManyRequestsException", "times": 2})
    assert get_id(url, pool, issued["token"]).json()["__type"] == "TooManyRequestsException"
    control.delete("/faults")
    before = control.get("/state").json()["time"]
    assert control.post("/clock", json={"advance": 7200}).json() == {"time": before + 7200}
    assert "Token expired" in get_id(url, pool, issued["token"]).json()["message"]
    calls = control.get("/calls").json()
    assert [call["code"] for call in calls["calls"]][-3:] == [
        None, "TooManyRequestsException", "NotAuthorizedException",
    ]  # fmt: skip
    assert issued["token"] not in str(calls)
    assert control.get(f"/calls/{calls['next']}").json()["calls"] == []
    assert control.patch(f"/pools/{pool}", json={"providers": ["apple"]}).status_code == 200
    control.put("/quotas", json={"GetId": 1.0})
    assert [get_id(url, pool, "x").json()["__type"] for _ in range(2)] == [
        "NotAuthorizedException", "TooManyRequestsException",
    ]  # fmt: skip
    control.put("/quotas", json={})
    control.request("DELETE", "/tokens", json={"token": issued["token"]})
    control.delete("/calls")
    assert not fake.calls
    assert control.delete(f"/pools/{pool}").status_code == 200
    assert control.delete(f"/pools/{pool}").status_code == 404


def test_developer_and_session_tokens_are_read_over_it(served):
    fake, _, control = served
    providers = {"developer": ["backend"]}
    pool = control.post("/pools", json={"providers": providers}).json()["identity_pool_id"]
    order = {"identity_pool_id": pool, "user": "u-1"}
    given = control.post("/developer-tokens", json=order).json()
    credentials = fake._operations.get_credentials_for_identity(
        {
            "IdentityId": given["identity_id"],
            "Logins": {"cognito-identity.amazonaws.com": given["token"]},
        }
    )["Credentials"]
    read = control.post("/session-tokens", json={"session_token": credentials["SessionToken"]})
    assert read.json()["identity_id"] == given["identity_id"]
    assert control.delete(f"/identities/{given['identity_id']}").status_code == 200


@pytest.mark.parametrize("header", ["", "Bearer wrong", "Basic x", "Bearer é"])
def test_nobody_without_the_token_is_let_in(served, header):
    _, _, control = served
    reply = control.get("/state", headers={"authorization": header.encode("latin-1")})
    assert reply.status_code == 401


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "text"),
    [
        ("GET", "/nothing", None, 404, "no GET /nothing"),
        ("POST", "/tokens", b"[]", 400, "no JSON object"),
        ("POST", "/tokens", b"[" * 100_000, 400, "no JSON object"),
        ("POST", "/tokens", b'{"lifetime": NaN}', 400, "no JSON object"),
        ("POST", "/tokens", b"{}", 400, "`provider` is missing: a login key or one of: amazon,"),
        ("POST", "/pools", b'{"guest_acces": true}', 400, "there is `guest_access`."),
        ("DELETE", "/tokens", b'{"colour": 1}', 400, "There is no member `colour` here"),
        ("DELETE", "/faults", b'{"colour": 1}', 400, "There is no member `colour` here."),
        ("POST", "/clock", b'{"advance": -1}', 400, "forward only"),
        ("POST", "/session-tokens", b'{"session_token": "x"}', 400, "not issued"),
        ("POST", "/faults", b'{"operation": "GetID"}', 400, "'GetId'"),
        ("PUT", "/providers/gogle", b"{}", 400, "'google'"),
        ("PUT", "/quotas", b'{"GetID": 1}', 400, "'GetId'"),
        ("PUT", "/quotas", b'{"GetId": -1}', 400, "calls per second"),
        ("GET", "/calls/x", None, 400, "'x' is not the number of a call"),
        ("GET", "/calls/-1", None, 400, "'-1' is not the number of a call"),
        ("PATCH", "/pools/us-west-2:0", b"{}", 404, "no identity pool"),
    ],
)
def test_request_that_cannot_be_carried_out_says_why(served, method, path, body, status, text):
    _, _, control = served
    reply = control.request(method, path, content=body)
    assert (reply.status_code, text in reply.json()["error"]) == (status, True), reply.text


NO_OBJECT, NO_TEXTS, NO_TEXT, NO_FLAG, NO_NUMBER = (
    [7, []],
    [7, [7]],
    [7, []],
    [1, "yes"],
    ["1", True],
)
ROLE = "arn:aws:iam::123456789012:role/Guests"


@pytest.mark.parametrize(
    ("method", "path", "member", "values"),
    [
        ("POST", "/pools", "providers", ["google", [7], {"google": "web"}, {"google": [7]}]),
        ("POST", "/pools", "guest_access", NO_FLAG),
        ("POST", "/pools", "classic_flow", NO_FLAG),
        ("POST", "/pools", "roles", [*NO_OBJECT, {"authenticated": 7}, {"guests": ROLE}]),
        ("POST", "/pools", "region", NO_TEXT),
        ("POST", "/pools", "name", NO_TEXT),
        ("POST", "/pools", "pool_id", NO_TEXT),
        ("PATCH", "/pools/us-west-2:0", "guest_access", NO_FLAG),
        ("PUT", "/providers/google", "users", ["alice", [7], {"alice": 7}]),
        ("PUT", "/providers/google", "clients", [*NO_OBJECT, {"web": "http://127.0.0.1/"}]),
        ("PUT", "/providers/google", "client_secrets", [*NO_OBJECT, {"web": 7}]),
        ("PUT", "/providers/google", "audience", NO_TEXT),
        ("PUT", "/providers/google", "lifetime", NO_NUMBER),
        ("PUT", "/providers/google", "claims", NO_OBJECT),
        ("PUT", "/providers/google", "refresh_tokens", NO_FLAG),
        ("PUT", "/providers/google", "rotate_refresh_tokens", NO_FLAG),
        ("PUT", "/providers/google", "device_interval", NO_NUMBER),
        ("PUT", "/providers/google", "signed_in", NO_TEXT),
        ("POST", "/tokens", "provider", NO_TEXT),
        ("POST", "/tokens", "subject", NO_TEXT),
        ("POST", "/tokens", "audience", NO_TEXT),
        ("POST", "/tokens", "lifetime", NO_NUMBER),
        ("POST", "/tokens", "claims", NO_OBJECT),
        ("POST", "/tokens", "forged", NO_FLAG),
        ("DELETE", "/tokens", "token", NO_TEXT),
        ("POST", "/developer-tokens", "identity_pool_id", NO_TEXT),
        ("POST", "/developer-tokens", "user", NO_TEXT),
        ("POST", "/developer-tokens", "identity_id", NO_TEXT),
        ("POST", "/developer-tokens", "lifetime", NO_NUMBER),
        ("POST", "/session-tokens", "session_token", NO_TEXT),
        ("POST", "/faults", "code", NO_TEXT),
        ("POST", "/faults", "operation", NO_TEXT),
        ("POST", "/faults", "times", [1.5, "1", True]),
        ("POST", "/faults", "status", [99, 600, 1e9, "500"]),
        ("POST", "/faults", "retry_after_ms", [True, []]),
        ("POST", "/faults", "delay", NO_NUMBER),
        ("POST", "/faults", "cut_connection", NO_FLAG),
        ("POST", "/faults", "message", NO_TEXT),
        ("PUT", "/quotas", "GetId", NO_NUMBER),
        ("POST", "/clock", "advance", NO_NUMBER),
        ("POST", "/clock", "skew", NO_NUMBER),
    ],
)
def test_member_of_another_kind_is_refused_with_the_kind_it_wants(
    served, method, path, member, values
):
    _, _, control = served
    for value in values:
        reply = control.request(method, path, json={member: value})
        wanted = f"`{member}` must be "
        assert (reply.status_code, reply.json()["error"][: len(wanted)]) == (400, wanted), value


def test_member_that_is_null_is_not_given_except_where_null_is_a_value(served):
    fake, url, control = served
    settings = {"guest_access": True, "roles": {"unauthenticated": ROLE}, "name": None}
    pool = control.post("/pools", json=settings).json()["identity_pool_id"]
    guest = get_id(url, pool, None).json()["IdentityId"]
    issued = fake._operations.get_credentials_for_identity({"IdentityId": guest})["Credentials"]
    assert fake.read_session_token(issued["SessionToken"]).role_arn == ROLE
    settings = {"device_interval": None, "signed_in": None}
    assert (
        "device_authorization_endpoint" not in control.put("/providers/apple", json=settings).text
    )


def test_providers_have_short_names_or_login_keys():
    assert provider_named("google").login_key == "accounts.google.com"
    assert provider_named("login.example.com").login_key == "login.example.com"


def test_token_of_the_control_api_is_not_shown():
    with serve_control(FakeCognito(), token="canary") as access:
        assert access.token == "canary"
        assert "canary" not in repr(access)
    assert Control.__name__ in repr(Control(FakeCognito(), "canary"))
