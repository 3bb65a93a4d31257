"""What comes back from httpx: an answer, read up to a cap, or an exception, told as ours.

Clients, answers and exceptions are known by their names and attributes: httpx2's serve as well, and
share no ancestor with httpx's.
"""

import errno
import os
from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeVar

import httpx

from amplify_federation._async.worker_thread import NoThreadError, in_thread, threaded
from amplify_federation._cognito.decoding import MAX_BODY, Reply, UndecodableError, plain
from amplify_federation.errors import NetworkError

T = TypeVar("T")
_NETWORK_NAMES = frozenset({"RequestError", "StreamError", "InvalidURL", "HTTPError"})
_FINAL_NAMES = frozenset({"UnsupportedProtocol", "InvalidURL", "LocalProtocolError"})


async def exchange(client: Any, request: Any) -> Reply:  # noqa: ANN401  # duck-typed
    """Send a request through a client and return the whole answer.

    The client's authentication is not applied, and no redirect is followed.
    """
    response = await threaded(client.send(request, stream=True, auth=None, follow_redirects=False))
    try:
        body = await read_capped(response, response.headers)
    finally:
        await response.aclose()
    return Reply(response.status_code, response.headers, body)


async def read_capped(
    response: Any,  # noqa: ANN401  # duck-typed
    headers: Mapping[str, str],
) -> bytes | None:
    """Return the body of an answer that is streamed, or `None` if it is beyond `MAX_BODY`."""
    if isinstance(response.stream, httpx.ByteStream):
        raw = b"".join(response.stream)
        return plain(headers.get("content-encoding"), raw)
    if response.is_stream_consumed:  # a hook read it, or a mock brought it whole
        content: bytes = await response.aread()
        return content if len(content) <= MAX_BODY else None
    chunks: list[bytes] = []
    size = 0
    try:
        async for chunk in response.aiter_raw(65_536):  # raw: httpx would inflate without a bound
            size += len(chunk)
            if size <= MAX_BODY:
                chunks.append(chunk)
            else:
                # Then the iterators, which httpx nests, run dry at once; trio complains of those
                # that are left in the middle.
                await response.aclose()
    except Exception:
        if size <= MAX_BODY:
            raise
    if size > MAX_BODY:
        return None
    return plain(headers.get("content-encoding"), b"".join(chunks))


def leaf(error: BaseException) -> BaseException:
    """Return the first exception of a group, at any depth; another exception as it is."""
    parts: tuple[BaseException, ...] = getattr(error, "exceptions", ())  # a group's alone
    return leaf(parts[0]) if parts else error


def _names(error: BaseException) -> set[str]:
    return {ancestor.__name__ for ancestor in type(error).__mro__}


def reply_of_hook(error: BaseException) -> Reply | None:
    """Return the answer that a response hook raised: `raise_for_status` is the documented one."""
    response: Any = getattr(error, "response", None)
    if "HTTPStatusError" not in _names(error) or response is None:
        return None
    read = response.is_stream_consumed
    body: bytes | None = response.content if read else b""
    if body and len(body) > MAX_BODY:
        body = None
    return Reply(response.status_code, response.headers, body, not read)


def network_error(
    error: BaseException,
    host: str,
    proxy: str | None,
    detail: str = "",
    *,
    variable: str | None = None,
) -> NetworkError | None:
    """Return the error for what a transport raised, or `None` if it is none of a network's.

    `variable`: the environment variable that names the host, if one does.
    """
    if isinstance(error, UndecodableError):
        return NetworkError(f"DecodingError from {host}: {error}.")
    names = _names(error)
    # trio raises a bare UnicodeError for a host that cannot be a name.
    if not isinstance(error, OSError | UnicodeError | OverflowError) and not names & _NETWORK_NAMES:
        return None
    where = f"{host}, which {variable} names" if variable else host
    where = f"{where}, through the proxy {proxy}" if proxy else where
    detail = detail or _detail(error)
    failure = NetworkError(
        f"{type(error).__name__} from {where}{detail and f': {detail}'}.",
        recovery_suggestion=_advice(error, variable),
    )
    failure.retryable = not names & _FINAL_NAMES
    return failure


async def network_thread(function: Callable[[], T]) -> T:
    """Return what a blocking function returns, called in a worker thread.

    Raises `NetworkError` where none can be started.
    """
    try:
        return await in_thread(function)
    except NoThreadError as error:
        message = f"The network cannot be used: {error.strerror}."
        raise NetworkError(message, recovery_suggestion=error.advice) from None


def _advice(error: BaseException, variable: str | None) -> str | None:
    for cause in _causes(error):
        if isinstance(cause, NoThreadError):
            return cause.advice
        if getattr(cause, "errno", None) in {errno.EMFILE, errno.ENFILE}:
            return "Close files, or raise their limit (`ulimit -n`), then call again."
    if variable is None:
        return None
    return f"Start what should answer there, or correct or unset {variable}; then call again."


def _detail(error: BaseException) -> str:
    """Return the reason, from the first of an error's causes that gives one without the request."""
    if "ProxyError" in _names(error):  # the status of CONNECT, and its reason
        return str(error)[:100] if str(error)[:3].isdigit() else ""
    for cause in _causes(error):
        if reason := getattr(cause, "verify_message", None):  # of a certificate
            return str(reason)
        if isinstance(cause, NoThreadError):
            return str(cause.strerror)
        if (number := getattr(cause, "errno", None)) and isinstance(cause, OSError):
            return os.strerror(number)
    return ""  # another error's text may quote the request


def _causes(error: BaseException) -> Iterator[BaseException]:
    """Yield an error, its cause, the cause of that, and so on."""
    cause: BaseException | None = error
    seen: set[int] = set()  # respx makes a circle of them
    while cause is not None and id(cause) not in seen:
        seen.add(id(cause))
        cause = leaf(cause)  # anyio groups the failures of all addresses
        yield cause
        cause = cause.__cause__ or cause.__context__


def without_causes(error: BaseException) -> BaseException:
    """Return an unexpected error without causes, and with a note of where it was raised."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    if trace is not None:
        code = trace.tb_frame.f_code
        error.add_note(f"Raised in {code.co_qualname}, {code.co_filename}:{trace.tb_lineno}.")
    error.__cause__ = error.__context__ = None
    return error
