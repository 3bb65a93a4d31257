"""Starlette and FastAPI: from the bearer token of a connection to that user's AWS credentials.

An error that is the token's fault is answered with 401, one that may pass by itself with 503; a
WebSocket is closed with 1008 or 1013 before it is accepted.

    federated_users = users_lifespan(lambda: FederatedUsers("us-west-2:..."))
    app = FastAPI(lifespan=federated_users)
    Session = Annotated[AuthSession, Depends(BearerSession(AuthProvider.GOOGLE))]

    @app.get("/scores")
    async def scores(session: Session): ...

`LiveBearerSession` in the place of `BearerSession` gives what AWS clients follow through renewals.
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
    FederatedBearer,
    FederatedUsers,
    InvalidParameterError,
    NotAuthorizedError,
    NotAuthorizedReason,
    ResourceConflictError,
    SessionExpiredError,
    SignedOutError,
    ValidationError,
)

try:
    from starlette.exceptions import HTTPException, WebSocketException
    from starlette.requests import HTTPConnection
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
_POLICY_VIOLATION, _TRY_AGAIN_LATER = 1008, 1013  # close codes; IANA's WebSocket registry
_CALLERS_FAULT: Final = (
    NotAuthorizedError,
    SessionExpiredError,
    SignedOutError,
    ValidationError,
    InvalidParameterError,  # Cognito's word for some tokens that are none
    ResourceConflictError,
)

_POOLS_FAULTS: Final = frozenset(
    {NotAuthorizedReason.PROVIDER_NOT_CONFIGURED, NotAuthorizedReason.GUESTS_OFF}
)

Lifespan = Callable[[Any], AbstractAsyncContextManager[dict[str, Any]]]


def users_lifespan(make: Callable[[], AbstractAsyncContextManager[FederatedUsers]]) -> Lifespan:
    """Return a lifespan for `FastAPI(lifespan=...)` or `Starlette(lifespan=...)`.

    `make` is called when the application starts and returns the users as an async context manager,
    which ends when the application does: `FederatedUsers(...)` itself, or a function decorated with
    `asynccontextmanager` that opens a store around it. To call it from a lifespan of your own:
    `async with users_lifespan(make)(app): yield`.
    """

    @asynccontextmanager
    async def lifespan(application: Any) -> AsyncGenerator[dict[str, Any]]:  # noqa: ANN401  # either framework's
        async with make() as users:
            shared = getattr(application, "state", None)
            # Beside the lifespan's state: clients in tests hand that on only if they run it.
            if shared is not None:
                setattr(shared, _STATE, users)
            try:
                yield {_STATE: users}
            finally:
                if shared is not None:
                    delattr(shared, _STATE)

    return lifespan


def users_of(connection: HTTPConnection) -> FederatedUsers:
    """Return the users that `users_lifespan` opened for this application.

    Raises `ConfigurationError` if the application was not started with it.
    """
    users = getattr(connection.state, _STATE, None)
    if users is None and "app" in connection.scope:
        users = getattr(connection.app.state, _STATE, None)
    if not isinstance(users, FederatedUsers):
        message = (
            "There are no users here: the application's lifespan is not `users_lifespan(...)`, or "
            "is not running."
        )
        raise ConfigurationError(message, recovery_suggestion=_LIFESPAN_ADVICE)
    return users


_LIFESPAN_ADVICE: Final = (
    "Give the application `lifespan=users_lifespan(...)`. In tests, start it: "
    "`with TestClient(app) as client:`; over httpx's ASGITransport, which runs no lifespan, "
    "`async with app.router.lifespan_context(app):` around the client."
)


class BearerSession(_SecurityScheme):
    """A dependency: takes the connection's bearer token, gives the user's `AuthSession`.

    The session that it gives always has credentials. In Starlette, call it:
    `session = await bearer_session(request)`. It serves HTTP and WebSocket routes; FastAPI shows it
    in OpenAPI as a bearer scheme.

    Args:
        providers: those whose tokens are taken. Of several, the token's `iss` selects one, and
            Cognito verifies it.
        retry_after: seconds, for the `Retry-After` of a 503.

    Raises (from the call):
        HTTPException: 401 with `WWW-Authenticate` if the token is missing, refused or over; 503
            with `Retry-After` if Cognito, the network or the store does not serve now.
        WebSocketException: in their place on a WebSocket, which it closes with 1008 (401) or 1013
            (503) before it is accepted.
    """

    def __init__(self, *providers: AuthProvider, retry_after: int = 1) -> None:
        _check_providers(type(self).__name__, providers)
        self.providers = providers
        self.scheme_name = "BearerSession"
        self._retry_after = retry_after
        if _SecurityScheme is not object:
            from fastapi.openapi.models import HTTPBearer  # noqa: PLC0415  # only beside FastAPI

            names = " or ".join(each.login_key for each in providers)
            self.model = HTTPBearer(
                description=f"A token of {names}, exchanged for AWS credentials."
            )

    async def __call__(self, connection: HTTPConnection) -> AuthSession:
        """Return the session of the connection's token."""
        return (await self._exchanged(connection))[1]

    async def _exchanged(self, connection: HTTPConnection) -> tuple[FederatedBearer, AuthSession]:
        error: AuthError
        users = users_of(connection)
        if not _has_token(connection):
            _logger.info(
                "A request was answered with 401: it has no bearer token.",
                extra={"event": "refused", "error": None, "reason": "no_token"},
            )
            raise self._refusal(connection, "Not authenticated", None)
        try:
            bearer = users.bearer(_token(connection), self.providers)
            session = await bearer.fetch_auth_session()
            failure = session.credentials_result.error
        except ConfigurationError:
            raise
        except AuthError as raised:
            error = raised.fresh_copy()
        else:
            if failure is None:
                return bearer, session
            error = failure
        # Outside the handler: no cause, for what an application logs of the answer.
        raise self._answer_to(error, connection)

    def _answer_to(
        self, error: AuthError, connection: HTTPConnection
    ) -> HTTPException | WebSocketException:
        if isinstance(error, _CALLERS_FAULT):
            _log_refusal(error)
            return self._refusal(connection, "The token was refused or is over", "invalid_token")
        # The answer does not say why, so the log does.
        _logger.warning(
            "A request was answered with 503: %s: %s",
            type(error).__name__,
            error.message,
            extra={"event": "unavailable", "error": type(error).__name__},
        )
        detail = "Credentials cannot be had now"
        if _is_websocket(connection):
            return WebSocketException(_TRY_AGAIN_LATER, detail)
        return HTTPException(503, detail, headers={"Retry-After": str(self._retry_after)})

    def _refusal(
        self, connection: HTTPConnection, detail: str, code: str | None
    ) -> HTTPException | WebSocketException:
        if _is_websocket(connection):
            return WebSocketException(_POLICY_VIOLATION, detail)
        # RFC 6750, section 3: no error code where there was no token.
        known = f'Bearer error="{code}", error_description="{detail}"'
        challenge = "Bearer" if code is None else known
        return HTTPException(401, detail, headers={"WWW-Authenticate": challenge})


class LiveBearerSession(BearerSession):
    """A dependency as `BearerSession` that gives the `FederatedBearer`, once Cognito accepted it.

    For `aiobotocore_session(...)` and the other integrations, which follow its renewals, and for
    jobs that outlive the request.
    """

    async def __call__(self, connection: HTTPConnection) -> FederatedBearer:  # type: ignore[override]  # pyright: ignore[reportIncompatibleMethodOverride]  # what it gives is its difference
        """Return the live session of the connection's token."""
        return (await self._exchanged(connection))[0]


def _log_refusal(error: AuthError) -> None:
    """Log why a token was refused, and what to do if the pool is at fault.

    A pool that lacks the application's client id refuses all users: that is a warning, as is a
    refusal of a token that is good by its own `exp`. A token that is over, every hour one, is not.
    """
    pools_fault, reason = False, ""
    if isinstance(error, NotAuthorizedError):
        reason = str(error.reason)
        pools_fault = error.pools_fault or reason in _POOLS_FAULTS
    _logger.log(
        logging.WARNING if pools_fault else logging.INFO,
        "A request was answered with 401: %s%s: %s %s",
        type(error).__name__,
        f" ({reason})" if reason else "",
        error.message,
        error.recovery_suggestion if pools_fault else "",
        extra={"event": "refused", "error": type(error).__name__, "reason": reason or None},
    )


def _check_providers(name: str, providers: tuple[object, ...]) -> None:
    if not providers or not all(isinstance(each, AuthProvider) for each in providers):
        message = f"`{name}` needs the providers whose tokens it takes."
        raise ValidationError(message, recovery_suggestion="Give AuthProvider.GOOGLE, for example.")


def _is_websocket(connection: HTTPConnection) -> bool:
    return bool(connection.scope["type"] == "websocket")


# Two functions and no variable, which the frames of a 401 would show.
def _has_token(connection: HTTPConnection) -> bool:
    header = connection.headers.get("Authorization", "")
    return header[:7].lower() == "bearer " and bool(header[7:].strip())


def _token(connection: HTTPConnection) -> str:
    return connection.headers["Authorization"][7:].strip()
