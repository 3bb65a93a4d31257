"""A game's backend: players sign in with Google, and store scores with their own AWS credentials.

    GAME_POOL=us-west-2:... GAME_REDIS=redis://... uvicorn tests.example_app.game:app --workers 2

AMPLIFY_FEDERATION_KEY seals the sessions; it must be the same in all workers.
"""

import os
from contextlib import asynccontextmanager
from typing import Annotated

from fastapi import Depends, FastAPI

from amplify_federation import AuthProvider, AuthSession, EnvironmentKey, FederatedUsers
from amplify_federation.integrations.starlette import BearerSession, users_lifespan
from amplify_federation.stores.redis import RedisStore
from tests.example_app.table import ScoreTable


@asynccontextmanager
async def players():
    async with (
        RedisStore(os.environ["GAME_REDIS"], key=EnvironmentKey()) as store,
        FederatedUsers(os.environ["GAME_POOL"], store=store) as users,
    ):
        yield users


app = FastAPI(title="Game", lifespan=users_lifespan(players))
table = ScoreTable(os.environ.get("GAME_SCORES", "scores.sqlite"))
Player = Annotated[AuthSession, Depends(BearerSession(AuthProvider.GOOGLE))]


@app.post("/scores/{points}")
async def add_score(points: int, player: Player) -> dict[str, str | int]:
    row = table.put(player.credentials, points)
    return {"player": player.identity_id, **row}


@app.get("/scores")
async def scores(player: Player) -> dict[str, str | int]:
    return {"player": player.identity_id, **table.get(player.credentials)}


@app.get("/worker")
async def worker() -> int:
    return os.getpid()
