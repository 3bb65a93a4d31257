"""One HTTP request, its answer, and the record of the call. `repr` shows no token."""

from collections.abc import Mapping
from typing import Any, cast

from attrs import field, frozen


@frozen
class Request:
    """An HTTP request. Header names are lower-case; `served`: it came to the fake's own address."""

    method: str
    host: str
    path: str
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)
    query: str = field(default="", repr=False)
    served: bool = False


@frozen
class Response:
    """An HTTP answer, `delay` seconds late; `cut`: the connection is closed instead."""

    status: int
    headers: dict[str, str] = field(repr=False)
    body: bytes = field(repr=False)
    delay: float = 0.0
    cut: bool = False


def _without_tokens(value: Mapping[str, Any] | None) -> Mapping[str, Any] | None:
    if not value or "Logins" not in value:
        return value
    logins: Any = value["Logins"]
    shown = dict.fromkeys(
        cast("dict[str, Any]", logins) if isinstance(logins, dict) else (), "[secure]"
    )
    return {**value, "Logins": shown}


def _masked(value: Mapping[str, Any] | None) -> str:
    return repr(_without_tokens(value))


@frozen
class Call:
    """One call of an operation, as the service saw it.

    `operation` is what was asked for, known or not, and empty for a target of another service.
    `input` is the decoded body (`None` if it is no JSON object), whose tokens `repr` masks;
    `headers` have lower-case names; `code` is the error code of the answer, `None` without one;
    `cut`: the connection was closed without a response.
    """

    operation: str
    input: Mapping[str, Any] | None = field(repr=_masked)
    headers: Mapping[str, str] = field(repr=False)
    status: int
    code: str | None
    request_id: str | None
    cut: bool = False

    @property
    def masked_input(self) -> Mapping[str, Any] | None:
        """The input with `[secure]` in place of every token, for logs."""
        return _without_tokens(self.input)


@frozen
class ProviderCall:
    """One request to an endpoint of an embedded OpenID provider.

    `endpoint` is the last part of its URL: `authorize`, `token`, `openid-configuration`, ...;
    `login_key` names the provider; `cut`: the connection was closed without a response.
    """

    login_key: str
    endpoint: str
    method: str
    status: int
    cut: bool = False
