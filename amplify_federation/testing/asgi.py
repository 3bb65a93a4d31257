"""signed_in_client: a test client of an ASGI application that sends a user's bearer token."""

from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any, cast

import httpx

from amplify_federation import AuthProvider
from amplify_federation.testing.cognito import FakeCognito


@asynccontextmanager
async def signed_in_client(
    app: object,
    fake: FakeCognito,
    *,
    user: str = "alice",
    provider: AuthProvider | None = None,
    base_url: str = "http://testserver",
) -> AsyncGenerator[httpx.AsyncClient]:
    """Yield an httpx client of a Starlette or FastAPI application, inside its lifespan.

    Every request carries a bearer token that `provider`, Google unless given, issued for `user`.
    """
    token = fake.issue_token(provider or AuthProvider.GOOGLE, user)
    application = cast("Any", app)  # FastAPI's and Starlette's classes are an extra
    async with AsyncExitStack() as stack:
        # httpx's transport leaves the lifespan, and the state that it yields, to its user.
        lifespan = application.router.lifespan_context(application)
        state: Any = await stack.enter_async_context(lifespan)

        async def with_state(scope: Any, receive: Any, send: Any) -> None:  # noqa: ANN401  # ASGI
            await application({**scope, "state": dict(state or {})}, receive, send)

        transport = httpx.ASGITransport(with_state)
        headers = {"Authorization": f"Bearer {token}"}
        yield await stack.enter_async_context(
            httpx.AsyncClient(transport=transport, base_url=base_url, headers=headers)
        )
