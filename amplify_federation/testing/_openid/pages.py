"""The pages that people see at an embedded OpenID provider: plain HTML, without any script."""

from collections.abc import Iterable, Mapping
from html import escape

_STYLE = (
    "body{font:1rem/1.5 system-ui,sans-serif;max-width:24rem;margin:4rem auto;padding:0 1rem;"
    "color:#1b1b1b;background:#fafafa}input,button{font:inherit;padding:.5rem;width:100%;"
    "box-sizing:border-box;margin:.25rem 0 1rem}button{cursor:pointer}"
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
    login_key: str, client_id: str, users: Iterable[str], hidden: Mapping[str, str]
) -> bytes:
    """Return the form on which a user is picked or typed, and consents or denies."""
    options = "".join(f'<option value="{escape(user)}">' for user in users)
    first = next(iter(users), "")
    body = (
        f"<p>{escape(client_id)} asks who you are.</p>"
        f'<form method="post">{_hidden(hidden)}'
        '<label for="user">User</label>'
        f'<input id="user" name="user" list="users" value="{escape(first)}" required autofocus '
        f'autocomplete="username"><datalist id="users">{options}</datalist>'
        '<button name="decision" value="allow">Allow</button>'
        '<button name="decision" value="deny" formnovalidate>Deny</button></form>'
    )
    return page(f"Sign in at {login_key}", body)


def device_page(login_key: str, user_code: str, users: Iterable[str]) -> bytes:
    """Return the form on which a user enters the code that a device shows."""
    first = next(iter(users), "")
    body = (
        '<form method="post"><label for="user_code">Code on your device</label>'
        f'<input id="user_code" name="user_code" value="{escape(user_code)}" required '
        'autocomplete="off"><label for="user">User</label>'
        f'<input id="user" name="user" value="{escape(first)}" required autocomplete="username">'
        '<button name="decision" value="allow">Allow</button>'
        '<button name="decision" value="deny" formnovalidate>Deny</button></form>'
    )
    return page(f"Connect a device to {login_key}", body)


def _hidden(values: Mapping[str, str]) -> str:
    return "".join(
        f'<input type="hidden" name="{escape(name)}" value="{escape(value)}">'
        for name, value in values.items()
    )
