"""`login` and `logout`: sign a user in at the provider from a terminal, and out again."""

import json
import os
import sys
from collections.abc import Callable, Generator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from typing import Self

import click
from attrs import frozen

from amplify_federation import (
    FederationResult,
    SignIn,
    SignInPrompt,
    sign_in,
)
from amplify_federation.cli.client_settings import (
    CLIENT_ID_VARIABLE,
    FORMS,
    PROVIDER_VARIABLE,
    SECRET_FILE_VARIABLE,
    SECRET_VARIABLE,
    ClientSettings,
    client_secret,
    issuer_of,
    resolved,
)
from amplify_federation.cli.federate import report
from amplify_federation.cli.options import Target, port_option, run, session_command
from amplify_federation.cli.output import DELAY, progress, wants_json

_SOON = 0.5  # seconds before the line that a user is waited for
_NO_REFRESH = (
    "The provider gave no refresh token: sign in again when its ID token and the credentials are "
    "over. Many give one for --scope 'openid email offline_access'."
)


@frozen
class _Flow:
    """The options of a sign-in besides the provider and the client."""

    device: bool
    browser: bool
    port: int
    seconds: float


@session_command(
    "login",
    "amplify-federation login --pool ID --provider google --client-id ID",
    "amplify-federation login --provider oidc:https://issuer.example.com --client-id ID",
    "amplify-federation login --device",
    "",
    "With AMPLIFY_FEDERATION_POOL_ID, AMPLIFY_FEDERATION_PROVIDER and",
    "AMPLIFY_FEDERATION_CLIENT_ID, or a configuration file that has them:",
    "  amplify-federation login",
)
@click.option(
    "--provider",
    metavar="PROVIDER",
    help=f"Where to sign in: {FORMS}.  [default: {PROVIDER_VARIABLE}, else the configuration file]",
)
@click.option(
    "--client-id",
    metavar="ID",
    help="Id that the provider gave to your application.  "
    f"[default: {CLIENT_ID_VARIABLE}, else the configuration file]",
)
@click.option(
    "--client-secret-file",
    metavar="FILE",
    type=click.Path(dir_okay=False),
    help="File with the client's secret, or Google's JSON, if the client has one.  "
    f"[default: the variable {SECRET_FILE_VARIABLE}; a secret itself: {SECRET_VARIABLE}]",
)
@click.option(
    "--discovery-url",
    metavar="URL",
    help="URL of the provider's metadata, if it is not below the issuer.",
)
@click.option(
    "--scope",
    metavar="SCOPES",
    help="Scopes, with openid.  [default: openid email, and offline_access if offered]",
)
@click.option("--device", is_flag=True, help="Sign in with a code on another device.")
@port_option("--port", "Port of the redirect to 127.0.0.1, where the provider wants one.")
@click.option("--no-browser", is_flag=True, help="Print the page's URL, and open no browser.")
@click.option(
    "--timeout",
    "seconds",
    type=click.FloatRange(min=1),
    default=300.0,
    show_default=True,
    metavar="SECONDS",
    help="Time for the sign-in.",
)
def command(  # noqa: PLR0913  # the options of the command
    target: Target,
    *,
    provider: str | None,
    client_id: str | None,
    client_secret_file: str | None,
    discovery_url: str | None,
    scope: str | None,
    device: bool,
    port: int,
    no_browser: bool,
    seconds: float,
) -> None:
    """Sign in at an OpenID provider in the browser, exchange the ID token for AWS credentials, and
    store the session, which renews itself for as long as the provider allows it.

    Without a browser on this machine, as over SSH, prints a code to enter on another device, if the
    provider offers that. If it does not, forward a port, as with ssh -L 8765:127.0.0.1:8765, give
    --no-browser --port 8765, and open the page on your own machine. The redirect URI to register at
    the provider is http://127.0.0.1/ with any port, or with that of --port; for a Cognito user pool
    it is http://localhost:PORT/, and --port is needed. If anything fails, the previous session
    stays.

    The provider and the client can also be in the configuration file (--config): as Amplify writes
    those of a user pool, or in a section `amplify_federation` with `provider` and `client_id`.
    """  # noqa: D205  # click prints it all
    if device and no_browser:
        message = "--device needs no browser; leave --no-browser out."
        raise click.UsageError(message)
    options = ClientSettings(provider, client_id, discovery_url, scope)
    settings = resolved(options, target.config)
    issuer = issuer_of(str(settings.provider))
    secret = client_secret(client_secret_file)
    flow = _Flow(device, not no_browser, port, seconds)
    signed, result = run(lambda: _login(target, settings, issuer, secret, flow), doing=None)
    renews = signed.refresh_grant is not None
    report(target, signed.provider, result, user=signed.username, renews_itself=renews)
    if not renews and not wants_json():
        click.echo(f"\n{_NO_REFRESH}", err=True)


async def _login(
    target: Target,
    settings: ClientSettings,
    issuer: str,
    secret: Callable[[], str | None],
    flow: _Flow,
) -> tuple[SignIn, FederationResult]:
    with _Progress() as progress_shown:
        progress_shown.begin("Reading the session")
        async with (
            target.open() as auth
        ):  # first, so that a bad key or folder is an error before the sign-in
            progress_shown.begin("Asking the provider")

            async def tell(prompt: SignInPrompt) -> None:
                progress_shown.end()
                await _show(prompt, browser=flow.browser)
                progress_shown.begin("Waiting for you to sign in", delay=_SOON)

            signed = await sign_in(
                issuer=issuer,
                client_id=str(settings.client_id),
                client_secret=secret(),
                scope=settings.scope,
                discovery_url=settings.discovery_url,
                device=True if flow.device else None if flow.browser else False,
                redirect_port=flow.port,
                timeout=flow.seconds,
                prompt=tell,
            )
            progress_shown.begin("Asking Cognito")
            result = await auth.federate_to_identity_pool(
                signed.id_token, signed.provider, refresh_grant=signed.refresh_grant
            )
    return signed, result


class _Progress:
    """The line of progress, which is another one in each phase of a sign-in."""

    def __init__(self) -> None:
        self._shown: AbstractContextManager[None] = nullcontext()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.end()

    def begin(self, doing: str, *, delay: float = DELAY) -> None:
        self.end()
        self._shown = progress(doing, delay=delay)
        self._shown.__enter__()

    def end(self) -> None:
        shown, self._shown = self._shown, nullcontext()
        shown.__exit__(None, None, None)


async def _show(prompt: SignInPrompt, *, browser: bool) -> None:
    """Print on stderr what the user has to do, and open the browser."""
    opened = False
    if browser and prompt.user_code is None:
        with _stdout_on_stderr():
            opened = await prompt.open_browser()
    if wants_json():
        document = {
            "sign_in": {
                "url": prompt.url,
                "user_code": prompt.user_code,
                "complete_url": prompt.complete_url,
                "redirect_uri": prompt.redirect_uri,
                "expires_in": prompt.expires_in,
                "browser_opened": opened,
            }
        }
        lines = [json.dumps(document)]
    elif prompt.user_code is not None:
        lines = ["To sign in, open this page on any device:", f"  {prompt.url}"]
        lines += ["and enter the code:", f"  {click.style(prompt.user_code, bold=True)}"]
    else:
        lead = "Sign in in the browser. If it shows nothing, open this page:"
        lines = [lead if opened else "To sign in, open this page in a browser of this machine:"]
        lines.append(prompt.url)
    for line in lines:
        click.echo(line, err=True)
    sys.stderr.flush()


@contextmanager
def _stdout_on_stderr() -> Generator[None]:
    """Let processes that are started in this block print on stderr in place of stdout.

    Browsers print on stdout (`Opening in existing browser session.`), where a result is expected.
    """
    try:
        stdout = os.dup(1)
    except OSError:  # closed
        yield
        return
    try:
        with suppress(OSError):  # stderr is closed
            os.dup2(2, 1)
        yield
    finally:
        os.dup2(stdout, 1)
        os.close(stdout)
