"""Starlette and FastAPI: from the bearer token of a request to that user's AWS credentials.

This file owns how a session's errors are told to a browser: what the caller's token is at fault
for is 401, what passes by itself is 503. It must not know Cognito.

    federated_users = users_lifespan(lambda: FederatedUsers("us-west-2:..."))
    app = FastAPI(lifespan=federated_users)
    Session = Annotated[AuthSession, Depends(BearerSession(AuthProvider.GOOGLE))]

    @app.get("/scores")
    async def scores(session: Session): ...
"""

import logging
from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import TYPE_CHECKING, Any, Final

from amplify_federation import (
    AuthError,
    AuthProvider,
    AuthSession,
    ConfigurationError,
    FederatedUsers,
    InvalidParameterError,
    NotAuthorizedError,
    ResourceConflictError,
    SessionExpiredError,
    SignedOutError,
    ValidationError,
)

try:
    from starlette.exceptions import HTTPException
    from starlette.requests import Request
except ImportError:
    _message = "This needs Starlette: pip install 'amplify-federation[starlette]'."
    raise ConfigurationError(_message) from None

if TYPE_CHECKING:

    class _SecurityScheme:
        """What FastAPI looks for, to show the scheme in the OpenAPI document."""

        model: Any
        scheme_name: str

else:
    try:
        from fastapi.security.base import SecurityBase as _SecurityScheme
    except ImportError:
        _SecurityScheme = object

_logger = logging.getLogger("amplify_federation")
_STATE: Final = "federated_users"
_CALLERS_FAULT: Final = (
    NotAuthorizedError,
    SessionExpiredError,
    SignedOutError,
    ValidationError,
    InvalidParameterError,  # Cognito's word for some tokens that are none
    ResourceConflictError,
)

Lifespan = Callable[[Any], AbstractAsyncContextManager[dict[str, Any]]]


def users_lifespan(make: Callable[[], AbstractAsyncContextManager[FederatedUsers]]) -> Lifespan:
    """Return a lifespan for `FastAPI(lifespan=...)` or `Starlette(lifespan=...)`.

    `make` is called when the application starts and returns the users as an async context manager,
    which ends when the application does: `FederatedUsers(...)` itself, or a function decorated with
    `asynccontextmanager` that opens a store around it.
    """

    @asynccontextmanager
    async def lifespan(_application: object) -> AsyncGenerator[dict[str, Any]]:
        async with make() as users:
            yield {_STATE: users}

    return lifespan


def users_of(request: Request) -> FederatedUsers:
    """Return the users that `users_lifespan` opened for this application.

    Raises `ConfigurationError` if the application was not started with it.
    """
    users = getattr(request.state, _STATE, None)
    if not isinstance(users, FederatedUsers):
        message = (
            "There are no users here: start the application with `lifespan=users_lifespan(...)`, "
            "or yield what that lifespan yields from your own."
        )
        raise ConfigurationError(message)
    return users


class BearerSession(_SecurityScheme):
    """A dependency: takes the request's bearer token, gives the user's `AuthSession`.

    The session that it gives always has credentials. In Starlette, call it:
    `session = await bearer_session(request)`. FastAPI shows it in OpenAPI as a bearer scheme.

    Args:
        provider: whose tokens are taken.
        retry_after: seconds after which a client is told to come back from a 503.

    Raises (from the call):
        HTTPException: 401 with `WWW-Authenticate` if the token is missing, refused or over; 503
            with `Retry-After` if Cognito, the network or the store does not serve now.
    """

    def __init__(self, provider: AuthProvider, *, retry_after: int = 1) -> None:
        self.provider = provider
        self.scheme_name = "BearerSession"
        self._retry_after = retry_after
        if _SecurityScheme is not object:
            from fastapi.openapi.models import HTTPBearer  # noqa: PLC0415  # only beside FastAPI

            self.model = HTTPBearer(
                description=f"A token of {provider.login_key}, exchanged for AWS credentials."
            )

    async def __call__(self, request: Request) -> AuthSession:
        """Return the session of the request's token."""
        error: AuthError | None
        try:
            session = await users_of(request).session_for(_token_of(request), self.provider)
            error = session.credentials_result.error
        except ConfigurationError:
            raise
        except AuthError as failure:
            error = failure.fresh_copy()
        else:
            if error is None:
                return session
        # Outside the handler: no cause, for what an application logs of the answer.
        raise self._answer_to(error)

    def _answer_to(self, error: AuthError) -> HTTPException:
        if isinstance(error, _CALLERS_FAULT):
            return _unauthorized("The token was refused or is over", "invalid_token")
        # The client is told nothing of it, so whoever runs the application must be.
        _logger.warning(
            "A request was answered with 503: %s: %s",
            type(error).__name__,
            error.message,
            extra={"event": "unavailable", "error": type(error).__name__},
        )
        return HTTPException(
            503,
            "Credentials cannot be had now",
            headers={"Retry-After": str(self._retry_after)},
        )


def _token_of(request: Request) -> str:
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() == "bearer" and (token := token.strip()):
        return token
    refusal = _unauthorized("Not authenticated", None)
    raise refusal


def _unauthorized(detail: str, code: str | None) -> HTTPException:
    # RFC 6750, section 3: no error code where there was no token.
    challenge = "Bearer" if code is None else f'Bearer error="{code}", error_description="{detail}"'
    return HTTPException(401, detail, headers={"WWW-Authenticate": challenge})
