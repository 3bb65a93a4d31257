"""What an error of redis-py means, in words.

No text of Redis or redis-py is shown: it may repeat the command, and that a sealed record.
"""

import os
import ssl
from socket import gaierror
from typing import Final, NamedTuple

from amplify_federation._async.worker_thread import NoThreadError, is_lack_of_thread

_USE_CLUSTER: Final = "Use redis+cluster:// in the URL."
_USE_SINGLE: Final = "Use redis:// (or rediss://) in the URL."
_PERMIT: Final = (
    "Allow the user GET, SET, DEL, EVAL, SCAN, GETRANGE and PEXPIRE on the keys of the namespace."
)
_SENTINEL_LOGIN: Final = (
    "Give the login of the Sentinels in the URL: `?sentinel_password=...`, and `sentinel_username` "
    "if they have user names. The one before the @ is the master's."
)
_CHECK_LOGIN: Final = "Give user name and password in the URL: redis://user:password@host."
# By how an answer of Redis, or a message of redis-py, begins.
_ANSWERS: Final[tuple[tuple[str, str, str | None], ...]] = (
    ("WRONGPASS", "it refuses the user name or the password", _CHECK_LOGIN),
    ("invalid username-password", "it refuses the user name or the password", _CHECK_LOGIN),
    ("invalid password", "it refuses the password", _CHECK_LOGIN),
    ("AUTH", "it has no password, and was given one", "Leave the password out of the URL."),
    ("Client sent AUTH", "it has no password, and was given one", "Leave it out of the URL."),
    ("NOAUTH", "it wants a password", _CHECK_LOGIN),
    ("Authentication required", "it wants a password", _CHECK_LOGIN),
    ("NOPERM", "its user may not run what the store needs", _PERMIT),
    ("ACL failure in script", "its user may not run what the store needs", _PERMIT),
    ("The user executing the script", "its user may not run what the store needs", _PERMIT),
    ("All slots are not covered", "the cluster does not cover all slots", None),
    ("Cluster mode is not enabled", "it is no cluster", _USE_SINGLE),
    ("This instance has cluster support disabled", "it is no cluster", _USE_SINGLE),
    ("MOVED", "it is a node of a cluster", _USE_CLUSTER),
    ("DB index is out of range", "it has no such database", "Correct the number in the URL."),
    ("invalid DB index", "it has no such database", "Correct the number in the URL."),
    ("SELECT is not allowed in cluster", "it is a node of a cluster", _USE_CLUSTER),
    ("No master found", "the Sentinels know no such master, or cannot be reached", None),
    ("max number of clients", "it has too many clients", None),
    ("MISCONF", "it cannot save to its disk, and so refuses writes", None),
    ("NOREPLICAS", "it has too few replicas, and so refuses writes", None),
    ("UNBLOCKED", "its role changed", None),
)  # fmt: skip
_FAILOVER: Final = "ReadOnlyError"  # also of a former master, until its name leads to the new one
# By the name of redis-py's class. Advice says what only a change of the URL or of Redis mends.
_KINDS: Final[tuple[tuple[str, str, str | None], ...]] = (
    ("MovedError", "it is a node of a cluster", _USE_CLUSTER),
    ("NoPermissionError", "its user may not run what the store needs", _PERMIT),
    ("AuthenticationError", "it refuses the user name or the password", _CHECK_LOGIN),
    ("AuthenticationWrongNumberOfArgsError", "it knows no user names", _CHECK_LOGIN),
    ("BusyLoadingError", "it is loading its data", None),
    ("OutOfMemoryError", "it has no memory left for writes", None),
    (_FAILOVER, "it is a replica, which takes no writes", "Give the URL of the master."),
    ("MasterDownError", "its master is down", None),
    ("ClusterDownError", "the cluster is down", None),
    ("SlotNotCoveredError", "no node of the cluster serves this key", None),
    ("RedisClusterException", "the cluster does not serve", None),
    ("MaxConnectionsError", "all connections to it are in use", None),
)  # fmt: skip


class Meaning(NamedTuple):
    """Why Redis does not serve, and what to do about it. `retryable`: it may end by itself."""

    reason: str
    advice: str | None = None
    retryable: bool = True


def meaning_of(error: Exception) -> Meaning | None:
    """Return what an error means; `None` for no answer in time."""
    chain = _chain(error)
    for each in chain:
        if (found := _meaning_of_cause(each)) is not None:
            return found
    for start, reason, advice in _ANSWERS:
        if any(str(each).startswith(start) for each in chain):
            return Meaning(reason, advice, retryable=advice is None)
    if any(type(each).__name__ == "TimeoutError" for each in chain):
        return None
    for kind, reason, advice in _KINDS:
        if any(type(each).__name__ == kind for each in chain):
            return Meaning(reason, advice, retryable=advice is None or kind == _FAILOVER)
    if type(chain[-1]).__name__ in {"ConnectionError", "ConnectionResetError"}:
        advice = "Check the port, and whether it speaks TLS there (rediss://) or not (redis://)."
        return Meaning("the connection was closed", advice)
    return Meaning(type(error).__name__)


def _chain(error: BaseException) -> list[BaseException]:
    chain = [error]
    while (inner := chain[-1].__cause__ or chain[-1].__context__) and inner not in chain:
        chain.append(inner)
    return chain


def _meaning_of_cause(error: BaseException) -> Meaning | None:
    if is_lack_of_thread(error):  # asyncio looks up host names in one
        return Meaning(NoThreadError.reason, NoThreadError.advice)
    # redis-py puts what the Sentinels answer into the text of its own error.
    if type(error).__name__ == "MasterNotFoundError" and "AuthenticationError" in str(error):
        reason = "the Sentinels want a password, or refuse the one given"
        return Meaning(reason, _SENTINEL_LOGIN, retryable=False)
    if type(error).__name__ == "NoPermissionError" and "'sentinel" in str(error):
        reason = "the user of the Sentinels may not run SENTINEL MASTERS"
        return Meaning(reason, "Allow that user +sentinel|masters.", retryable=False)
    return _meaning_of_os_error(error) if isinstance(error, OSError) else None


def _meaning_of_os_error(error: OSError) -> Meaning | None:
    if isinstance(error, ssl.SSLCertVerificationError):
        advice = "Give the file of its CA in the URL: `?ssl_ca_certs=FILE`."
        reason = f"its TLS certificate is not trusted ({error.verify_message})"
        return Meaning(reason, advice, retryable=False)
    if isinstance(error, ssl.SSLError):
        advice = "Use redis:// where Redis does not speak TLS, or give the port where it does."
        return Meaning(f"TLS failed ({error.reason})", advice, retryable=False)
    if isinstance(error, gaierror):
        return Meaning("its host name is not found", "Correct the host in the URL.")
    if isinstance(error, ConnectionRefusedError):
        return Meaning("nobody listens there")
    if isinstance(error, TimeoutError | ConnectionError) or error.errno is None:
        return None
    return Meaning(os.strerror(error.errno).lower())
