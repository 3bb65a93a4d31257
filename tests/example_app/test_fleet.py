"""A fleet of 4 processes, 150 users, one Redis: the calls to Cognito are counted."""

import json
import os
import subprocess
import sys
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest

from amplify_federation import AuthProvider
from amplify_federation.testing import FakeCognito
from tests.stores.redis_server import RedisServer, needs_redis

PROCESSES, USERS = 4, 150
HOUR = 3600.0


class Fleet:
    """Processes that are asked all at once."""

    def __init__(self, pool: str, redis_url: str, cognito_url: str) -> None:
        environment = {
            **os.environ,
            "FLEET_POOL": pool,
            "FLEET_REDIS": redis_url,
            "AWS_ENDPOINT_URL_COGNITO_IDENTITY": cognito_url,
        }
        command = [sys.executable, "-m", "tests.example_app.fleet_worker"]
        self._processes = [
            subprocess.Popen(
                command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
            )
            for _ in range(PROCESSES)
        ]

    def ask(self, **order) -> list[list[list[str]]]:
        """Give an order to every process, then return what each answered."""
        for process in self._processes:
            process.stdin.write(json.dumps(order) + "\n")
            process.stdin.flush()
        with ThreadPoolExecutor(PROCESSES) as readers:
            lines = list(readers.map(lambda process: process.stdout.readline(), self._processes))
        assert all(lines), "a process of the fleet failed; see stderr"
        return [json.loads(line) for line in lines]

    def stop(self) -> None:
        for process in self._processes:
            process.stdin.close()
        for process in self._processes:
            process.wait()
            process.stdout.close()


@pytest.fixture
def fake():
    return FakeCognito()


@needs_redis
def test_a_fleet_federates_each_token_once_and_renews_each_session_once(fake, tmp_path):
    pool = fake.create_identity_pool()
    tokens = [
        fake.issue_token(AuthProvider.GOOGLE, f"user-{number}", lifetime=10 * HOUR)
        for number in range(USERS)
    ]
    redis = RedisServer(tmp_path)
    try:
        with fake.serve() as cognito_url:
            fleet = Fleet(pool, redis.url, cognito_url)
            try:
                first = fleet.ask(advance=0, tokens=tokens)
                assert _calls(fake) == {"GetId": USERS, "GetCredentialsForIdentity": USERS}
                fake.advance(HOUR + 1)
                second = fleet.ask(advance=HOUR + 1)
                assert _calls(fake) == {"GetId": USERS, "GetCredentialsForIdentity": 2 * USERS}
            finally:
                fleet.stop()
    finally:
        redis.stop()
    for answers in (first, second):
        assert all(answer == answers[0] for answer in answers)
        for identity, session_token in answers[0]:
            assert fake.read_session_token(session_token).identity_id == identity
    identities = [identity for identity, _ in first[0]]
    assert len(set(identities)) == USERS
    assert identities == [identity for identity, _ in second[0]]


def _calls(fake) -> Counter[str]:
    return Counter(call.operation for call in fake.calls)
