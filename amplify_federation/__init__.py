"""Async-first identity-pool federation: a provider's token in, that user's AWS credentials out.

All names but these are imported when they are first used: each run of pytest imports this
module, with the plugin, and a process that restarts with a stored session needs a few of them.
"""

import importlib
import typing

from amplify_federation._version import __version__ as __version__
from amplify_federation.errors import (
    AuthError,
    CallTimeoutError,
    ConfigurationError,
    ExternalServiceError,
    InternalServiceError,
    InvalidAccountTypeError,
    InvalidIdentityPoolConfigurationError,
    InvalidParameterError,
    InvalidStateError,
    LimitExceededError,
    MalformedResponseError,
    NetworkError,
    NotAuthorizedError,
    NotAuthorizedReason,
    ResourceConflictError,
    ResourceNotFoundError,
    ServiceError,
    SessionExpiredError,
    SessionFileCorruptError,
    SessionFormatTooNewError,
    SessionKeyError,
    SignedOutError,
    StoreConflictError,
    StoreError,
    StoreLockedError,
    StoreUnavailableError,
    TooManyRequestsError,
    UnknownServiceError,
    UnsafePermissionsError,
    ValidationError,
)

if typing.TYPE_CHECKING:
    from amplify_federation._async.broadcast import EventStream
    from amplify_federation._crypto.key_files import EnvironmentKey, KeyFile
    from amplify_federation._crypto.keyring import KeyringKey
    from amplify_federation._crypto.keys import KeyRing
    from amplify_federation._crypto.passphrase import PassphraseKey
    from amplify_federation._model.auth_session import AuthResult, AuthSession
    from amplify_federation._model.classic_flow import ClassicFlow
    from amplify_federation._model.machine import AuthEvent, AuthEventKind
    from amplify_federation._model.providers import AuthProvider
    from amplify_federation._model.refresh_grant import RefreshGrant
    from amplify_federation._model.results import (
        AuthUser,
        FederationResult,
        Revocation,
        SignOutResult,
        TokenRequest,
        UserPoolTokens,
    )
    from amplify_federation._model.settings import AuthSettings, Clock
    from amplify_federation._model.state import Expired, Federated, SignedOut
    from amplify_federation._model.values import AWSCredentials
    from amplify_federation._oidc.prompting import SignInPrompt
    from amplify_federation._oidc.sign_in import SignIn, sign_in
    from amplify_federation._oidc.token_source import OidcTokenSource
    from amplify_federation._session.context import TokenSource, UserPool
    from amplify_federation.auth import FederatedAuth
    from amplify_federation.pool import IdentityPool
    from amplify_federation.stores.file import EncryptedFileStore
    from amplify_federation.stores.memory import MemoryStore
    from amplify_federation.stores.protocol import Record, SessionStore
    from amplify_federation.stores.sealed import Sealed
    from amplify_federation.users import FederatedBearer, FederatedUsers

__all__ = [
    "AWSCredentials",
    "AuthError",
    "AuthEvent",
    "AuthEventKind",
    "AuthProvider",
    "AuthResult",
    "AuthSession",
    "AuthSettings",
    "AuthUser",
    "CallTimeoutError",
    "ClassicFlow",
    "Clock",
    "ConfigurationError",
    "EncryptedFileStore",
    "EnvironmentKey",
    "EventStream",
    "Expired",
    "ExternalServiceError",
    "Federated",
    "FederatedAuth",
    "FederatedBearer",
    "FederatedUsers",
    "FederationResult",
    "IdentityPool",
    "InternalServiceError",
    "InvalidAccountTypeError",
    "InvalidIdentityPoolConfigurationError",
    "InvalidParameterError",
    "InvalidStateError",
    "KeyFile",
    "KeyRing",
    "KeyringKey",
    "LimitExceededError",
    "MalformedResponseError",
    "MemoryStore",
    "NetworkError",
    "NotAuthorizedError",
    "NotAuthorizedReason",
    "OidcTokenSource",
    "PassphraseKey",
    "Record",
    "RefreshGrant",
    "ResourceConflictError",
    "ResourceNotFoundError",
    "Revocation",
    "Sealed",
    "ServiceError",
    "SessionExpiredError",
    "SessionFileCorruptError",
    "SessionFormatTooNewError",
    "SessionKeyError",
    "SessionStore",
    "SignIn",
    "SignInPrompt",
    "SignOutResult",
    "SignedOut",
    "SignedOutError",
    "StoreConflictError",
    "StoreError",
    "StoreLockedError",
    "StoreUnavailableError",
    "TokenRequest",
    "TokenSource",
    "TooManyRequestsError",
    "UnknownServiceError",
    "UnsafePermissionsError",
    "UserPool",
    "UserPoolTokens",
    "ValidationError",
    "sign_in",
]

_MODULES = {
    "_async.broadcast": ("EventStream",),
    "_model.auth_session": ("AuthResult", "AuthSession"),
    "_model.classic_flow": ("ClassicFlow",),
    "_model.machine": ("AuthEvent", "AuthEventKind"),
    "_model.providers": ("AuthProvider",),
    "_model.refresh_grant": ("RefreshGrant",),
    "_model.results": (
        "AuthUser",
        "FederationResult",
        "Revocation",
        "SignOutResult",
        "TokenRequest",
        "UserPoolTokens",
    ),
    "_model.settings": ("AuthSettings", "Clock"),
    "_model.state": ("Expired", "Federated", "SignedOut"),
    "_model.values": ("AWSCredentials",),
    "_crypto.key_files": ("EnvironmentKey", "KeyFile"),
    "_crypto.keyring": ("KeyringKey",),
    "_crypto.passphrase": ("PassphraseKey",),
    "_crypto.keys": ("KeyRing",),
    "_oidc.prompting": ("SignInPrompt",),
    "_oidc.token_source": ("OidcTokenSource",),
    "_oidc.sign_in": ("SignIn", "sign_in"),
    "_session.context": ("TokenSource", "UserPool"),
    "auth": ("FederatedAuth",),
    "pool": ("IdentityPool",),
    "stores.file": ("EncryptedFileStore",),
    "stores.memory": ("MemoryStore",),
    "stores.protocol": ("Record", "SessionStore"),
    "stores.sealed": ("Sealed",),
    "users": ("FederatedBearer", "FederatedUsers"),
}  # as above, for the running program
_MODULE_OF = {name: module for module, names in _MODULES.items() for name in names}

if not typing.TYPE_CHECKING:  # a checker is to find misspelt names

    def __getattr__(name: str) -> object:
        module = _MODULE_OF.get(name)
        if module is None:
            message = f"module {__name__!r} has no attribute {name!r}"
            raise AttributeError(message)
        value = globals()[name] = getattr(importlib.import_module(f"{__name__}.{module}"), name)
        return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__, "__version__"})
