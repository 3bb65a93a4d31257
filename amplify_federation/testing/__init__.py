"""A test kit: an embedded Cognito, a movable clock, a store contract, a pytest plugin.

A name is loaded when it is first used: the plugin is in this package, and where the package is
installed every run of pytest imports it (4 ms of CPU, where the whole kit takes 55).
"""

import importlib
import typing

if typing.TYPE_CHECKING:
    from amplify_federation.testing._http.faults import AWS_QUOTAS
    from amplify_federation.testing._http.messages import Call, ProviderCall
    from amplify_federation.testing._service.credentials import IssuedCredentials
    from amplify_federation.testing._service.pools import DEFAULT_CLIENT_ID, PoolRoles
    from amplify_federation.testing.cassettes import cassette_settings
    from amplify_federation.testing.clock import ManualClock
    from amplify_federation.testing.cognito import FakeCognito
    from amplify_federation.testing.control import ControlAccess, serve_control
    from amplify_federation.testing.sessions import make_session
    from amplify_federation.testing.store_contract import StoreContract

__all__ = [
    "AWS_QUOTAS",
    "DEFAULT_CLIENT_ID",
    "Call",
    "ControlAccess",
    "FakeCognito",
    "IssuedCredentials",
    "ManualClock",
    "PoolRoles",
    "ProviderCall",
    "StoreContract",
    "cassette_settings",
    "make_session",
    "serve_control",
]

_HOME_OF = {
    "AWS_QUOTAS": "_http.faults",
    "Call": "_http.messages",
    "ProviderCall": "_http.messages",
    "IssuedCredentials": "_service.credentials",
    "DEFAULT_CLIENT_ID": "_service.pools",
    "PoolRoles": "_service.pools",
    "cassette_settings": "cassettes",
    "ManualClock": "clock",
    "FakeCognito": "cognito",
    "ControlAccess": "control",
    "serve_control": "control",
    "make_session": "sessions",
    "StoreContract": "store_contract",
}  # as above, for the running program

if not typing.TYPE_CHECKING:  # a checker is to find misspelt names

    def __getattr__(name: str) -> object:
        home = _HOME_OF.get(name)
        if home is None:
            message = f"module {__name__!r} has no attribute {name!r}"
            raise AttributeError(message)
        value = globals()[name] = getattr(importlib.import_module(f"{__name__}.{home}"), name)
        return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
