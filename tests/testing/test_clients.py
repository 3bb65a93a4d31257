"""One list of calls, run by five clients: boto3, aiobotocore, raw bytes, Node and a browser.

Amplify JS v6, the JavaScript SDK v2 and the AWS CLI sign in besides. What is not installed (npm and
its packages, Chromium, the CLI) skips the tests that need it, with that reason.
"""

import http.server
import json
import os
import re
import shutil
import subprocess
import threading

import anyio
import httpx
import pytest
from attrs import frozen

from amplify_federation import AuthProvider
from amplify_federation.testing import FakeCognito

REGION = "eu-west-1"
GOOGLE = AuthProvider.GOOGLE
MISSING = f"{REGION}:00000000-0000-0000-0000-000000000000"
KEYS = {"access": "AKIDEXAMPLE", "secret": "example"}


@frozen
class Case:
    """A call, and what must come of it: members of the output, or an error."""

    name: str
    operation: str
    input: dict
    members: tuple = ()
    code: str | None = None
    message: str = ""


def cases(fake, pool, other):
    alice = {GOOGLE.login_key: fake.issue_token(GOOGLE, "alice")}
    late = {GOOGLE.login_key: fake.issue_token(GOOGLE, "alice", lifetime=-400)}
    bob = {GOOGLE.login_key: fake.issue_token(GOOGLE, "bob")}
    refused, invalid = "NotAuthorizedException", "ValidationException"
    missing = "ResourceNotFoundException"
    get_id, get_credentials = "GetId", "GetCredentialsForIdentity"
    developer = "GetOpenIdTokenForDeveloperIdentity"
    return [
        Case("guest", get_id, {"IdentityPoolId": pool}, ("IdentityId",)),
        Case("alice", get_id, {"IdentityPoolId": pool, "Logins": alice}, ("IdentityId",)),
        Case(
            "keys",
            get_credentials,
            {"IdentityId": "$alice.IdentityId", "Logins": alice},
            ("IdentityId", "Credentials"),
        ),
        Case("no login", get_credentials, {"IdentityId": "$alice.IdentityId"}, (), refused,
             "Access to Identity '.*' is forbidden"),
        Case("another", get_credentials, {"IdentityId": "$alice.IdentityId", "Logins": bob}, (),
             refused, "Logins don't match"),
        Case("late", get_id, {"IdentityPoolId": pool, "Logins": late}, (), refused,
             r"Token expired: \d+ >= \d+"),
        Case("closed", get_id, {"IdentityPoolId": other}, (), refused, "Unauthenticated access"),
        Case("no pool", get_id, {"IdentityPoolId": MISSING}, (), missing, "not found"),
        Case("malformed", get_id, {"IdentityPoolId": "nonsense"}, (), invalid,
             r"1 validation error detected: Value 'nonsense' at 'identityPoolId'"),
        Case("classic", "GetOpenIdToken", {"IdentityId": "$guest.IdentityId"},
             ("IdentityId", "Token")),
        Case("pools", "ListIdentityPools", {"MaxResults": 60}, ("IdentityPools",)),
        Case("pool", "DescribeIdentityPool", {"IdentityPoolId": pool}, ("IdentityPoolName",)),
        Case("identity", "DescribeIdentity", {"IdentityId": "$alice.IdentityId"},
             ("Logins", "CreationDate")),
        Case("backend", developer, {"IdentityPoolId": pool, "Logins": {"backend": "u-1"}},
             ("IdentityId", "Token")),
        Case("public", get_credentials,
             {"IdentityId": "$guest.IdentityId", "Logins": {"backend": "u-1"}}, (),
             "InvalidParameterException", "Please provide a valid public provider"),
        Case("unlink", "UnlinkIdentity", {"IdentityId": "$alice.IdentityId", "Logins": alice,
             "LoginsToRemove": [GOOGLE.login_key]}),
        Case("gone", get_credentials, {"IdentityId": "$alice.IdentityId"}, (), refused,
             "forbidden"),
    ]  # fmt: skip


@pytest.fixture
def world():
    fake = FakeCognito(region=REGION)
    providers = {GOOGLE: ["web"], AuthProvider.DEVELOPER: ["backend"]}
    pool = fake.create_identity_pool(providers, guest_access=True, classic_flow=True)
    other = fake.create_identity_pool({GOOGLE: ["web"]})
    with fake.serve() as url:
        yield fake, url, pool, cases(fake, pool, other)


def filled(value, answers):
    """Put members of earlier answers in place of `$call.Member`."""
    if isinstance(value, dict):
        return {name: filled(part, answers) for name, part in value.items()}
    if isinstance(value, str) and value.startswith("$"):
        name, _, member = value[1:].partition(".")
        return answers[name]["output"][member]
    return value


def check(all_cases, answers):
    for case in all_cases:
        answer = answers[case.name]
        assert answer["request_id"], case
        if case.code is None:
            assert set(case.members) <= set(answer.get("output", {})), (case, answer)
        else:
            assert answer.get("code") == case.code, (case, answer)
            assert re.search(case.message, answer["message"]), (case, answer)
            assert answer["status"] == 400


def client_arguments(url):
    config = pytest.importorskip("botocore.config", reason="botocore is not installed")
    return {
        "region_name": REGION,
        "endpoint_url": url,
        "aws_access_key_id": KEYS["access"],
        "aws_secret_access_key": KEYS["secret"],
        "config": config.Config(retries={"total_max_attempts": 1}),
    }


def told(error):
    answer = error.response
    return {
        "code": answer["Error"]["Code"],
        "message": answer["Error"]["Message"],
        "status": answer["ResponseMetadata"]["HTTPStatusCode"],
        "request_id": answer["ResponseMetadata"]["RequestId"],
    }


def test_boto3_gets_what_the_service_says(world):
    _, url, _, all_cases = world
    boto3 = pytest.importorskip("boto3", reason="boto3 is not installed")
    client = boto3.client("cognito-identity", **client_arguments(url))
    answers = {}
    for case in all_cases:
        try:
            output = client._make_api_call(case.operation, filled(case.input, answers))
            metadata = output.pop("ResponseMetadata")
            answers[case.name] = {"output": output, "request_id": metadata["RequestId"]}
        except client.exceptions.ClientError as error:
            answers[case.name] = told(error)
    client.close()
    check(all_cases, answers)


def test_aiobotocore_gets_what_the_service_says(world):
    _, url, _, all_cases = world
    session = pytest.importorskip("aiobotocore.session", reason="aiobotocore is not installed")
    answers = {}

    async def run():
        creating = session.get_session().create_client("cognito-identity", **client_arguments(url))
        async with creating as client:
            for case in all_cases:
                try:
                    output = await client._make_api_call(
                        case.operation, filled(case.input, answers)
                    )
                    metadata = output.pop("ResponseMetadata")
                    answers[case.name] = {"output": output, "request_id": metadata["RequestId"]}
                except client.exceptions.ClientError as error:
                    answers[case.name] = told(error)

    anyio.run(run)
    check(all_cases, answers)


def test_raw_bytes_get_what_the_service_says(world):
    _, url, _, all_cases = world
    scope = f"AKIDEXAMPLE/20270115/{REGION}/cognito-identity/aws4_request"
    signature = f"Credential={scope}, SignedHeaders=host, Signature={'0' * 64}"
    answers = {}
    for case in all_cases:
        headers = {
            "content-type": "Application/X-AMZ-JSON-1.1",
            "x-amz-target": f"AWSCognitoIdentityService.{case.operation}",
            "x-amz-date": "20270115T080000Z",
            "authorization": f"AWS4-HMAC-SHA256 {signature}",
        }
        reply = httpx.post(url, json=filled(case.input, answers), headers=headers)
        request_id = reply.headers["x-amzn-requestid"]
        assert reply.headers["access-control-allow-origin"] == "*"
        assert reply.content == json.dumps(reply.json(), separators=(",", ":")).encode()
        if reply.status_code == 200:
            answers[case.name] = {"output": reply.json(), "request_id": request_id}
            continue
        body = reply.json()
        assert reply.headers["x-amzn-errortype"] == f"{body['__type']}:"
        assert reply.headers["x-amzn-errormessage"] == body["message"]
        answers[case.name] = {
            "code": body["__type"],
            "message": body["message"],
            "status": reply.status_code,
            "request_id": request_id,
        }
    check(all_cases, answers)


def test_answers_are_as_short_as_the_services(world):
    _, url, pool, all_cases = world
    headers = {"content-type": "application/x-amz-json-1.1"}
    headers["x-amz-target"] = "AWSCognitoIdentityService.GetId"
    given = {case.name: case.input for case in all_cases}
    assert len(httpx.post(url, json={"IdentityPoolId": pool}, headers=headers).content) == 63
    assert len(httpx.post(url, json=given["closed"], headers=headers).content) == 111


@pytest.fixture(scope="session")
def bundle(node_folder):
    """Return the folder of the bundled scripts, for Node and for a browser."""
    for name, platform in (("node", "node"), ("browser", "browser")):
        subprocess.run(
            [
                node_folder / "node_modules" / ".bin" / "esbuild", node_folder / f"{name}.js",
                "--bundle", f"--platform={platform}", "--log-level=error",
                f"--outfile={node_folder / name}.bundle.js",
            ],
            check=True,
        )  # fmt: skip
    return node_folder


def given_to_javascript(fake, url, pool, all_cases):
    return {
        "url": url,
        "region": REGION,
        "pool": pool,
        "logins": {GOOGLE.login_key: fake.issue_token(GOOGLE, "carol")},
        "calls": [
            {"name": case.name, "operation": case.operation, "input": case.input}
            for case in all_cases
        ],
    }


def check_javascript(fake, all_cases, result):
    assert "failed" not in result, result
    check(all_cases, result["answers"])
    provided = result["provided"]
    issued = fake.read_session_token(provided["sessionToken"])
    assert issued.identity_id == provided["identityId"]


def test_javascript_sdk_in_node_gets_what_the_service_says(world, bundle):
    fake, url, pool, all_cases = world
    done = subprocess.run(
        ["node", bundle / "node.bundle.js"],
        input=json.dumps(given_to_javascript(fake, url, pool, all_cases)),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    check_javascript(fake, all_cases, json.loads(done.stdout))


def run_by_node(command, **given):
    done = subprocess.run(
        command, env={**os.environ, "GIVEN": json.dumps(given)},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_amplify_signs_in_a_guest_and_then_the_user(node_program):
    fake = FakeCognito(region=REGION)
    users = AuthProvider.cognito_user_pool(f"{REGION}_abc")
    pool = fake.create_identity_pool({users: ["app"]}, guest_access=True)
    with fake.serve() as url:
        told = run_by_node(
            node_program("amplify.mjs"),
            url=url,
            pool=pool,
            userPool=f"{REGION}_abc",
            client="app",
            token=fake.issue_token(users, "alice"),
        )
    issued = [fake.read_session_token(told[who]["sessionToken"]) for who in ("guest", "user")]
    assert [one.identity_id for one in issued] == [told["guest"]["identityId"]] * 2
    assert ["Unauth" in one.role_arn for one in issued] == [True, False]
    assert {call.code for call in fake.calls} == {None}


def test_javascript_sdk_v2_signs_in_and_tells_errors(world, node_modules, node_program):
    if not (node_modules / "aws-sdk").is_dir():
        pytest.skip("npm's aws-sdk (v2, 108 MB) is not installed (see NODE_PATH)")
    fake, url, pool, _ = world
    logins = {GOOGLE.login_key: fake.issue_token(GOOGLE, "alice")}
    told = run_by_node(node_program("sdk_v2.js"), url=url, region=REGION, pool=pool, logins=logins)
    issued = fake.read_session_token(told["user"]["sessionToken"])
    assert issued.identity_id == told["user"]["identityId"]
    assert told["refused"]["code"] == "ValidationException"
    assert told["refused"]["message"].startswith("1 validation error detected: Value 'nonsense'")
    assert told["refused"]["requestId"]


def test_aws_cli_signs_in_and_administers(world, tmp_path):
    program = shutil.which("aws")
    if program is None:
        pytest.skip("the AWS CLI is not installed")
    fake, url, pool, _ = world
    logins = {GOOGLE.login_key: fake.issue_token(GOOGLE, "alice")}
    given = tmp_path / "get_id.json"
    given.write_text(json.dumps({"IdentityPoolId": pool, "Logins": logins}))
    environment = {
        "PATH": os.environ["PATH"], "HOME": str(tmp_path), "AWS_DEFAULT_REGION": REGION,
        "AWS_ACCESS_KEY_ID": KEYS["access"], "AWS_SECRET_ACCESS_KEY": KEYS["secret"],
        "AWS_ENDPOINT_URL_COGNITO_IDENTITY": url, "AWS_MAX_ATTEMPTS": "1",
    }  # fmt: skip

    def aws(*arguments):
        return subprocess.run(
            [program, "cognito-identity", *arguments, "--output", "json"],
            env=environment, capture_output=True, text=True, check=False,
        )  # fmt: skip

    signed_in = aws("get-id", "--cli-input-json", f"file://{given}")
    assert signed_in.returncode == 0, signed_in.stderr
    assert json.loads(signed_in.stdout)["IdentityId"].startswith(f"{REGION}:")
    described = aws("describe-identity-pool", "--identity-pool-id", pool)
    assert json.loads(described.stdout)["IdentityPoolId"] == pool
    missing = aws("describe-identity-pool", "--identity-pool-id", MISSING)
    assert "(ResourceNotFoundException)" in missing.stderr
    assert f"IdentityPool '{MISSING}' not found." in missing.stderr


class Page(http.server.ThreadingHTTPServer):
    """Serves the page of the test, and takes its result."""

    def __init__(self, script, given):
        super().__init__(("127.0.0.1", 0), PageHandler)
        self.pages = {
            "/": ("text/html", b"<!doctype html><script src=/script></script>"),
            "/script": ("text/javascript", script),
            "/calls": ("application/json", json.dumps(given).encode()),
        }
        self.result = None
        self.done = threading.Event()


class PageHandler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        media_type, body = self.server.pages.get(self.path, ("text/plain", b""))
        self.answer(body, media_type)

    def do_POST(self):
        self.server.result = json.loads(self.rfile.read(int(self.headers["content-length"])))
        self.answer(b"", "text/plain")
        self.server.done.set()

    def answer(self, body, media_type):
        self.send_response(200)
        self.send_header("content-type", media_type)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        """Keep the test's output quiet."""


def test_page_in_a_browser_gets_what_the_service_says(world, bundle, tmp_path):
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    if chromium is None:
        pytest.skip("Chromium is not installed")
    fake, url, pool, all_cases = world
    script = (bundle / "browser.bundle.js").read_bytes()
    with Page(script, given_to_javascript(fake, url, pool, all_cases)) as page:
        serving = threading.Thread(target=page.serve_forever, daemon=True)
        serving.start()
        browser = subprocess.Popen(
            [
                chromium, "--headless=new", "--no-sandbox", "--disable-gpu", "--no-first-run",
                "--disable-dev-shm-usage", f"--user-data-dir={tmp_path}",
                f"http://127.0.0.1:{page.server_port}/",
            ],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        try:
            assert page.done.wait(90), "the page told no result"
        finally:
            browser.terminate()
            browser.wait()
            page.shutdown()
            serving.join()
    check_javascript(fake, all_cases, page.result)
    assert page.result["exposed"]["x-amzn-errortype"] == "ValidationException:"
    assert all(page.result["exposed"].values())
    assert any("origin" in call.headers for call in fake.calls)
