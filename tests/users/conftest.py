import pytest

from tests.users.kit import UsersWorld


@pytest.fixture
def world(no_jitter):
    return UsersWorld()
