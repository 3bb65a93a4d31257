import contextlib

import httpx
import pytest

from amplify_federation import AuthProvider
from amplify_federation.testing import FakeCognito
from amplify_federation.testing.asgi import signed_in_client

pytestmark = pytest.mark.anyio


async def test_client_runs_the_lifespan_and_sends_the_users_token():
    applications = pytest.importorskip("starlette.applications", reason="starlette is missing")
    responses = pytest.importorskip("starlette.responses", reason="starlette is missing")
    routing = pytest.importorskip("starlette.routing", reason="starlette is missing")
    steps = []

    @contextlib.asynccontextmanager
    async def lifespan(_):
        steps.append("start")
        yield
        steps.append("stop")

    async def token(request):
        return responses.PlainTextResponse(request.headers["authorization"])

    app = applications.Starlette(routes=[routing.Route("/", token)], lifespan=lifespan)
    async with signed_in_client(app, FakeCognito(), provider=AuthProvider.FACEBOOK) as client:
        assert isinstance(client, httpx.AsyncClient)
        assert (await client.get("/")).text.startswith("Bearer EAA")
        assert steps == ["start"]
    assert steps == ["start", "stop"]
