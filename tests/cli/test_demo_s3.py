import http.client

import pytest

pytest.importorskip("botocore")

from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest

from amplify_federation import AuthProvider
from amplify_federation.cli.demo_s3 import S3StandIn

HOUR = 3600


@pytest.fixture
async def given(demo):
    """Credentials of alice, whose secret key the S3 knows."""
    result = await demo.auth.federate_to_identity_pool(demo.sign_in(), AuthProvider.GOOGLE)
    demo.s3.learn(result.credentials)
    return result


def signed(demo, result, method="PUT", body=b"picture", **claimed):
    """Return the arguments of a request to an object of alice's, signed by botocore."""
    url = f"{demo.s3_url}/pictures/{result.identity_id}/me.png"
    request = AWSRequest(method, url.replace("west-2:", "west-2%3A"), data=body)
    keys = {
        "access_key": result.credentials.access_key_id,
        "secret_key": result.credentials.secret_access_key,
        "token": result.credentials.session_token,
    } | claimed
    S3SigV4Auth(type("Keys", (), keys), "s3", "us-west-2").add_auth(request)
    headers = {name: value for name, value in request.headers.items() if name != "Content-Length"}
    return {"method": method, "url": request.url, "headers": headers, "content": body}


async def ask(demo, request):
    return await demo.client.request(**request)


async def test_an_object_is_written_and_read_by_its_owner(demo, given):
    assert (await ask(demo, signed(demo, given, "GET", b""))).status_code == 404
    assert (await ask(demo, signed(demo, given))).status_code == 200
    assert (await ask(demo, signed(demo, given, "GET", b""))).content == b"picture"


async def test_what_is_not_signed_right_is_refused(demo, given):
    right = signed(demo, given)
    other = await demo.other_user().federate_to_identity_pool(
        demo.sign_in("bob"), AuthProvider.GOOGLE
    )
    cases = {
        "XAmzContentSHA256Mismatch": right | {"content": b"another"},
        "SignatureDoesNotMatch": signed(demo, given, secret_key="guessed"),
        "InvalidAccessKeyId": signed(demo, given, access_key="ASIAUNKNOWN"),
        "InvalidToken": signed(demo, given, token=other.credentials.session_token),
    }
    for code, request in cases.items():
        answer = await ask(demo, request)
        assert code in answer.text, code
        assert answer.is_client_error
    unsigned = await demo.client.put(right["url"], content=b"picture")
    moved = await ask(demo, right | {"url": right["url"] + ".png"})
    assert (unsigned.status_code, moved.status_code) == (403, 403)


async def test_credentials_that_are_over_are_refused(demo, given):
    request = signed(demo, given)
    demo.fake.advance(HOUR + 1)
    answer = await ask(demo, request)
    assert (answer.status_code, "ExpiredToken" in answer.text) == (400, True)


def test_a_large_body_is_refused_before_it_is_read():
    with S3StandIn(str, float).serve() as url:
        connection = http.client.HTTPConnection(url.removeprefix("http://"), timeout=30)
        connection.putrequest("PUT", "/pictures/large")
        connection.putheader("content-length", "99999999999")
        connection.endheaders()
        assert connection.getresponse().status == 413
        connection.close()


def test_it_shows_neither_secrets_nor_objects():
    s3 = S3StandIn(str, float)
    assert "secret" not in repr(s3)
