from types import SimpleNamespace

import pytest

from amplify_federation._http import calls
from tests.session.kit import World


@pytest.fixture
def world():
    return World()


@pytest.fixture(autouse=True)
def _retries_wait_for_nothing(monkeypatch):
    monkeypatch.setattr(calls, "random", SimpleNamespace(random=lambda: 0.0))
