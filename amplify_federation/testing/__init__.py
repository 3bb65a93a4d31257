"""A test kit: an embedded Cognito, a movable clock, a store contract, a pytest plugin."""

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
