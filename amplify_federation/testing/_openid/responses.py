"""The responses of an embedded OpenID provider: HTML pages without scripts, redirects, JSON.

On a page every field has a label, a mistake is announced (`role="alert"`) and belongs to its field,
and the order of the source is the order of the keyboard.
"""

import json
from collections.abc import Iterable, Mapping
from html import escape
from urllib.parse import urlencode, urlsplit

from amplify_federation.testing._http.messages import Response

_NO_STORE = {"cache-control": "no-store", "referrer-policy": "no-referrer"}
_STYLE = (
    "body{font:1rem/1.5 system-ui,sans-serif;max-width:26rem;margin:4rem auto;padding:0 1rem;"
    "color:#1b1b1b;background:#fafafa}input,textarea,button{font:inherit;padding:.5rem;width:100%;"
    "box-sizing:border-box;margin:.25rem 0 1rem}button{cursor:pointer}"
    "[role=alert]{border-left:.25rem solid #b00020;padding-left:.75rem}"
    "summary{cursor:pointer;margin-bottom:1rem}"
)
_BUTTONS = (
    '<button name="decision" value="allow">Allow</button>'
    '<button name="decision" value="deny" formnovalidate>Deny</button>'
)


def page(title: str, body: str) -> bytes:
    """Return a whole page; `body` is HTML."""
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<style>{_STYLE}</style></head><body><main><h1>{escape(title)}</h1>{body}</main></body>"
        "</html>\n"
    ).encode()


def message_page(title: str, text: str) -> bytes:
    """Return a page that says one thing."""
    return page(title, f'<p role="status">{escape(text)}</p>')


def sign_in_page(
    login_key: str,
    client_id: str,
    users: Iterable[str],
    hidden: Mapping[str, str],
    *,
    typed: Mapping[str, str] | None = None,
    mistake: str | None = None,
) -> bytes:
    """Return the form on which a user is picked or typed, and allows or denies.

    `typed` is what stood in the form that had the `mistake`, a text about the additional claims or
    the lifetime of the token.
    """
    typed = typed or {}
    scope = hidden.get("scope", "")
    alert = f'<p role="alert" id="mistake">{escape(mistake)}</p>' if mistake else ""
    invalid = ' aria-invalid="true" aria-describedby="mistake"' if mistake else ""
    body = (
        f"{alert}<p>{escape(client_id)} asks who you are, and for: {escape(scope)}.</p>"
        f'<form method="post">{_hidden(hidden)}'
        f"{_user_field(users, typed.get('user'), focus=' autofocus')}"
        f"<details{' open' if mistake else ''}><summary>What the token says</summary>"
        '<label for="token_claims">Additional claims, a JSON object (null leaves a claim out)'
        f'</label><textarea id="token_claims" name="token_claims" rows="3"{invalid}>'
        f"\n{escape(typed.get('token_claims', ''))}</textarea>"
        '<label for="token_lifetime">Lifetime in seconds (negative: over already)</label>'
        '<input id="token_lifetime" name="token_lifetime" inputmode="numeric"'
        f' value="{escape(typed.get("token_lifetime", ""))}"{invalid}></details>'
        f"{_BUTTONS}</form>"
    )
    return page(f"Sign in at {login_key}", body)


def device_page(login_key: str, user_code: str, users: Iterable[str]) -> bytes:
    """Return the form on which a user enters the code that a device shows."""
    body = (
        '<form method="post"><label for="user_code">Code on your device</label>'
        f'<input id="user_code" name="user_code" value="{escape(user_code)}" required autofocus '
        f'autocomplete="off">{_user_field(users, None)}{_BUTTONS}</form>'
    )
    return page(f"Connect a device to {login_key}", body)


def _user_field(users: Iterable[str], typed: str | None, *, focus: str = "") -> str:
    names = list(users)
    options = "".join(f'<option value="{escape(user)}">' for user in names)
    value = typed if typed is not None else next(iter(names), "")
    return (
        '<label for="user">User (pick one, or type any name)</label>'
        f'<input id="user" name="user" list="users" value="{escape(value)}" required{focus} '
        f'autocomplete="username"><datalist id="users">{options}</datalist>'
    )


def _hidden(values: Mapping[str, str]) -> str:
    return "".join(
        f'<input type="hidden" name="{escape(name)}" value="{escape(value)}">'
        for name, value in values.items()
    )


def redirect_response(uri: str, parameters: Mapping[str, str | None]) -> Response:
    """Return a redirect; parameters that are `None` are left out."""
    query = {name: value for name, value in parameters.items() if value is not None}
    separator = "&" if urlsplit(uri).query else "?"
    location = f"{uri}{separator}{urlencode(query)}" if query else uri
    return _response(302, "text/plain", b"", location=location)


def html_response(body: bytes, status: int = 200) -> Response:
    """Return a page that may load nothing and stand in no frame."""
    answer = _response(status, "text/html; charset=utf-8", body)
    policy = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'"
    answer.headers["content-security-policy"] = policy
    return answer


def refusal_page(text: str) -> Response:
    """Return the page of a request that must not be sent back to its client."""
    return html_response(message_page("This cannot be done", text), 400)


def json_response(
    document: Mapping[str, object], status: int = 200, *, store: bool = False
) -> Response:
    """Return a JSON document; `store`: whether a client may keep it."""
    body = json.dumps(document, separators=(",", ":")).encode()
    answer = _response(status, "application/json", body)
    if store:
        del answer.headers["cache-control"]
    return answer


def _response(status: int, content_type: str, body: bytes, **headers: str) -> Response:
    length = {"content-type": content_type, "content-length": str(len(body))}
    return Response(status, {**length, **_NO_STORE, **headers}, body)
