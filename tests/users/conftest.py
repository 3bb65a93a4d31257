from types import SimpleNamespace

import pytest

from amplify_federation._http import calls
from tests.users.kit import UsersWorld


@pytest.fixture
def world():
    return UsersWorld()


@pytest.fixture(autouse=True)
def _retries_wait_for_nothing(monkeypatch):
    monkeypatch.setattr(calls, "random", SimpleNamespace(random=lambda: 0.0))
