"""cassette_settings: vcrpy filters that keep tokens and credentials out of cassettes.

This file must not import vcrpy: it only gives the settings that vcrpy asks for.
"""

import json
from collections.abc import Callable
from typing import Any, cast
from urllib.parse import parse_qsl, urlencode

SECURE = "[secure]"
_SECRET_MEMBERS = frozenset(
    {
        "AccessKeyId", "SecretKey", "SecretAccessKey", "SessionToken", "Token",
        "access_token", "device_code", "id_token", "refresh_token",
    }
)  # fmt: skip
# In forms alone: in JSON, `code` is the code of an error.
_SECRET_FIELDS = _SECRET_MEMBERS | {
    "client_secret", "code", "code_verifier", "id_token_hint", "token",
}  # fmt: skip
_SECRET_MAPS = frozenset({"Logins"})


def cassette_settings() -> dict[str, Any]:
    """Return arguments for `vcr.VCR(...)`, or for the `vcr_config` fixture of pytest-recording.

    Tokens, codes and credentials in JSON and forms, and the `Authorization` header, are recorded as
    `[secure]`;
    the sessions of a replayed cassette hold that word in place of credentials.
    """
    request: Callable[[Any], Any] = _masked_request
    response: Callable[[dict[str, Any]], dict[str, Any]] = _masked_response
    return {
        "filter_headers": [("authorization", SECURE), ("x-amz-security-token", SECURE)],
        "before_record_request": request,
        "before_record_response": response,
    }


def _masked_request(request: Any) -> Any:  # noqa: ANN401  # vcrpy's own, which is untyped
    if request.body:
        request.body = _masked_body(request.body)
    return request


def _masked_response(response: dict[str, Any]) -> dict[str, Any]:
    body = response["body"]
    if not body.get("string"):
        return response
    masked = _masked_body(body["string"])
    headers = {
        name: [str(len(masked))] if name.lower() == "content-length" else values
        for name, values in response.get("headers", {}).items()
    }
    return {**response, "headers": headers, "body": {**body, "string": masked}}


def _masked_body(body: bytes | str) -> bytes:
    raw = body.encode() if isinstance(body, str) else body
    try:
        value: Any = json.loads(raw)
    except ValueError:
        return _masked_form(raw)
    return json.dumps(_masked(value)).encode()


def _masked_form(raw: bytes) -> bytes:
    pairs = parse_qsl(raw.decode("latin-1"), keep_blank_values=True)
    if _SECRET_FIELDS.isdisjoint(name for name, _ in pairs):
        return raw
    masked = [(name, SECURE if name in _SECRET_FIELDS else text) for name, text in pairs]
    return urlencode(masked, safe="[]", encoding="latin-1").encode()


def _masked(value: object) -> Any:  # noqa: ANN401  # JSON
    if isinstance(value, list):
        return [_masked(part) for part in cast("list[object]", value)]
    if not isinstance(value, dict):
        return value
    masked: dict[str, Any] = {}
    for name, part in cast("dict[str, Any]", value).items():
        if name in _SECRET_MAPS and isinstance(part, dict):
            masked[name] = dict.fromkeys(cast("dict[str, Any]", part), SECURE)
        else:
            secret = name in _SECRET_MEMBERS and isinstance(part, str)
            masked[name] = SECURE if secret else _masked(part)
    return masked
