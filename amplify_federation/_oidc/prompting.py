"""The prompt of a sign-in for its user, and whether there is a browser to open."""

import os
import sys
import webbrowser
from collections.abc import Awaitable, Callable
from functools import partial

import anyio
from attrs import frozen


@frozen
class SignInPrompt:
    """What to show a user, so that the sign-in goes on.

    `url`: the page to open. `user_code`: of the device flow, to enter there. `complete_url`: the
    page with the code filled in, if the provider has one. `redirect_uri`: of the loopback flow,
    what must be registered at the provider. `expires_in`: seconds left.
    """

    url: str
    expires_in: float
    user_code: str | None = None
    complete_url: str | None = None
    redirect_uri: str | None = None

    async def open_browser(self) -> bool:
        """Open the page in a browser of this machine; tell whether there was one to open.

        There is none in a session over SSH or without a display, unless `BROWSER` names one.
        """
        if not await anyio.to_thread.run_sync(has_browser):
            return False
        return await anyio.to_thread.run_sync(partial(webbrowser.open, self.url))


Prompt = Callable[[SignInPrompt], Awaitable[None] | None]


def has_browser() -> bool:
    """Tell whether a browser that is opened here is one that the user sees."""
    if os.environ.get("BROWSER"):
        return True  # the user's choice; remote editors set it to open the local machine's
    if os.environ.get("SSH_CONNECTION") or os.environ.get("SSH_TTY"):
        return False
    displayless = sys.platform not in {"win32", "darwin"} and not (
        os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")
    )
    if displayless:
        return False
    try:
        webbrowser.get()
    except webbrowser.Error:
        return False
    return True


async def show_prompt(prompt: SignInPrompt) -> None:
    """Write what to do to stderr, and open the browser of a loopback flow if there is one."""
    if prompt.user_code is not None:
        lines = [f"To sign in, open {prompt.url} and enter the code {prompt.user_code}"]
    elif await prompt.open_browser():
        lines = ["Sign in in the browser. If it does not open, go to:", prompt.url]
    else:
        lines = ["To sign in, open this page in a browser of this machine:", prompt.url]
    sys.stderr.write("\n".join([*lines, ""]))
    sys.stderr.flush()
