import pytest


@pytest.fixture
def pool(fake):
    return fake.create_identity_pool(guest_access=True)
