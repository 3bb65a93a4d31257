"""What is fuzzed: each target takes any bytes, and raises if what must hold of them does not.

`corpus/` has seeds, and beside them what was found once: `test_fuzz.py` runs both ever after.
"""

import asyncio
import tempfile
import zlib
from contextlib import suppress
from pathlib import Path

import httpx
from starlette.datastructures import State
from starlette.exceptions import HTTPException
from starlette.requests import HTTPConnection

from amplify_federation import (
    AuthProvider,
    ConfigurationError,
    FederatedUsers,
    IdentityPool,
    InvalidAccountTypeError,
    MemoryStore,
    SessionFileCorruptError,
    SessionFormatTooNewError,
    SessionKeyError,
)
from amplify_federation._cognito.decoding import UndecodableError, decode, plain
from amplify_federation._cognito.requests import (
    assume_role,
    get_credentials,
    get_id,
    get_open_id_token,
    unlink_identity,
)
from amplify_federation._crypto.envelope import open_header, open_label, open_record, seal
from amplify_federation._crypto.kdf import NO_DERIVATION
from amplify_federation._crypto.keys import MasterKey, SealingKey
from amplify_federation._http.parser import H11Parser, ParseError
from amplify_federation._model.classic_flow import ClassicFlow
from amplify_federation._model.values import Secret
from amplify_federation._session import record as session_record
from amplify_federation.errors import ServiceError
from amplify_federation.integrations.starlette import BearerSession
from amplify_federation.testing import FakeCognito
from tests.cognito.calls import GET_CREDENTIALS, GET_ID, IDENTITY, LOGINS, TOKEN, http

CORPUS = Path(__file__).parent / "corpus"
KEY = MasterKey(bytes(range(32)))
NAME = "us-west-2:b4cd4809-7ab1-42e1-b044-07dab9eaa768/default"
CALLS = (
    GET_ID,
    GET_CREDENTIALS,
    get_open_id_token(IDENTITY, LOGINS),
    unlink_identity(IDENTITY, LOGINS, (AuthProvider.GOOGLE,)),
    assume_role(
        "https://sts.us-west-2.amazonaws.com",
        ClassicFlow("arn:aws:iam::123456789012:role/player"),
        Secret(TOKEN),
    ),
    get_credentials(IDENTITY, {}),
    get_id("us-west-2:b4cd4809-7ab1-42e1-b044-07dab9eaa768", {}),
)
STATUSES = (200, 400, 403, 429, 500, 503)
CODINGS = (None, "identity", "gzip", "deflate")


def envelope(data: bytes) -> None:
    """A record opens only if it is, byte by byte, what sealing its payload gives."""
    _open(data)
    if len(data) >= 16:  # the same past the checksum, which a mutation seldom meets
        head = data[:12] + bytes(4) + data[16 : int.from_bytes(data[10:12])]
        _open(data[:12] + zlib.crc32(head).to_bytes(4) + data[16:])


def _open(data: bytes) -> None:
    try:
        header = open_header(data)
        payload = open_record(data, name=NAME, keys=[KEY])
        name = open_label(data, keys=[KEY])
    except (SessionFileCorruptError, SessionFormatTooNewError, SessionKeyError):
        return
    assert name == NAME
    assert header.derivation == NO_DERIVATION
    key = SealingKey(KEY, header.derivation)
    assert data == seal(payload, name=NAME, key=key, salt=header.salt)


def record(data: bytes) -> None:
    """What is read is written as it was read, and its grant is the one read alone."""
    try:
        read = session_record.decode(data)
    except (SessionFileCorruptError, SessionFormatTooNewError):
        with suppress(SessionFileCorruptError, SessionFormatTooNewError):
            session_record.decode_grant(data)
        return
    assert session_record.decode(session_record.encode(read)) == read
    grant = getattr(read.state, "grant", None) or getattr(read.state, "guest", None)
    assert session_record.decode_grant(data) == grant


def decoding(data: bytes) -> None:
    """Whatever comes is an answer or an error of the service, without a chain or the token."""
    if len(data) < 3:
        return
    call, status = CALLS[data[0] % len(CALLS)], STATUSES[data[1] % len(STATUSES)]
    try:
        body = plain(CODINGS[data[2] % len(CODINGS)], data[3:])
    except UndecodableError:
        return
    try:
        decode(call, http(body, status, {}))
    except ServiceError as error:
        failure = error
    else:
        return
    assert failure.__context__ is None
    assert TOKEN not in f"{failure!r} {failure} {failure.__dict__}"
    assert len(failure.message) < 600


def parser(data: bytes) -> None:
    """An answer is the same however it is cut, and what both parsers take they read alike."""
    whole = []
    for make in _parsers():
        read = _read(make(), [data])
        assert read == _read(make(), [data[at : at + 1] for at in range(len(data))]), make
        assert read == _read(make(), [data[:7], data[7:20], data[20:]]), make
        whole.append(read)
    if all(read is not None for read in whole):
        assert all(read == whole[0] for read in whole), whole


def _parsers():
    from amplify_federation._http.parser import (  # noqa: PLC0415  # needs the extra
        HttptoolsParser,
    )

    return (H11Parser, HttptoolsParser)


def _read(parser, pieces):
    """Return what a client takes of the answer: status, body; `None` if it takes none."""
    parser.begin("POST")
    try:
        for piece in pieces:
            parser.feed(memoryview(piece))
            if parser.complete:
                break
        if not parser.complete:
            parser.end()
    except ParseError:
        return None
    return (parser.head.status, b"".join(parser.chunks)) if parser.complete else None


def configuration(data: bytes) -> None:
    """A file names a pool, or is refused in our words."""
    suffix = (".json", ".js", ".dart")[data[0] % 3] if data else ".json"
    with tempfile.NamedTemporaryFile(suffix=suffix) as file:
        file.write(data[1:])
        file.flush()
        try:
            pool = IdentityPool.from_amplify_config(file.name)
        except (ConfigurationError, InvalidAccountTypeError):
            return
    assert pool.identity_pool_id.partition(":")[0] == pool.region


class _Backend:
    """A dependency over an embedded Cognito, and a token that is good there."""

    def __init__(self):
        fake = FakeCognito()
        pool = IdentityPool(fake.create_identity_pool())
        self.fake = fake
        self.token = fake.issue_token(AuthProvider.GOOGLE, "alice", lifetime=1e9)
        self._loop = asyncio.new_event_loop()
        self._dependency = BearerSession(AuthProvider.GOOGLE, AuthProvider.APPLE)
        self._pool = pool
        self._state = self._loop.run_until_complete(self._started())

    async def _started(self):
        client = httpx.AsyncClient(transport=self.fake.transport)
        return State(
            {
                "federated_users": FederatedUsers(
                    self._pool, store=MemoryStore(), http_client=client, max_users=100
                )
            }
        )

    def ask(self, header: bytes):
        scope = {
            "type": "http",
            "headers": [(b"authorization", header)],
            "state": self._state._state,
        }
        return self._loop.run_until_complete(self._dependency(HTTPConnection(scope)))


_backends = []


def bearer(data: bytes) -> None:
    """Only the good token gets a session; every other header is a 401 that tells nothing of it."""
    if not _backends:
        _backends.append(_Backend())
    backend = _backends[0]
    header = data.replace(b"GOOD", backend.token.encode())
    session, refusal = None, None
    try:
        session = backend.ask(header)
    except HTTPException as error:
        refusal = error
    backend.fake.calls.clear()
    if refusal is not None:
        assert refusal.status_code == 401, refusal
        assert refusal.__context__ is None
        assert backend.token not in f"{refusal.detail} {refusal.headers}"
        return
    assert session.is_signed_in
    scheme, _, token = header.partition(b" ")
    assert scheme.lower() == b"bearer"
    assert token.decode("latin-1").strip() == backend.token


TARGETS = {
    "envelope": envelope,
    "record": record,
    "decoding": decoding,
    "parser": parser,
    "configuration": configuration,
    "bearer": bearer,
}
