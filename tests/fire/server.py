"""Scripts of a server that answers as Cognito would, or does not."""

import json

from tests.scripted_server import Peer, Script

CREDENTIALS = {
    "AccessKeyId": "ASIAFROMTHEBADSERVER",
    "SecretKey": "secret-key-of-the-bad-server",
    "SessionToken": "session-token-of-the-bad-server",
    "Expiration": 1_800_003_600.0,
}
IDENTITY_ID = "us-west-2:0badc0de-0000-4000-8000-000000000000"


def answer(body: bytes, *headers: bytes, status: bytes = b"200 OK") -> bytes:
    """Return a well-formed answer."""
    lines = [b"HTTP/1.1 " + status, *headers, b"Content-Length: %d" % len(body), b"", body]
    return b"\r\n".join(lines)


def good_answer(request: bytes) -> bytes:
    """Return what Cognito would answer."""
    if b"GetCredentialsForIdentity" in request.partition(b"\r\n\r\n")[0]:
        return answer(_json({"IdentityId": IDENTITY_ID, "Credentials": CREDENTIALS}))
    return answer(_json({"IdentityId": IDENTITY_ID}))


def good(peer: Peer) -> None:
    """Answer every request as Cognito would."""
    while request := peer.request():
        peer.send(good_answer(request))


def always(data: bytes) -> Script:
    """Return a script that reads a request, sends this, and closes."""

    def script(peer: Peer) -> None:
        peer.request()
        peer.send(data)

    return script


def saying(body: bytes, *headers: bytes, status: bytes = b"200 OK") -> Script:
    """Return a script that answers every request with this, well-formed."""

    def script(peer: Peer) -> None:
        while peer.request():
            peer.send(answer(body, *headers, status=status))

    return script


def saying_credentials(members: object) -> Script:
    """Return a script that gives an identity, and then these members in place of credentials."""

    def script(peer: Peer) -> None:
        while request := peer.request():
            if b"GetCredentialsForIdentity" in request:
                peer.send(answer(members if isinstance(members, bytes) else _json(members)))
            else:
                peer.send(good_answer(request))

    return script


def _json(value: object) -> bytes:
    return json.dumps(value).encode()
