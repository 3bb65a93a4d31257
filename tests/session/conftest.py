import pytest

from amplify_federation import EncryptedFileStore
from tests.session.kit import STORE_KEY, World


@pytest.fixture
def world(no_jitter):
    return World()


@pytest.fixture(params=["memory", "file"])
def each_store(request, world, tmp_path):
    """Run the test over records in memory, and over records in files."""
    if request.param == "file":
        world.store = EncryptedFileStore(tmp_path / "s", key=STORE_KEY)
