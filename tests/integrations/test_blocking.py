"""BlockingAuth and BlockingUsers: one event loop for the threads of code that is not async."""

import asyncio
import json
import signal
import socket
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from amplify_federation import (
    AuthProvider,
    ConfigurationError,
    EncryptedFileStore,
    Federated,
    FederatedAuth,
    FederatedUsers,
    IdentityPool,
    InvalidStateError,
    MemoryStore,
    NotAuthorizedError,
    SignedOutError,
    ValidationError,
)
from amplify_federation.integrations.blocking import BlockingAuth, BlockingUsers
from amplify_federation.testing import FakeCognito
from tests.concurrency import PATIENCE
from tests.documents import file_of
from tests.integrations.recording_s3 import RecordingS3

GOOGLE = AuthProvider.GOOGLE
README = "amplify_federation/integrations/README.md"


@pytest.fixture
def fake():
    return FakeCognito()


@pytest.fixture
def token(fake):
    return fake.issue_token(GOOGLE, "alice")


@pytest.fixture
def pool(fake):
    with fake.serve() as url:  # in a thread of its own
        yield IdentityPool(fake.create_identity_pool(), endpoint_url=url)


@pytest.fixture
def make_users(pool):
    return lambda: FederatedUsers(pool, store=MemoryStore())


def loop_threads():
    return [each for each in threading.enumerate() if each.name == "amplify-federation event loop"]


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_a_session_is_used_without_an_event_loop_of_ones_own(pool, token, backend):
    with BlockingAuth(lambda: FederatedAuth(pool, store=MemoryStore()), backend=backend) as auth:
        given = auth.federate_to_identity_pool(token, GOOGLE)
        session = auth.fetch_auth_session()
        assert session.credentials == given.credentials
        assert auth.fetch_auth_session(force_refresh=True).credentials != given.credentials
        assert auth.call(lambda auth: isinstance(auth.state, Federated))
        auth.clear_federation_to_identity_pool()
        assert not auth.fetch_auth_session().is_signed_in
        with pytest.raises(SignedOutError):
            auth.call(lambda auth: auth.get_current_user())
    assert loop_threads() == []


def test_fifty_threads_with_one_token_share_one_federation(fake, make_users, token):
    with BlockingUsers(make_users) as users, ThreadPoolExecutor(50) as threads:
        sessions = list(threads.map(lambda _: users.session_for(token, GOOGLE), range(200)))
        assert len({each.credentials.access_key_id for each in sessions}) == 1
        assert len(loop_threads()) == 1
    assert [each.operation for each in fake.calls] == ["GetId", "GetCredentialsForIdentity"]


def test_a_bearer_is_signed_out_by_any_thread(make_users, token):
    with BlockingUsers(make_users) as users, ThreadPoolExecutor(1) as threads:
        users.session_for(token, GOOGLE)
        threads.submit(users.sign_out, token, GOOGLE).result()
        with pytest.raises(SignedOutError):
            users.session_for(token, [GOOGLE])


def test_boto3_in_many_threads_follows_a_renewal(make_users, token):
    pytest.importorskip("boto3", reason="needs the extra `boto`")
    from amplify_federation.integrations.boto import boto3_session  # noqa: PLC0415  # an extra

    with BlockingUsers(make_users) as users, ThreadPoolExecutor(8) as threads:
        users.call(lambda users: users.auth("alice").federate_to_identity_pool(token, GOOGLE))
        session = users.call(lambda users: boto3_session(users.auth("alice")))

        def key_id(_=None):
            return session.get_credentials().get_frozen_credentials().access_key

        before = set(threads.map(key_id, range(20)))
        renewed = users.call(
            lambda users: users.auth("alice").fetch_auth_session(force_refresh=True)
        )
        assert set(threads.map(key_id, range(20))) == {renewed.credentials.access_key_id} != before


def test_what_cannot_be_made_is_raised_by_each_call_and_may_be_mended(pool):
    pools = ["no pool", "no pool", pool]
    with pytest.raises(ConfigurationError), BlockingAuth(lambda: FederatedAuth("no pool")):
        pass
    auth = BlockingAuth(lambda: FederatedAuth(pools.pop(0), store=MemoryStore()))
    for _ in range(2):
        with pytest.raises(ConfigurationError):
            auth.fetch_auth_session()
    assert not auth.fetch_auth_session().is_signed_in
    auth.close()
    assert loop_threads() == []


def test_a_call_in_the_thread_of_an_event_loop_says_to_await(make_users, token):
    async def main():
        users.session_for(token, GOOGLE)

    with BlockingUsers(make_users) as users:
        with pytest.raises(InvalidStateError, match="running event loop") as caught:
            asyncio.run(main())
        assert "Await" in caught.value.recovery_suggestion
        with pytest.raises(InvalidStateError, match="running event loop"):
            users.call(lambda _: users.session_for(token, GOOGLE))  # of its own loop


def test_after_the_end_a_call_says_so(make_users, token):
    users = BlockingUsers(make_users)
    assert repr(users) == "<BlockingUsers not started>"
    users.session_for(token, GOOGLE)
    assert repr(users) == "<BlockingUsers running>"
    users.close()
    users.close()
    assert repr(users) == "<BlockingUsers closed>"
    with pytest.raises(InvalidStateError, match="closed") as caught:
        users.session_for(token, GOOGLE)
    assert "Make a new one" in caught.value.recovery_suggestion


@pytest.mark.parametrize("spoil", ["", "\n"])
def test_a_token_that_is_refused_stands_in_no_frame(fake, pool, make_users, spoil):
    forged = fake.issue_token(GOOGLE, "alice", forged=True) + spoil
    kind = ValidationError if spoil else NotAuthorizedError
    with (
        BlockingUsers(make_users) as users,
        BlockingAuth(lambda: FederatedAuth(pool, store=MemoryStore())) as auth,
    ):
        for call in (users.session_for, auth.federate_to_identity_pool):
            with pytest.raises(kind) as caught:
                call(forged, GOOGLE)
            ours = [each for each in caught.traceback if "tests" not in str(each.path)]
            assert forged.strip() not in repr([each.frame.f_locals for each in ours])


FORKS = """
import os, sys, threading
from amplify_federation import AuthProvider, FederatedUsers, IdentityPool, MemoryStore
from amplify_federation.integrations.blocking import BlockingUsers

pool, token = IdentityPool.from_env(), sys.stdin.readline().strip()
users = BlockingUsers(lambda: FederatedUsers(pool, store=MemoryStore()))
first = users.session_for(token, AuthProvider.GOOGLE).identity_id
child = os.fork()
assert users.session_for(token, AuthProvider.GOOGLE).identity_id == first
if child:
    _, status = os.waitpid(child, 0)
    sys.exit(status)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="Windows does not fork")
def test_a_fork_has_an_event_loop_of_its_own_and_both_processes_end(pool, token, monkeypatch):
    monkeypatch.setenv("AMPLIFY_FEDERATION_POOL_ID", pool.identity_pool_id)
    monkeypatch.setenv("AWS_ENDPOINT_URL_COGNITO_IDENTITY", pool.endpoint)
    # Never closed: the ends of the processes must not wait for the loops.
    command = [sys.executable, "-W", "ignore::DeprecationWarning", "-c", FORKS]
    done = subprocess.run(command, input=token, text=True, check=False, timeout=60)
    assert done.returncode == 0


INTERRUPTED = """
import sys, threading
from amplify_federation import AuthProvider, AuthSettings, FederatedAuth, IdentityPool, MemoryStore
from amplify_federation.integrations.blocking import BlockingAuth

pool, settings = IdentityPool.from_env(), AuthSettings(timeout=600)
try:
    with BlockingAuth(lambda: FederatedAuth(pool, store=MemoryStore(), settings=settings)) as auth:
        auth.federate_to_identity_pool("a-token", AuthProvider.FACEBOOK)
except KeyboardInterrupt:
    print([each.name for each in threading.enumerate()])
"""


@pytest.mark.skipif(sys.platform == "win32", reason="Windows sends no SIGINT to another process")
def test_an_interrupt_ends_the_call_and_its_event_loop(pool, monkeypatch):
    monkeypatch.setenv("AMPLIFY_FEDERATION_POOL_ID", pool.identity_pool_id)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        silent.settimeout(PATIENCE)
        url = "http://{}:{}".format(*silent.getsockname())
        monkeypatch.setenv("AWS_ENDPOINT_URL_COGNITO_IDENTITY", url)
        with subprocess.Popen(
            [sys.executable, "-c", INTERRUPTED], stdout=subprocess.PIPE
        ) as program:
            connection, _ = silent.accept()  # the call is under way
            program.send_signal(signal.SIGINT)
            said, _ = program.communicate(timeout=PATIENCE)
            connection.close()
    assert said.decode().strip() == "['MainThread']"


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no signals to threads")
def test_a_loop_whose_start_was_interrupted_ends(make_users):
    interrupted = threading.Event()

    def make():
        signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)
        assert interrupted.wait(PATIENCE)
        return make_users()

    with pytest.raises(KeyboardInterrupt), BlockingUsers(make):
        pass
    interrupted.set()
    for thread in loop_threads():
        thread.join(PATIENCE)
    assert loop_threads() == []


# The examples of the README, run as they stand.


@pytest.fixture
def environment(pool, monkeypatch, tmp_path):
    monkeypatch.setenv("AMPLIFY_FEDERATION_POOL_ID", pool.identity_pool_id)
    monkeypatch.setenv("AWS_ENDPOINT_URL_COGNITO_IDENTITY", pool.endpoint)
    monkeypatch.setenv("AMPLIFY_FEDERATION_HOME", str(tmp_path / "sessions"))


def program(name):
    found = {"__name__": name.removesuffix(".py")}
    exec(file_of(README, name), found)  # noqa: S102  # our own README
    return found


@pytest.mark.usefixtures("environment")
def test_the_readmes_django_view_serves_requests_of_many_threads(fake, token):
    pytest.importorskip("django", reason="Django is not installed")
    from django.conf import settings  # noqa: PLC0415  # a dependency of this test alone
    from django.test import RequestFactory  # noqa: PLC0415  # the same

    if not settings.configured:
        settings.configure(ALLOWED_HOSTS=["testserver"])
    views = program("django_views.py")

    def asked(token):
        request = RequestFactory().get("/whoami", headers={"Authorization": f"Bearer {token}"})
        answer = views["whoami"](request)
        return answer.status_code, json.loads(answer.content).get("identity_id", "")

    with views["users"], ThreadPoolExecutor(8) as threads:
        answers = set(threads.map(asked, [token] * 20))
        forged = asked(fake.issue_token(GOOGLE, "mallory", forged=True))
        missing = asked("")
    [(status, identity_id)] = answers
    assert (status, identity_id.partition(":")[0]) == (200, "us-west-2")
    assert forged == missing == (401, "")


@pytest.mark.usefixtures("environment")
def test_the_readmes_celery_task_works_as_the_user_who_signed_in(pool, token, monkeypatch):
    pytest.importorskip("celery", reason="Celery is not installed")
    pytest.importorskip("boto3", reason="needs the extra `boto`")
    with BlockingUsers(lambda: FederatedUsers(pool, store=EncryptedFileStore())) as web:
        given = web.call(lambda users: users.auth("alice").federate_to_identity_pool(token, GOOGLE))
    with RecordingS3() as s3:
        monkeypatch.setenv("AWS_ENDPOINT_URL_S3", s3.url)
        tasks = program("celery_tasks.py")
        with tasks["users"], pytest.raises(Exception, match="NoSuchBucket"):
            tasks["save_report"]("alice", "no-such-bucket", "the report")
        assert s3.signers[-1] == given.credentials.access_key_id


@pytest.mark.usefixtures("environment")
def test_the_readmes_lambda_makes_no_call_when_it_is_warm(fake, token):
    function = program("lambda_function.py")
    cold = function["handler"]({"token": token}, None)
    calls = len(fake.calls)
    assert function["handler"]({"token": token}, None) == cold
    assert len(fake.calls) == calls == 2
    function["runner"].run(function["users"].aclose())
    function["runner"].close()
