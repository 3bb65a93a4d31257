"""A small stand-in for S3: objects in memory, with the decisions of S3 and IAM.

It checks what decides whether a federated user gets an object: the signature (Signature Version 4,
"Create a signed AWS API request" of the IAM user guide), the body's digest, the expiration of the
credentials, and the one policy below. It serves `PUT` and `GET` of objects by path, and nothing
else of S3. AWS knows the secret keys that it issues; here they are registered by `learn`.
"""

import hashlib
import hmac
import re
import threading
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING
from urllib.parse import unquote

from attrs import field, frozen

from amplify_federation import AWSCredentials

if TYPE_CHECKING:
    from amplify_federation.testing import IssuedCredentials

BUCKET = "pictures"
VARIABLE = "${cognito-identity.amazonaws.com:sub}"
RESOURCE = f"arn:aws:s3:::{BUCKET}/{VARIABLE}/*"  # what the role allows a user to read and write
_LARGEST = 1_000_000  # bytes of an object
_AUTHORIZATION = re.compile(
    r"AWS4-HMAC-SHA256 Credential=(\w+)/(\d{8}/[\w-]+/s3/aws4_request), ?"
    r"SignedHeaders=([a-z0-9;-]+), ?Signature=([0-9a-f]{64})"
)


class _RefusedError(Exception):
    """An answer other than 200: its status, and S3's code for it."""

    def __init__(self, status: HTTPStatus, code: str) -> None:
        super().__init__(code)
        self.status = status


@frozen
class S3StandIn:
    """The objects, and the decisions about access to them.

    Args:
        read_session_token: gives what a session token was issued for, as Cognito knows it.
        now: the time, in seconds since the epoch, by which credentials end.
    """

    read_session_token: "Callable[[str], IssuedCredentials]"
    now: Callable[[], float]
    _secrets: dict[str, str] = field(factory=dict[str, str], repr=False)
    _objects: dict[str, bytes] = field(factory=dict[str, bytes], repr=False)

    def learn(self, credentials: AWSCredentials) -> None:
        """Register a secret key that was issued."""
        self._secrets[credentials.access_key_id] = credentials.secret_access_key

    def answer(
        self, method: str, path: str, headers: Mapping[str, str], body: bytes
    ) -> tuple[HTTPStatus, bytes]:
        """Return status and body of the answer to a request; header names are in lower case."""
        try:
            identity = self._signer(method, path, headers, body)
            return self._object(identity, method, unquote(path), body)
        except _RefusedError as refusal:
            return refusal.status, f"<Error><Code>{refusal}</Code></Error>".encode()

    def _object(
        self, identity: str, method: str, name: str, body: bytes
    ) -> tuple[HTTPStatus, bytes]:
        allowed = RESOURCE.replace(VARIABLE, identity).removesuffix("*")
        if not f"arn:aws:s3:::{name.removeprefix('/')}".startswith(allowed):
            raise _RefusedError(HTTPStatus.FORBIDDEN, "AccessDenied")
        if method == "PUT":
            self._objects[name] = body
            return HTTPStatus.OK, b""
        if name not in self._objects:
            raise _RefusedError(HTTPStatus.NOT_FOUND, "NoSuchKey")
        return HTTPStatus.OK, self._objects[name]

    def _signer(self, method: str, path: str, headers: Mapping[str, str], body: bytes) -> str:
        """Return the identity whose credentials signed the request."""
        signed = _AUTHORIZATION.fullmatch(headers.get("authorization", ""))
        if signed is None:
            raise _RefusedError(HTTPStatus.FORBIDDEN, "AccessDenied")
        key, scope, names, signature = signed.groups()
        digest = headers.get("x-amz-content-sha256", "")
        if digest != hashlib.sha256(body).hexdigest():
            raise _RefusedError(HTTPStatus.BAD_REQUEST, "XAmzContentSHA256Mismatch")
        canonical = "\n".join([
            method, path, "",
            *(f"{name}:{headers.get(name, '').strip()}" for name in names.split(";")),
            "", names, digest,
        ])  # fmt: skip
        text = "\n".join([
            "AWS4-HMAC-SHA256", headers.get("x-amz-date", ""), scope,
            hashlib.sha256(canonical.encode()).hexdigest(),
        ])  # fmt: skip
        needed = {"host", "x-amz-content-sha256", "x-amz-date", "x-amz-security-token"}
        right = _hmac(_signing_key(self._secrets.get(key, ""), scope), text).hex()
        if key not in self._secrets or not needed <= set(names.split(";")):
            raise _RefusedError(HTTPStatus.FORBIDDEN, "InvalidAccessKeyId")
        if not hmac.compare_digest(right, signature):
            raise _RefusedError(HTTPStatus.FORBIDDEN, "SignatureDoesNotMatch")
        issued = self.read_session_token(headers["x-amz-security-token"])
        if issued.access_key_id != key:
            raise _RefusedError(HTTPStatus.FORBIDDEN, "InvalidToken")
        if issued.expiration <= self.now():
            raise _RefusedError(HTTPStatus.BAD_REQUEST, "ExpiredToken")
        return issued.identity_id

    @contextmanager
    def serve(self) -> Generator[str]:
        """Serve on a free loopback port; give the URL."""
        server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join()
            server.server_close()


def _hmac(key: bytes, text: str) -> bytes:
    return hmac.digest(key, text.encode(), "sha256")


def _signing_key(secret: str, scope: str) -> bytes:
    key = f"AWS4{secret}".encode()
    for part in scope.split("/"):
        key = _hmac(key, part)
    return key


def _handler(s3: S3StandIn) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        """Reads a request, and sends the answer of the stand-in."""

        timeout = 30  # seconds

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # the base's name
            """Write nothing."""

        def _serve(self) -> None:
            length = self.headers.get("content-length", "0")
            if not length.isascii() or not length.isdigit() or int(length) > _LARGEST:
                self.send_error(HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
                return
            headers = {name.lower(): value for name, value in self.headers.items()}
            body = self.rfile.read(int(length))
            status, answer = s3.answer(self.command, self.path, headers, body)
            self.send_response(status)
            self.send_header("content-length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        do_GET = do_PUT = _serve  # noqa: N815  # names of the base class

    return Handler
