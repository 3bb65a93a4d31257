import pytest

from amplify_federation.cli.demo.play import Play
from amplify_federation.cli.demo.stage import set_stage


@pytest.fixture
async def stage():
    async with set_stage() as stage:
        yield stage


@pytest.fixture
def play(stage):
    return Play(stage)
