"""The device flow (RFC 8628): the user signs in on another device while this process polls."""

import math
from typing import Any

import anyio
from attrs import frozen

from amplify_federation._model.values import Secret
from amplify_federation._oidc.client import OidcClient, TokenAnswer, secret_of
from amplify_federation._oidc.http import checked_url, malformed
from amplify_federation._oidc.prompting import SignInPrompt
from amplify_federation.errors import ConfigurationError, NetworkError, ServiceError

_GRANT = "urn:ietf:params:oauth:grant-type:device_code"
_INTERVAL = 5.0  # seconds; RFC 8628, 3.2: where the provider says nothing
_MAX_INTERVAL = 60.0
_EXPIRES_IN = 600.0  # seconds; the provider must say it, and the user sees it
_SLOWER = 5.0  # seconds; RFC 8628, 3.5
_MAX_USER_CODE = 64  # characters
_WITHOUT = "Or sign in with a browser, which may need a forwarded port: `device=False`."


@frozen
class DeviceAuthorization:
    """A device authorization response. `interval`: seconds between two requests."""

    device_code: Secret
    prompt: SignInPrompt
    interval: float


async def authorize_device(client: OidcClient, scope: str) -> DeviceAuthorization:
    """Ask for a device code. Raises `ConfigurationError` if the provider gives none."""
    endpoint = client.metadata.device_authorization_endpoint
    if endpoint is None:
        message = f"{client.metadata.issuer} has no device flow."
        raise ConfigurationError(
            message, recovery_suggestion="Sign in with a browser of this machine: `device=False`."
        )
    form = client.client.device_form(endpoint, client.metadata.auth_methods, scope)
    try:
        answer = await client.post(endpoint, form)
    except ConfigurationError as error:
        advice = f"{error.recovery_suggestion} {_WITHOUT}"
        raise ConfigurationError(error.message, recovery_suggestion=advice) from None
    given = dict(answer.members or {})
    code = secret_of(given.pop("device_code", None))
    user_code, complete = given.get("user_code"), given.get("verification_uri_complete")
    if code is None or not _is_shown(user_code):
        message = "The provider gave no device code."
        raise malformed(message)
    expires_in = _seconds(given.get("expires_in"), _EXPIRES_IN)
    prompt = SignInPrompt(
        checked_url(given.get("verification_uri"), "verification URL"),
        expires_in,
        user_code=str(user_code),
        complete_url=None if complete is None else checked_url(complete, "verification URL"),
    )
    interval = min(_MAX_INTERVAL, _seconds(given.get("interval"), _INTERVAL))
    return DeviceAuthorization(code, prompt, interval)


async def poll(client: OidcClient, device: DeviceAuthorization) -> TokenAnswer:
    """Ask until the user has decided. Raises the error of a refusal.

    A fault of the network or of the provider is no decision: it is asked again, more slowly.
    """
    interval = device.interval
    while True:
        await anyio.sleep(interval)
        try:
            return await client.request_tokens(_GRANT, {"device_code": device.device_code})
        except NetworkError:
            interval = _longer(interval)  # RFC 8628, 3.5
        except ServiceError as error:
            if error.code == "slow_down":
                interval += _SLOWER
            elif error.retryable:
                interval = _longer(interval)
            elif error.code != "authorization_pending":
                raise


def _longer(interval: float) -> float:
    return min(_MAX_INTERVAL, max(1.0, interval) * 2)


def _seconds(value: Any, default: float) -> float:  # noqa: ANN401  # of JSON
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return default
    return max(0.0, float(value))


def _is_shown(code: object) -> bool:
    """Tell whether a user code is one that a terminal may show."""
    return (
        isinstance(code, str)
        and 0 < len(code) <= _MAX_USER_CODE
        and code.isascii()
        and code.isprintable()
    )
