"""Async-first identity-pool federation: a provider's token in, that user's AWS credentials out."""

from amplify_federation._concurrency.broadcast import EventStream
from amplify_federation._core.providers import AuthProvider
from amplify_federation._core.results import (
    AuthEvent,
    AuthEventKind,
    AuthResult,
    AuthSession,
    AuthUser,
    FederationResult,
    TokenRequest,
)
from amplify_federation._core.settings import AuthSettings, Clock
from amplify_federation._core.state import Expired, Federated, SignedOut
from amplify_federation._core.values import AWSCredentials, UserPoolTokens
from amplify_federation._vault.keys.file import EnvironmentKey, KeyFile
from amplify_federation._vault.keys.os_keyring import KeyringKey
from amplify_federation._vault.keys.passphrase import PassphraseKey
from amplify_federation._vault.keys.source import KeyRing
from amplify_federation.auth import FederatedAuth
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
from amplify_federation.pool import IdentityPool
from amplify_federation.stores.file import EncryptedFileStore
from amplify_federation.stores.memory import MemoryStore
from amplify_federation.stores.protocol import Record, SessionStore
from amplify_federation.stores.sealed import Sealed
from amplify_federation.users import FederatedUsers

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
    "Clock",
    "ConfigurationError",
    "EncryptedFileStore",
    "EnvironmentKey",
    "EventStream",
    "Expired",
    "ExternalServiceError",
    "Federated",
    "FederatedAuth",
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
    "PassphraseKey",
    "Record",
    "ResourceConflictError",
    "ResourceNotFoundError",
    "Sealed",
    "ServiceError",
    "SessionExpiredError",
    "SessionFileCorruptError",
    "SessionFormatTooNewError",
    "SessionKeyError",
    "SessionStore",
    "SignedOut",
    "SignedOutError",
    "StoreConflictError",
    "StoreError",
    "StoreLockedError",
    "StoreUnavailableError",
    "TokenRequest",
    "TooManyRequestsError",
    "UnknownServiceError",
    "UnsafePermissionsError",
    "UserPoolTokens",
    "ValidationError",
]
