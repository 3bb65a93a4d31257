import pytest

from tests.oidc.kit import World

pytest.importorskip("authlib", reason="needs Authlib: pip install 'amplify-federation[login]'")


@pytest.fixture
async def world():
    world = World()
    async with world.http:
        yield world
