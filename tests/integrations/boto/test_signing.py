"""Requests of httpx signed for AWS, and URLs that hold what they promise."""

import json
import subprocess
import sys
import threading
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from urllib.parse import parse_qs, urlsplit

import anyio
import anyio.to_thread
import httpx
import pytest

from amplify_federation import IdentityPool, InvalidStateError, SignedOutError, ValidationError

boto3 = pytest.importorskip("boto3")

from amplify_federation.integrations.boto import SigV4Auth, presign  # noqa: E402  # needs botocore

HOUR = 3600.0
POOL = IdentityPool("us-east-1:b4cd4809-7ab1-42e1-b044-07dab9eaa768")
STS_TOKEN = (
    "AQoDYXdzEPT//////////wEXAMPLEtc764bNrC9SAPBSM22wDOk4x4HIZ8j4FZTwdQWLWsKWHGBuFqwAeMicRXmxfpSP"
    "fIeoIYRqTflfKD8YUuwthAx7mSEI/qkPpKPi/kMcGdQrmGdeehM4IC1NtBmUpp2wUE8phUZampKsburEDy0KPkyQDYwT7"
    "WZ0wq5VSXDvp75YU9HFvlRd8Tx6q6fE8YQcHNVXAkiY9q6d+xo0rKwT38xVqr7ZD0u0iPPkUL64lIZbqBAz+scqKmlzm8"
    "FDrypNC9Yjc8fPOLn9FX9KSYvKTr4rvx3iSIlTJabIQwj2ICCR/oLxBA=="
)


class GivenSession:
    """A session with the credentials that a test gives."""

    def __init__(self, access_key_id, secret_access_key, session_token):
        self.pool = POOL
        self.settings = SimpleNamespace(clock=None)
        self.state = object()
        self.credentials = SimpleNamespace(
            access_key_id=access_key_id,
            secret_access_key=secret_access_key,
            session_token=session_token,
        )

    async def fetch_auth_session(self, *, force_refresh=False):
        return self


# From AWS's published test suite of Signature Version 4: request, signed headers, signature.
VECTORS = {
    "get-vanilla": (
        ("GET", "/", {}, None),
        "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31",
    ),
    "get-vanilla-query-order-key-case": (
        ("GET", "/?Param2=value2&Param1=value1", {}, None),
        "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500",
    ),
    "get-vanilla-utf8-query": (
        ("GET", "/?\u1234=bar", {}, None),
        "2cdec8eed098649ff3a119c94853b13c643bcf08f8b0a1d91e12c9027818dd04",
    ),
    "get-unreserved": (
        ("GET", "/-._~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz", {}, None),
        "07ef7494c76fa4850883e2b006601f940f8a34d404d0cfa977f52a65bbf5f24f",
    ),
    "get-header-value-trim": (
        ("GET", "/", {"My-Header1": " value1", "My-Header2": ' "a   b   c"'}, None),
        "acc3ed3afb60bb290fc8d2dd0098b9911fcaa05412b367055dee359757a9c736",
    ),
    "post-vanilla": (
        ("POST", "/", {}, None),
        "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b",
    ),
    "post-x-www-form-urlencoded": (
        ("POST", "/", {"Content-Type": "application/x-www-form-urlencoded"}, b"Param1=value1"),
        "ff11897932ad3f4e8b18135d722051e5ac45fc38421b1da7b9d196a0fe09473a",
    ),
    "post-sts-header-before": (
        ("POST", "/", {}, None),
        "85d96828115b5dc0cfc3bd16ad9e210dd772bbebba041836c64533a82be05ead",
    ),
}


@pytest.mark.parametrize("name", VECTORS)
async def test_signatures_are_those_of_awss_test_suite(name, monkeypatch):
    (method, target, headers, body), signature = VECTORS[name]
    moment = datetime(2015, 8, 30, 12, 36, tzinfo=UTC)
    monkeypatch.setattr("botocore.auth.get_current_datetime", lambda: moment)
    token = STS_TOKEN if "sts" in name else None
    session = GivenSession("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", token)
    seen = []

    def answer(request):
        seen.append(request.headers["Authorization"])
        return httpx.Response(200)

    async with httpx.AsyncClient(
        transport=httpx.MockTransport(answer), auth=SigV4Auth(session, "service")
    ) as client:
        url = f"https://example.amazonaws.com{target}"
        await client.request(method, url, headers=headers, content=body)
    assert seen[0].rpartition("Signature=")[2] == signature


@pytest.fixture
def own_moto(free_tcp_port):
    """Give the URL of a moto in a process of its own: checking is a switch of the whole process."""
    pytest.importorskip("moto.server")
    command = [sys.executable, "-m", "moto.server", "-p", str(free_tcp_port)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    url = f"http://127.0.0.1:{free_tcp_port}"
    transport = httpx.HTTPTransport(retries=10)  # while it starts
    with httpx.Client(transport=transport, timeout=30) as client:
        assert client.get(f"{url}/moto-api/data.json").status_code == 200
    yield url
    process.terminate()
    process.wait()


@pytest.fixture
def checking_moto(own_moto):
    """Give AWS that checks signatures, and credentials of a role that may use S3."""
    moto = own_moto
    keys = {"aws_access_key_id": "test", "aws_secret_access_key": "test"}
    admin = boto3.Session(region_name="us-east-1", **keys)
    iam = admin.client("iam", endpoint_url=moto)
    iam.create_role(RoleName="user", AssumeRolePolicyDocument="{}")
    allowed = {"Effect": "Allow", "Action": "s3:*", "Resource": "*"}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [allowed]})
    iam.put_role_policy(RoleName="user", PolicyName="s3", PolicyDocument=policy)
    sts = admin.client("sts", endpoint_url=moto)
    role = "arn:aws:iam::123456789012:role/user"
    given = sts.assume_role(RoleArn=role, RoleSessionName="user")["Credentials"]
    httpx.post(f"{moto}/moto-api/reset-auth", content=b"0")  # from now on it checks
    for client in (iam, sts):
        client.close()
    return moto, given["AccessKeyId"], given["SecretAccessKey"], given["SessionToken"]


async def test_a_server_that_checks_signatures_takes_them(checking_moto):
    url, key, secret, token = checking_moto
    auth = SigV4Auth(GivenSession(key, secret, token), "s3")
    async with httpx.AsyncClient(auth=auth, base_url=url) as client:
        answers = [
            await client.put("/checked"),
            await client.put("/checked/a%20b+c:d=e/\u00fc", content=b"hello"),
            await client.get("/checked/a%20b+c:d=e/\u00fc"),
            await client.get("/checked", params={"list-type": "2", "prefix": "a b/+c*"}),
        ]
        assert [answer.status_code for answer in answers] == [200] * 4, answers[-1].text
        assert answers[2].content == b"hello"
        forged = SigV4Auth(GivenSession(key, secret[::-1], token), "s3")
        refused = await client.get("/checked", auth=forged)
    assert refused.status_code == 403
    assert "SignatureDoesNotMatch" in refused.text


EXPIRED = {
    "S3": httpx.Response(400, text="<Error><Code>ExpiredToken</Code></Error>"),
    "JSON": httpx.Response(400, json={"__type": "com.amazon#ExpiredTokenException"}),
    "header": httpx.Response(403, headers={"x-amzn-errortype": "ExpiredTokenException"}),
    "EC2": httpx.Response(400, text="<Code>RequestExpired</Code>"),
    "API Gateway": httpx.Response(
        403, json={"message": "The security token included in the request is expired"}
    ),
}


def service(answers):
    """Return a transport that gives these answers, and the access key ids that signed."""
    waiting, seen = list(answers), []

    def answer(request):
        seen.append(request.headers["Authorization"].split("Credential=")[1].split("/")[0])
        given = waiting.pop(0)
        return httpx.Response(given.status_code, headers=given.headers, content=given.content)

    return httpx.MockTransport(answer), seen


@pytest.mark.parametrize("form", EXPIRED)
async def test_expired_credentials_are_renewed_once_and_the_request_sent_again(form, auth, sign_in):
    first = (await sign_in(auth)).credentials.access_key_id
    transport, seen = service([EXPIRED[form], httpx.Response(200)])
    async with httpx.AsyncClient(
        transport=transport, auth=SigV4Auth(auth, "execute-api")
    ) as client:
        assert (await client.post("https://api.example", content=b"{}")).status_code == 200
    renewed = (await auth.fetch_auth_session()).credentials.access_key_id
    assert seen == [first, renewed]
    assert first != renewed


async def test_a_second_refusal_is_handed_back_and_another_is_not_repeated(auth, sign_in, fake):
    await sign_in(auth)
    transport, seen = service([EXPIRED["S3"], EXPIRED["S3"], httpx.Response(403, text="denied")])
    async with httpx.AsyncClient(
        transport=transport, auth=SigV4Auth(auth, "execute-api")
    ) as client:
        assert (await client.get("https://api.example")).status_code == 400
        assert (await client.get("https://api.example")).status_code == 403
    assert len(seen) == 3
    assert [call.operation for call in fake.calls].count("GetCredentialsForIdentity") == 2


async def test_many_expired_answers_cause_one_renewal(auth, sign_in, fake):
    await sign_in(auth)
    old = (await auth.fetch_auth_session()).credentials.access_key_id

    def answer(request):
        return EXPIRED["S3"] if old in request.headers["Authorization"] else httpx.Response(200)

    transport = httpx.MockTransport(answer)
    signer = SigV4Auth(auth, "execute-api")
    async with (
        httpx.AsyncClient(transport=transport, auth=signer) as client,
        anyio.create_task_group() as group,
    ):
        for _ in range(8):
            group.start_soon(client.get, "https://api.example")
    assert [call.operation for call in fake.calls].count("GetCredentialsForIdentity") == 2


async def test_a_blocking_client_signs_and_renews_in_a_worker_thread(auth, sign_in):
    first = (await sign_in(auth)).credentials.access_key_id
    transport, seen = service([EXPIRED["S3"], httpx.Response(200)])
    signer = SigV4Auth(auth, "execute-api")

    def work():
        with httpx.Client(transport=transport, auth=signer) as client:
            return client.get("https://api.example").status_code

    assert await anyio.to_thread.run_sync(work) == 200
    assert seen[0] == first != seen[1]
    with (
        httpx.Client(transport=transport, auth=signer) as client,
        pytest.raises(InvalidStateError, match="own thread") as caught,
    ):
        client.get("https://api.example")  # noqa: ASYNC212  # that it is refused is the point
    assert "AsyncClient" in caught.value.recovery_suggestion


async def test_a_stream_is_signed_for_s3_alone_and_sent_once(auth, sign_in):
    await sign_in(auth)
    sent = []

    async def stream():
        yield b"part"

    async def answer(request):
        sent.append((request.headers.get("x-amz-content-sha256"), await request.aread()))
        return EXPIRED["S3"]

    transport = httpx.MockTransport(answer)
    async with httpx.AsyncClient(transport=transport) as client:
        given = await client.put(
            "https://b.s3.amazonaws.com/k", content=stream(), auth=SigV4Auth(auth, "s3")
        )
        assert given.status_code == 400
        api = SigV4Auth(auth, "execute-api")
        with pytest.raises(ValidationError, match="streamed body") as caught:
            await client.put("https://api.example", content=stream(), auth=api)
        assert "as bytes" in caught.value.recovery_suggestion
        await client.post("https://api.example", files={"f": b"small"}, auth=api)  # is read
    assert sent[0] == ("UNSIGNED-PAYLOAD", b"part")
    assert b"small" in sent[1][1]


async def test_nothing_is_sent_for_a_session_that_is_signed_out(auth):
    transport, seen = service([])
    async with httpx.AsyncClient(transport=transport, auth=SigV4Auth(auth, "s3")) as client:
        with pytest.raises(SignedOutError):
            await client.get("https://b.s3.amazonaws.com/k")
    assert seen == []


async def test_a_signer_made_without_a_loop_says_so_when_it_blocks(auth):
    made, failures = [], []

    def work():
        made.append(SigV4Auth(auth, "s3"))
        with httpx.Client(auth=made[0]) as client:
            try:
                client.get("https://b.s3.amazonaws.com/k")
            except InvalidStateError as error:
                failures.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    await anyio.to_thread.run_sync(thread.join)
    assert "event loop" in failures[0].message


URL = "https://bucket.s3.us-west-2.amazonaws.com/folder/a b"


async def test_a_presigned_url_outlives_what_it_promises(auth, sign_in, fake, clock):
    await sign_in(auth)
    fake.advance(50 * 60)
    signed = await presign(auth, URL, expires_in=30 * 60)
    query = parse_qs(urlsplit(signed.url).query)
    renewed = (await auth.fetch_auth_session()).credentials
    assert len(fake.calls) == 3  # it renewed first
    assert query["X-Amz-Expires"] == ["1800"]
    assert query["X-Amz-Security-Token"] == [renewed.session_token]
    assert signed.expiration <= renewed.expiration
    assert signed.expiration.timestamp() == pytest.approx(clock.time() + 1800)
    assert signed.url not in repr(signed)
    assert "/folder/a%20b?" in signed.url


async def test_a_url_that_cannot_last_is_refused_or_capped(auth, sign_in, fake):
    await sign_in(auth)
    calls = len(fake.calls)
    with pytest.raises(ValidationError, match="last 3600 seconds") as caught:
        await presign(auth, URL, expires_in=2 * HOUR)
    assert "cap=True" in caught.value.recovery_suggestion
    capped = await presign(auth, URL, expires_in=2 * HOUR, cap=True)
    assert len(fake.calls) == calls  # neither is worth a renewal
    assert capped.expiration <= (await auth.fetch_auth_session()).credentials.expiration
    fake.advance(40 * 60)
    later = await presign(auth, URL, expires_in=2 * HOUR, cap=True)
    assert len(fake.calls) == calls + 1  # little time was left
    assert later.expiration - capped.expiration > timedelta(minutes=39)
    for seconds in (0, 604_801):
        with pytest.raises(ValidationError, match="604800"):
            await presign(auth, URL, expires_in=seconds)


async def test_a_presigned_url_opens_what_it_is_for(auth, sign_in, moto):
    await sign_in(auth)
    async with httpx.AsyncClient(base_url=moto) as client:
        signed = SigV4Auth(auth, "s3", "us-east-1")
        await client.put("/presigned", auth=signed)
        await client.put("/presigned/key", content=b"hello", auth=signed)
        url = await presign(auth, f"{moto}/presigned/key", expires_in=60)
        assert (await client.get(url.url)).content == b"hello"
