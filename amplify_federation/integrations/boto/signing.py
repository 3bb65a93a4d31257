"""SigV4Auth for httpx, and presigned URLs: botocore's signers, with live credentials.

The canonical request of Signature Version 4 takes every character but the unreserved ones
percent-encoded ("Create a signed AWS API request" of the IAM user guide), while httpx leaves more
of them as they are: so the query, and S3's path, are rewritten before they are signed and sent.
"""

import re
from collections.abc import AsyncGenerator, Generator
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qsl, quote, unquote, urlencode, urlsplit, urlunsplit

import httpx
from attrs import field, frozen
from botocore.auth import S3SigV4Auth, S3SigV4QueryAuth, SigV4QueryAuth
from botocore.auth import SigV4Auth as BotocoreSigner
from botocore.awsrequest import AWSRequest
from botocore.config import Config

from amplify_federation import AWSCredentials, InvalidStateError, ValidationError
from amplify_federation.integrations.boto.refreshing_credentials import read_only
from amplify_federation.integrations.live_session import LiveSession
from amplify_federation.integrations.thread_access import ThreadAccess

# Headers that httpx, a proxy or a tracer may change on the way, or that say how, not what, is sent.
UNSIGNED_HEADERS = frozenset({
    "accept", "accept-encoding", "authorization", "connection", "content-length", "cookie",
    "expect", "proxy-authorization", "te", "traceparent", "tracestate", "transfer-encoding",
    "user-agent", "x-amzn-trace-id",
})  # fmt: skip
HASHED_IN_MEMORY = 8 * 1024 * 1024  # bytes of a body that is not in memory yet
COGNITO_LIFE = 3_600  # seconds of credentials of `GetCredentialsForIdentity`
MAX_URL_LIFE = 604_800  # seconds; Signature Version 4 allows 7 days
_S3 = frozenset({"s3", "s3-outposts", "s3-object-lambda"})
_REFUSED = frozenset({400, 401, 403})
# XML services; JSON services, in `__type` or x-amzn-errortype; S3; EC2; API Gateway's text.
_EXPIRED = re.compile(
    rb"\b(?:ExpiredToken(?:Exception)?|TokenRefreshRequired|RequestExpired)\b"
    rb"|security token included in the request is expired",
    re.IGNORECASE,
)


class SigV4Auth(httpx.Auth):
    """Signs httpx requests to AWS with the live credentials of a session.

    Give it as `auth` to an `httpx.AsyncClient` in the event loop of the session, or to an
    `httpx.Client` in worker threads. When the service says that the credentials are expired, they
    are renewed once and the request is sent again.

    A body in memory is signed. A stream is signed without its content for S3 over HTTPS, as AWS's
    own SDKs do; other services take no such signature, so that one of more than 8 MiB, or of
    unknown length, is `ValidationError`. A stream is not sent again.

    Args:
        session: a `FederatedAuth`, or a `FederatedBearer` of `FederatedUsers.bearer`.
        service: the signing name of the service, such as `execute-api`, `s3`, `aoss` or
            `bedrock-agentcore`.
        region: by default the pool's.
    """

    def __init__(self, session: LiveSession, service: str, region: str | None = None) -> None:
        self._session = session
        self._service = service
        self._region = region or session.pool.region
        try:
            self._access: ThreadAccess | None = ThreadAccess(session)
        except InvalidStateError:
            self._access = None  # made before there is a loop: blocking requests will say so

    def __repr__(self) -> str:
        return f"<SigV4Auth for {self._service} in {self._region}>"

    async def async_auth_flow(
        self, request: httpx.Request
    ) -> AsyncGenerator[httpx.Request, httpx.Response]:
        """Sign, send, and once more if the credentials were expired."""
        if _is_small_stream(request):
            await request.aread()
        credentials = (await self._session.fetch_auth_session()).credentials
        self._sign(request, credentials)
        can_be_repeated = _can_be_repeated(request)  # a transport may read what it sent
        response = yield request
        if response.status_code not in _REFUSED or not can_be_repeated:
            return
        await response.aread()
        if not _says_expired(response):
            return
        current = (await self._session.fetch_auth_session()).credentials
        if current.access_key_id == credentials.access_key_id:  # not renewed yet
            renewed = await self._session.fetch_auth_session(force_refresh=True)
            if renewed.renewal_error is not None:
                return
            current = renewed.credentials
        self._sign(request, current)
        yield request

    def sync_auth_flow(
        self, request: httpx.Request
    ) -> Generator[httpx.Request, httpx.Response, None]:
        """Do the same in a worker thread."""
        access = self._access
        if access is None:
            access = self._access = ThreadAccess(self._session)
        if _is_small_stream(request):
            request.read()
        credentials = access.credentials()
        self._sign(request, credentials)
        can_be_repeated = _can_be_repeated(request)  # a transport may read what it sent
        response = yield request
        if response.status_code not in _REFUSED or not can_be_repeated:
            return
        response.read()
        if not _says_expired(response):
            return
        current = access.credentials()
        if current.access_key_id == credentials.access_key_id:
            current = access.credentials(force_refresh=True)
        if current.access_key_id == credentials.access_key_id:
            return
        self._sign(request, current)
        yield request

    def _sign(self, request: httpx.Request, credentials: AWSCredentials) -> None:
        is_s3 = self._service in _S3
        is_in_memory = _can_be_repeated(request)
        if not is_in_memory and not (is_s3 and request.url.scheme == "https"):
            message = (
                "A streamed body cannot be signed for this service, for its hash is part of the "
                "signature."
            )
            raise ValidationError(message, recovery_suggestion="Give the body as bytes.")
        request.url = httpx.URL(_strictly_encoded(str(request.url), path_too=is_s3))
        headers = {
            name: value
            for name, value in request.headers.items()
            if name not in UNSIGNED_HEADERS and name not in _OWN_HEADERS
        }
        to_sign = AWSRequest(
            request.method,
            str(request.url),
            headers=headers,
            data=request.content if is_in_memory else b"",
        )
        if not is_in_memory:
            to_sign.context["client_config"] = Config(s3={"payload_signing_enabled": False})
        kind = S3SigV4Auth if is_s3 else BotocoreSigner
        kind(read_only(credentials), self._service, self._region).add_auth(to_sign)
        for name in _OWN_HEADERS:
            request.headers.pop(name, None)
            if name in to_sign.headers:
                request.headers[name] = to_sign.headers[name]


_OWN_HEADERS = ("authorization", "x-amz-date", "x-amz-security-token", "x-amz-content-sha256")


@frozen
class PresignedURL:
    """A URL that anyone who has it can use until `expiration` (UTC). `repr` does not show it."""

    url: str = field(repr=False)
    expiration: datetime


async def presign(  # noqa: PLR0913  # what a request has, all but two with a default
    session: LiveSession,
    url: str,
    *,
    expires_in: float = 900.0,
    method: str = "GET",
    service: str = "s3",
    region: str | None = None,
    cap: bool = False,
) -> PresignedURL:
    """Return a URL that is signed with the session's credentials and good for `expires_in` seconds.

    A signed URL ends with the credentials that signed it. So the credentials are renewed first when
    they would end before the URL; where even new ones end before, it is a `ValidationError`, or
    with `cap` a URL with the time that there is. Raises the session's error, such as
    `SessionExpiredError`.

    Args:
        session: a `FederatedAuth`, or a `FederatedBearer` of `FederatedUsers.bearer`.
        url: such as `https://bucket.s3.us-west-2.amazonaws.com/folder/key`.
        expires_in: whole seconds, 1 to 604,800.
        method: the HTTP method that the URL is for.
        service: the signing name of the service.
        region: by default the pool's.
        cap: take less time where the credentials do not last.
    """
    life = int(expires_in)
    if not 1 <= life <= MAX_URL_LIFE:
        message = f"`expires_in` must be 1 to {MAX_URL_LIFE} seconds."
        raise ValidationError(message)
    classic = session.pool.classic_flow
    lasting = COGNITO_LIFE if classic is None else classic.duration
    if life > lasting and not cap:
        raise _does_not_last(lasting, life)
    # A URL that is capped in any case is not worth a renewal at each call.
    wanted = life if life <= lasting else lasting // 2
    view = await session.fetch_auth_session()
    if _remaining(session, view.credentials) < wanted:
        view = await session.fetch_auth_session(force_refresh=True)
    remaining = _remaining(session, view.credentials)
    if remaining < life:
        if not cap or remaining < 1:
            raise _does_not_last(remaining, life) from view.renewal_error
        life = int(remaining)
    is_s3 = service in _S3
    request = AWSRequest(method, _strictly_encoded(url, path_too=is_s3))
    kind = S3SigV4QueryAuth if is_s3 else SigV4QueryAuth
    signer = kind(
        read_only(view.credentials),
        service,
        region or session.pool.region,
        expires=life,
    )
    signer.add_auth(request)
    return PresignedURL(
        str(request.url),
        datetime.fromtimestamp(session.settings.clock.time(), UTC) + timedelta(seconds=life),
    )


def _does_not_last(seconds: float, life: int) -> ValidationError:
    message = (
        f"The credentials last {max(seconds, 0):.0f} seconds, and the URL would end with them, "
        f"before its {life} seconds are over."
    )
    return ValidationError(message, recovery_suggestion="Ask for less time, or give `cap=True`.")


def _remaining(session: LiveSession, credentials: AWSCredentials) -> float:
    return credentials.expiration.timestamp() - session.settings.clock.time()


def _is_small_stream(request: httpx.Request) -> bool:
    length = request.headers.get("content-length", "")
    return not _can_be_repeated(request) and length.isdigit() and int(length) <= HASHED_IN_MEMORY


def _can_be_repeated(request: httpx.Request) -> bool:
    try:
        request.content  # noqa: B018  # the property tells by raising
    except httpx.RequestNotRead:
        return False
    return True


def _says_expired(response: httpx.Response) -> bool:
    kind = response.headers.get("x-amzn-errortype", "").encode()
    return _EXPIRED.search(kind) is not None or _EXPIRED.search(response.content) is not None


def _strictly_encoded(url: str, *, path_too: bool) -> str:
    """Return a URL in which each character but the unreserved ones is percent-encoded."""
    parts = urlsplit(url)
    pairs = parse_qsl(parts.query, keep_blank_values=True)
    query = urlencode(pairs, quote_via=quote, safe="-_.~")
    path = quote(unquote(parts.path), safe="/-_.~") if path_too else parts.path
    return urlunsplit((parts.scheme, parts.netloc, path, query, ""))
