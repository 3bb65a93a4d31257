"""A game's pictures: each player keeps them in S3, with the AWS credentials of that player.

One client of S3 serves all players, and each call is signed by the player whose request it is. The
picture is read back over an API behind IAM, signed by the same player.
"""

from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from typing import Annotated

import httpx
from fastapi import Depends, FastAPI, Request

from amplify_federation import AuthProvider, FederatedBearer, FederatedUsers
from amplify_federation.integrations.boto import SigV4Auth, aws_clients
from amplify_federation.integrations.starlette import LiveBearerSession, users_lifespan

BUCKET = "pictures"
Player = Annotated[FederatedBearer, Depends(LiveBearerSession(AuthProvider.GOOGLE))]


def make_app(
    players: Callable[[], AbstractAsyncContextManager[FederatedUsers]], s3_url: str
) -> FastAPI:
    """Return the application over these players and this S3."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncGenerator[dict[str, object]]:
        async with AsyncExitStack() as stack:
            state = await stack.enter_async_context(users_lifespan(players)(app))
            app.state.clients = await stack.enter_async_context(aws_clients())
            app.state.http = await stack.enter_async_context(
                httpx.AsyncClient(base_url=s3_url, timeout=60)
            )
            yield state

    app = FastAPI(title="Pictures", lifespan=lifespan)

    @app.put("/pictures/{name}")
    async def keep(name: str, player: Player, request: Request) -> dict[str, str]:
        identity = (await player.fetch_auth_session()).identity_id
        s3 = await request.app.state.clients.client(player, "s3", endpoint_url=s3_url)
        key = f"{identity}/{name}"
        await s3.put_object(Bucket=BUCKET, Key=key, Body=await request.body())
        signer = SigV4Auth(player, "s3")
        read = await request.app.state.http.get(f"/{BUCKET}/{key}", auth=signer)
        return {"player": identity, "picture": read.text}

    return app
