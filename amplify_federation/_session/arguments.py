"""The arguments of `FederatedAuth` and `FederatedUsers`, checked before anything is made."""

from __future__ import annotations

from inspect import iscoroutinefunction, isfunction, ismethod, unwrap
from typing import TYPE_CHECKING, cast

from amplify_federation._model.settings import AuthSettings
from amplify_federation.errors import ConfigurationError, ValidationError
from amplify_federation.pool import IdentityPool

if TYPE_CHECKING:
    from amplify_federation._model.providers import AuthProvider
    from amplify_federation._session.context import TokenSource
    from amplify_federation.stores.protocol import SessionStore

_STORE_METHODS = ("read", "compare_and_set", "delete", "lock")
_AWAITABLES = ("Awaitable", "Coroutine", "Future", "Task")  # in annotations
_MAX_SESSION_NAME = 128  # characters
DEFAULT_SETTINGS = AuthSettings()


def checked_store(store: object) -> SessionStore:
    """Return the store of an argument, or the one that is used where none is given.

    Raises `ConfigurationError` for what is no store.
    """
    if store is not None:
        is_class = isinstance(store, type)
        if is_class or not all(callable(getattr(store, name, None)) for name in _STORE_METHODS):
            kind = f"the class {_name(store)}" if is_class else type(store).__name__
            message = (
                "`store` must be a store such as EncryptedFileStore('~/sessions'), MemoryStore() "
                f"or a RedisStore, not {kind}."
            )
            raise ConfigurationError(message)
        return cast("SessionStore", store)
    from amplify_federation.stores.file import EncryptedFileStore  # noqa: PLC0415 - 5 ms; many give another

    return EncryptedFileStore()


def checked_source(source: TokenSource | None) -> TokenSource | None:
    """Return a token source; raises `ValidationError` if it is none, or a plain function.

    What cannot tell beforehand, a lambda or an object that is called, is taken: its first answer
    tells.
    """
    if source is None:
        return None
    given: object = source
    is_class = isinstance(given, type)
    if is_class or not callable(given):
        kind = f"the class {_name(given)}" if is_class else type(given).__name__
        message = (
            "`token_source` must be an async function that takes a TokenRequest and returns a "
            f"token, not {kind}."
        )
        raise ValidationError(message)
    called = unwrap(given)
    plain = (isfunction(called) or ismethod(called)) and not iscoroutinefunction(called)
    says = str(called.__annotations__.get("return", "")) if plain else ""
    awaitable = any(word in says for word in _AWAITABLES)
    if plain and not awaitable and _name(called) != "<lambda>":
        message = f"`token_source` must be async; `{_name(called)}` is a plain function."
        advice = "Write `async def`, and call what blocks with `anyio.to_thread.run_sync`."
        raise ValidationError(message, recovery_suggestion=advice)
    return source


def _name(named: object) -> str:
    return str(getattr(named, "__name__", ""))


def checked_pool(pool: object) -> IdentityPool:
    """Return the pool of an argument; raises `ConfigurationError` if it is none."""
    if isinstance(pool, IdentityPool):
        return pool
    if not isinstance(pool, str):
        message = f"`pool` must be an IdentityPool or its id, not {type(pool).__name__}."
        raise ConfigurationError(message)
    return IdentityPool(pool)


def check_refresh_grant(grant: object, provider: AuthProvider) -> None:
    """Raise `ValidationError` unless this is a refresh grant of the provider."""
    from amplify_federation._model.refresh_grant import RefreshGrant  # noqa: PLC0415 - see _session

    if not isinstance(grant, RefreshGrant):
        message = f"`refresh_grant` must be a RefreshGrant, not {type(grant).__name__}."
        raise ValidationError(message)
    if grant.provider != provider:
        message = f"The refresh grant is of {grant.issuer}, not of {provider.login_key}."
        raise ValidationError(message)


def check_session_name(name: object) -> None:
    """Raise `ValidationError` unless this names a session."""
    if not isinstance(name, str) or not 0 < len(name) <= _MAX_SESSION_NAME:
        message = f"`session_name` must be 1 to {_MAX_SESSION_NAME} characters."
        raise ValidationError(message)


def check_settings(settings: object) -> None:
    """Raise `ValidationError` unless these are settings."""
    if not isinstance(settings, AuthSettings):
        message = f"`settings` must be AuthSettings, not {type(settings).__name__}."
        raise ValidationError(message)


def check_count(name: str, value: object) -> None:
    """Raise `ValidationError` unless this is a whole number, at least 1."""
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        message = f"`{name}` must be a whole number, at least 1."
        raise ValidationError(message)


def check_seconds(name: str, value: object) -> None:
    """Raise `ValidationError` unless these are finite seconds, at least 0."""
    if (
        isinstance(value, bool)
        or not isinstance(value, int | float)
        or not 0 <= value < float("inf")
    ):
        message = f"`{name}` must be seconds, at least 0."
        raise ValidationError(message)
