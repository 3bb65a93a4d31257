"""A session's record: its state as bytes, before they are sealed, and back. Pure.

The token of a request (a bearer's) is transient: each request brings it, so neither store nor
memory need keep it. An empty token marks its place in the record; none at all says that Cognito
refused it.

This file owns the schema (version 1), a JSON object:

    v             1
    generation    grows with every write; a smaller one is a file put back
    federation_id  the same through renewals, new with every federation and every clear; records
                  of the first snapshots call it `lineage`
    written_at    epoch seconds on the server's clock
    state         signed_out | federated | expired
    identity_id   federated, expired
    grant         federated, or a guest's: identity_id, access_key_id, secret_access_key,
                  session_token, expiration (ISO 8601), issued_at (epoch seconds)
    logins        federated, expired: provider, token ("": transient), subject (key and value,
                  base64), refresh_grant (optional: issuer, client_id, refresh_token, and where
                  there is one client_secret, discovery_url, scope)
"""

import base64
import json
from datetime import datetime
from typing import TYPE_CHECKING, Any, NamedTuple

from attrs import evolve

from amplify_federation._model.providers import AuthProvider
from amplify_federation._model.state import Expired, Federated, Grant, Login, SignedOut, State
from amplify_federation._model.values import AWSCredentials, Secret, SubjectDigest
from amplify_federation.errors import AuthError, SessionFileCorruptError, SessionFormatTooNewError

if TYPE_CHECKING:  # few sessions have one
    from amplify_federation._model.refresh_grant import RefreshGrant

SCHEMA = 1
Members = dict[str, Any]
_GRANT = ("issuer", "client_id", "refresh_token", "client_secret", "discovery_url", "scope")
# Made once. What is not ASCII stays as it is: to look for it costs as much as the rest.
_encoder = json.JSONEncoder(separators=(",", ":"), check_circular=False, ensure_ascii=False)
_decoder = json.JSONDecoder()
_UNREADABLE = (
    AuthError, ValueError, KeyError, TypeError, AttributeError, ArithmeticError, RecursionError,
)  # fmt: skip


class SessionRecord(NamedTuple):
    """What the store keeps of a session."""

    state: State
    generation: int
    federation_id: str
    written_at: float = 0.0


def encode(record: SessionRecord) -> bytes:
    """Return the record as bytes."""
    members: Members = {
        "v": SCHEMA,
        "generation": record.generation,
        "federation_id": record.federation_id,
        "written_at": record.written_at,
        **_state_members(record.state),
    }
    # JSON can spell half a surrogate pair, and an answer may have done so.
    return _encoder.encode(members).encode(errors="surrogatepass")


def decode(data: bytes) -> SessionRecord:
    """Return the record of some bytes.

    Raises `SessionFormatTooNewError` for a later schema, else `SessionFileCorruptError`.
    """
    outcome = _decoded(data)
    del data  # this frame stands in the traceback of a refusal
    if isinstance(outcome, AuthError):
        raise outcome
    return outcome


def decode_grant(data: bytes) -> Grant | None:
    """Return the grant of a record that has one, in half the time of `decode`."""
    try:
        # The bytes are our own: `json.loads` would look for their encoding first.
        members: Members = _decoder.decode(data.decode(errors="surrogatepass"))
        return None if members["state"] == "expired" else _grant(members["grant"])
    except _UNREADABLE:
        return None


def _decoded(data: bytes) -> SessionRecord | AuthError:
    try:
        members: Members = json.loads(data)
        schema = int(members["v"])
        if schema == SCHEMA:
            return SessionRecord(
                _state(members),
                int(members["generation"]),
                str(members["federation_id"] if "federation_id" in members else members["lineage"]),
                float(members["written_at"]),
            )
    except _UNREADABLE:
        schema = 0
    if schema > SCHEMA:
        message = f"The session was written with schema {schema}; this version reads {SCHEMA}."
        return SessionFormatTooNewError(message)
    return SessionFileCorruptError("The session record is not one that this package writes.")


def _state_members(state: State) -> Members:
    match state:
        case SignedOut(guest):
            guest_members = {} if guest is None else {"grant": _grant_members(guest)}
            return {"state": "signed_out", **guest_members}
        case Federated(grant, logins):
            return {
                "state": "federated",
                "grant": _grant_members(grant),
                "logins": _logins_members(logins),
            }
        case Expired(identity_id, logins):
            return {
                "state": "expired",
                "identity_id": identity_id,
                "logins": _logins_members(logins),
            }


def _state(members: Members) -> State:
    match members["state"]:
        case "signed_out":
            return SignedOut(_grant(members["grant"]) if "grant" in members else None)
        case "federated":
            return Federated(_grant(members["grant"]), _logins(members))
        case "expired":
            return Expired(str(members["identity_id"]), _logins(members))
        case _:
            raise ValueError


def _grant_members(grant: Grant) -> Members:
    credentials = grant.credentials
    return {
        "identity_id": grant.identity_id,
        "access_key_id": credentials.access_key_id,
        "secret_access_key": credentials.secret_access_key,
        "session_token": credentials.session_token,
        "expiration": credentials.expiration.isoformat(),
        "issued_at": grant.issued_at,
    }


def _grant(members: Members) -> Grant:
    credentials = AWSCredentials(
        members["access_key_id"],
        members["secret_access_key"],
        members["session_token"],
        datetime.fromisoformat(members["expiration"]),
    )
    return Grant(members["identity_id"], credentials, float(members["issued_at"]))


def _logins_members(logins: tuple[Login, ...]) -> list[Members]:
    return [_login_members(login) for login in logins]


def _login_members(login: Login) -> Members:
    members: Members = {"provider": login.provider.login_key}
    if login.token is not None:
        members["token"] = login.token.reveal()
    if login.subject is not None:
        members["subject"] = [_text(login.subject.key), _text(login.subject.value)]
    if login.refresh_grant is not None:
        members["refresh_grant"] = _refresh_grant_members(login.refresh_grant)
    return members


def _refresh_grant_members(grant: "RefreshGrant") -> Members:
    members: Members = {
        "issuer": grant.issuer,
        "client_id": grant.client_id,
        "refresh_token": grant.refresh_token,
        "client_secret": grant.client_secret,
        "discovery_url": grant.discovery_url,
        "scope": grant.scope,
    }
    return {name: value for name, value in members.items() if value is not None}


def _logins(members: Members) -> tuple[Login, ...]:
    return tuple(_login(each) for each in members["logins"])


def _login(members: Members) -> Login:
    token, subject, grant = (members.get(name) for name in ("token", "subject", "refresh_grant"))
    return Login(
        AuthProvider(members["provider"]),
        None if token is None else Secret(token),
        None if subject is None else SubjectDigest(_bytes(subject[0]), _bytes(subject[1])),
        None if grant is None else _refresh_grant(grant),
    )


def _refresh_grant(members: Members) -> "RefreshGrant":
    from amplify_federation._model.refresh_grant import RefreshGrant  # noqa: PLC0415 - see _session

    given: dict[str, Any] = {name: members.get(name) for name in _GRANT}
    return RefreshGrant(**given)


def _text(value: bytes) -> str:
    return base64.b64encode(value).decode()


def _bytes(value: str) -> bytes:
    return base64.b64decode(value, validate=True)


_MARK = Secret("")


def without_transient_token(record: SessionRecord, transient_token: Secret | None) -> SessionRecord:
    """Return the record as it is kept: a mark in the place of the transient token."""
    return record if transient_token is None else _replaced(record, transient_token, _MARK)


def with_transient_token(record: SessionRecord, transient_token: Secret | None) -> SessionRecord:
    """Return a kept record with the transient token in the place of its mark, or without any."""
    return _replaced(record, _MARK, transient_token)


def _replaced(record: SessionRecord, old: Secret, new: Secret | None) -> SessionRecord:
    state = record.state
    if isinstance(state, SignedOut) or all(login.token != old for login in state.linked_logins):
        return record

    def swapped(login: Login) -> Login:
        return evolve(login, token=new) if login.token == old else login

    logins = tuple(swapped(login) for login in state.linked_logins)
    return record._replace(state=evolve(state, linked_logins=logins))
