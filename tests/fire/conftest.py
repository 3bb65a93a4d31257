"""What every test under fire starts from."""

import anyio
import pytest

from amplify_federation.testing import ManualClock
from tests.concurrency import PATIENCE
from tests.fire.authority import Authority
from tests.fire.paths import PATHS, Way, federated_before, open_descriptors

START = 1_800_000_000.0  # of every clock: the session that was stored before is as old in each test


@pytest.fixture
def manual_clock():
    return ManualClock(time=START)


@pytest.fixture(scope="session")
def previous():
    """Return the session that must survive."""
    return anyio.run(federated_before, ManualClock(time=START))


@pytest.fixture(scope="session")
def authority(tmp_path_factory):
    """Return the authority that clients under test trust."""
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(params=PATHS)
def way(request, monkeypatch, authority):
    """Run the test over every path to the network."""
    return Way(request.param, monkeypatch, authority.path)


@pytest.fixture
async def nothing_leaks(anyio_backend):
    """Fail a test that leaves a descriptor open."""
    before = open_descriptors() or set()
    yield
    if "use_uvloop" in str(anyio_backend):
        return  # uvloop opens some for itself at a loop's first connection
    with anyio.move_on_after(PATIENCE):  # asyncio closes what was aborted or cancelled a bit later
        while (open_descriptors() or set()) - before:  # noqa: ASYNC110  # the system tells
            await anyio.sleep(0.001)
    assert (open_descriptors() or set()) <= before


@pytest.fixture(params=["httpx", "httpx2"])
def own_client(request, monkeypatch, authority):
    """Open handles over a caller's own client."""
    return Way(request.param, monkeypatch, authority.path).auth


@pytest.fixture(params=[path for path in PATHS if path.startswith("lean")])
def lean_way(request, monkeypatch, authority):
    """Run the test over the paths that are all our own."""
    return Way(request.param, monkeypatch, authority.path)
