"""The pictures under load, with a renewal in the middle: no wrong player ever, no failed call."""

from collections import Counter
from functools import partial
from urllib.parse import unquote

import anyio
import httpx
import pytest

pytest.importorskip("aiobotocore")
pytest.importorskip("fastapi")

from amplify_federation import AuthProvider, AuthSettings, FederatedUsers, MemoryStore
from amplify_federation.testing import FakeCognito, ManualClock
from tests.example_app.pictures import BUCKET, make_app
from tests.integrations.recording_s3 import RecordingS3

PLAYERS, REQUESTS, AT_ONCE = 40, 6, 16
HOUR = 3600.0


@pytest.fixture
def anyio_backend():
    return "asyncio"


@pytest.fixture
def s3(monkeypatch, tmp_path):
    for name in ("AWS_PROFILE", "AWS_DEFAULT_REGION", "AWS_REGION"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    with RecordingS3() as s3:
        key = {"Authorization": "AWS4-HMAC-SHA256 Credential=test/20260101/us-east-1/s3/x"}
        httpx.put(f"{s3.url}/{BUCKET}", headers=key)
        s3.seen.clear()
        yield s3


async def test_each_player_signs_for_themselves_through_a_renewal(s3):
    clock = ManualClock()
    fake = FakeCognito(clock=clock)
    pool, settings = fake.create_identity_pool(), AuthSettings(clock=clock)
    statuses, wrong, names = Counter(), [], {}
    places = anyio.CapacityLimiter(AT_ONCE)
    async with httpx.AsyncClient(transport=fake.transport) as cognito:
        users = partial(
            FederatedUsers, pool, store=MemoryStore(), http_client=cognito, settings=settings
        )
        app = make_app(users, s3.url)
        transport = httpx.ASGITransport(app=app)
        async with (
            app.router.lifespan_context(app),
            httpx.AsyncClient(transport=transport, base_url="http://game") as browser,
        ):

            async def ask(player, token, number):
                async with places:
                    answer = await browser.put(
                        f"/pictures/{number}",
                        headers={"Authorization": f"Bearer {token}"},
                        content=f"{player} {number}",
                    )
                statuses[answer.status_code] += 1
                told = answer.json()
                known = names.setdefault(player, told["player"])
                if (told["picture"], told["player"]) != (f"{player} {number}", known):
                    wrong.append((player, told))

            players = [f"player-{number}" for number in range(PLAYERS)]
            tokens = {
                each: fake.issue_token(AuthProvider.GOOGLE, each, lifetime=3 * HOUR)
                for each in players
            }
            for round_number in range(2):
                async with anyio.create_task_group() as group:
                    for number in range(REQUESTS // 2):
                        for player in players:
                            group.start_soon(
                                ask, player, tokens[player], round_number * REQUESTS + number
                            )
                if not round_number:
                    clock.advance(HOUR)  # the credentials are over, and the tokens are not
    assert wrong == []
    assert statuses == {200: PLAYERS * REQUESTS}
    assert len(set(names.values())) == PLAYERS
    assert len(s3.seen) == 2 * PLAYERS * REQUESTS
    for request in s3.seen:  # what was signed, as S3 saw it
        identity = unquote(request.path).split("/")[2]
        assert fake.read_session_token(request.session_token).identity_id == identity
    assert len(set(s3.signers)) == 2 * PLAYERS
    assert [call.operation for call in fake.calls].count("GetCredentialsForIdentity") == 2 * PLAYERS
