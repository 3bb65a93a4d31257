import anyio
import pytest

from tests.oidc.kit import World

pytest.importorskip("authlib", reason="needs Authlib: pip install 'amplify-federation[login]'")


@pytest.fixture
def expire(monkeypatch):
    """Return what ends the time of the sign-in under way, however long it was to be."""
    scopes, move_on_after = [], anyio.move_on_after

    def remembered(*arguments, **named):
        scopes.append(move_on_after(*arguments, **named))
        return scopes[-1]

    def expire():
        scopes[0].deadline = anyio.current_time()

    monkeypatch.setattr(anyio, "move_on_after", remembered)
    return expire


@pytest.fixture
async def world():
    world = World()
    async with world.http:
        yield world
